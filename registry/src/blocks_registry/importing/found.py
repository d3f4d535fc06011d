"""What another system keeps: its blocks or connections with their values in clear, before anything is decided."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Of a file, or of one answer: more is refused, as no system has that many connections."""

_SHOWN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_MIN_CHARACTERS = 4
"""A shorter text is not taken out of what others say: it would hide the words and not the secret."""


@dataclass(frozen=True)
class Link:
    """What a field has that holds another block of the same system."""

    id: str


@dataclass(frozen=True, repr=False)
class Inline:
    """What a field has that holds a block stored inside."""

    type: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Found:
    """One block or connection of another system. Its repr shows no value."""

    type: str
    """What the other system calls its type: `s3-bucket`, `google_cloud_platform`."""
    name: str
    fields: Mapping[str, Any] = field(repr=False)
    """Values of JSON; at the top also `Link` and `Inline`."""
    id: str = ""
    """Of the other system; empty where its names are all that it has."""
    anonymous: bool = False
    """Saved without a name, so that it counts only where another one holds it."""
    problem: str = ""
    """Why its values cannot be had, or empty."""

    @property
    def source(self) -> str:
        """Return `type/name`."""
        return f"{self.type}/{self.name}"

    @property
    def key(self) -> str:
        """Return what `Link` knows it by."""
        return self.id or self.source

    def __repr__(self) -> str:
        return f"Found({self.source})"

    def links(self) -> dict[str, str]:
        """Return field -> the key of the block that it holds."""
        return {name: value.id for name, value in self.fields.items() if isinstance(value, Link)}


def is_blank(value: object) -> bool:
    """Tell whether a value says nothing."""
    return value is None or value in ("", [], {})


def value_at(fields: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None where there is none or a blank one.

    >>> value_at({"extra": {"region_name": "eu"}}, "extra.region_name")
    'eu'
    """
    here: Any = fields
    for step in path.split("."):
        if isinstance(here, Inline):
            here = here.fields
        here = cast("Mapping[str, Any]", here).get(step) if isinstance(here, Mapping) else None
    return None if is_blank(here) else here


def names_of(fields: Mapping[str, Any], *, opened: frozenset[str] = frozenset({"extra"})) -> list[str]:
    """Return the names of the fields that say something, and never a value.

    Args:    opened: fields whose own members are named instead.
    """
    names: list[str] = []
    for name, value in fields.items():
        if name in opened and isinstance(value, Mapping):
            members = cast("Mapping[str, Any]", value)
            names += [shown(f"{name}.{inner}") for inner, found in members.items() if not is_blank(found)]
        elif not is_blank(value):
            names.append(shown(name))
    return list(dict.fromkeys(names))


def shown(path: str) -> str:
    """Return the path of a field as it may be shown: a name that looks like none may be a value that strayed.

    >>> shown("extra.region_name"), shown("alice@example.com")
    ('extra.region_name', '(a name that is not shown)')
    """
    return path if _SHOWN.fullmatch(path) else "(a name that is not shown)"


def texts_in(value: object) -> Iterator[str]:
    """Yield what in a value may be a secret: its texts and numbers, but for the shortest."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Inline):
            found = found.fields
        if isinstance(found, Mapping):
            waiting += cast("Mapping[str, object]", found).values()
        elif isinstance(found, (list, tuple)):
            waiting += cast("list[object]", found)
        elif isinstance(found, (str, int, float)) and not isinstance(found, bool):
            text = str(found)
            if len(text) >= _MIN_CHARACTERS:
                yield text
