"""How a type of another system becomes one of ours: rules that are data, which the documentation is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from blocks_registry.importing.found import is_blank, shown, value_at

_OPENED = frozenset({"extra"})
"""Fields that are bags of others: each member counts for itself."""


@dataclass(frozen=True)
class Rule:
    """Where the value of one of our fields comes from."""

    ours: str
    """Dotted path of our field."""
    theirs: tuple[str, ...]
    """Dotted paths of the fields that it is made of."""
    convert: Callable[..., Any] | None = None
    """Takes the values of `theirs`, None where there is none, and gives ours, or None for none."""


@dataclass(frozen=True)
class TypeMap:
    """One type of another system, and the block type that does the same."""

    theirs: str
    ours: str
    rules: tuple[Rule, ...]
    says_nothing: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Their field -> the value at which leaving it out changes nothing."""
    refuse: Callable[[Mapping[str, Any]], str] | None = None
    """Given the fields, says why this one has no counterpart after all; empty where it has."""
    remark: Callable[[Mapping[str, Any]], str] | None = None
    """Given the fields, says what else to know of the block that is made; empty for nothing."""


@dataclass(frozen=True)
class System:
    """Another system: its types that have a counterpart here, and why others have none."""

    title: str
    types: Mapping[str, TypeMap]
    without: Mapping[str, str] = field(default_factory=dict[str, str])
    """Type -> why it has no counterpart, where there is more to say than that."""

    def map(self, kind: str, fields: Mapping[str, Any]) -> Mapped | Unmapped:
        """Return what a block of one of its types becomes."""
        type_map = self.types.get(kind)
        if type_map is not None:
            return apply_map(type_map, fields)
        return Unmapped(
            self.without.get(kind, f"no block type does what {self.title}'s '{shown(kind)}' does")
        )


@dataclass(frozen=True, repr=False)
class Mapped:
    """Fields of one of our types, made of theirs."""

    slug: str
    fields: Mapping[str, Any]
    """By dotted path taken apart: nested dictionaries; `Link` and `Inline` stand where theirs stood."""
    left_out: tuple[str, ...] = ()
    """Paths of their fields that say something and have no counterpart."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unmapped:
    """No block type of ours does what this does."""

    reason: str


def rule(ours: str, *theirs: str, by: Callable[..., Any] | None = None) -> Rule:
    """Return a rule; without `theirs`, the field has the same name in both systems."""
    return Rule(ours, theirs or (ours,), by)


def apply_map(type_map: TypeMap, fields: Mapping[str, Any]) -> Mapped | Unmapped:
    """Return what the fields of another system's block become."""
    reason = type_map.refuse(fields) if type_map.refuse else ""
    if reason:
        return Unmapped(reason)
    ours: dict[str, Any] = {}
    for one in type_map.rules:
        found = [value_at(fields, path) for path in one.theirs]
        value = one.convert(*found) if one.convert else found[0]
        if not is_blank(value):
            _put(ours, one.ours, value)
    note = type_map.remark(fields) if type_map.remark else ""
    return Mapped(type_map.ours, ours, tuple(left_out(type_map, fields)), (note,) if note else ())


def left_out(type_map: TypeMap, fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of fields that say something and that no rule takes."""
    taken = {path for one in type_map.rules for path in one.theirs}
    known = taken | set(type_map.says_nothing)
    waiting = list(reversed(list(fields.items())))
    while waiting:
        path, value = waiting.pop()
        if path in taken or is_blank(value):
            continue
        if path in type_map.says_nothing and type_map.says_nothing[path] == value:
            continue
        if isinstance(value, Mapping) and (
            path in _OPENED or any(other.startswith(f"{path}.") for other in known)
        ):
            members = cast("Mapping[str, Any]", value)
            waiting += [(f"{path}.{name}", inner) for name, inner in reversed(list(members.items()))]
        else:
            yield shown(path)


def _put(ours: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for step in above:
        ours = ours.setdefault(step, {})
    ours[last] = value
