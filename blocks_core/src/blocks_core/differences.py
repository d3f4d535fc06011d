"""How one structure became another, in words, and whether what was stored with the old one fits the new one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

Node = dict[str, Any]
"""A structure, or a part of one."""

_WITH_MARKS = frozenset(
    {
        "date",
        "date-time",
        "time",
        "duration",
        "uuid",
        "path",
        "file-path",
        "directory-path",
        "base64url",
        "binary",
    }
)
"""Formats of texts that are stored with what they are, so that none is taken for a plain text."""

_NUMBERS = frozenset({"boolean", "integer", "number", "decimal"})
_SCALARS = frozenset({"null", "boolean", "integer", "number", "string"})
_KEPT = _SCALARS | {"marked"}
"""Kinds whose values stay what they are where anything is taken."""

_CONTAINERS = frozenset({"object", "dict", "list", "tuple", "block", "recursive"})


@dataclass(frozen=True)
class Difference:
    """One way in which a structure changed."""

    text: str
    compatible: bool
    """Whether every block stored with the old structure fits the new one."""


def differences(old: Node, new: Node, path: str = "") -> list[Difference]:
    """Return how one structure became another.

    Args:    old, new: what `structure` gave. path: dotted path of where they stand; `*` is any item or key.
    """
    if old == new:
        return []
    olds, news = _options(old), _options(new)
    if news == [{}]:
        return [_became(old, new, path, compatible=all(_kind(option) in _KEPT for option in olds))]
    if len(olds) == len(news) == 1:
        return list(_of_one(olds[0], news[0], path))
    return list(_Choice(old, new, path).differences())


def _of_one(old: Node, new: Node, path: str) -> Iterator[Difference]:
    """Yield how a part that is no choice became another that is none."""
    kinds = _kind(old), _kind(new)
    if kinds[0] != kinds[1] or _apart(old) != _apart(new):
        yield _became(old, new, path, compatible=_widens(old, new))
    elif kinds[0] == "enum":
        yield from _of_values(old, new, path)
    elif kinds[0] == "secret":
        yield from _of_secret(old, new, path)
    else:
        yield from _of_properties(old, new, path)
        yield from _of_inner(old, new, path)


def _of_values(old: Node, new: Node, path: str) -> Iterator[Difference]:
    before, after = _values(old), _values(new)
    gone, come = sorted(before - after), sorted(after - before)
    if gone:
        yield Difference(
            f"{_what(path)} no longer takes {_listed(gone)} (it was {_words(old)})", compatible=False
        )
    if come:
        yield Difference(f"{_what(path)} also takes {_listed(come)} (it was {_words(old)})", compatible=True)


def _of_secret(old: Node, new: Node, path: str) -> Iterator[Difference]:
    """Yield how a secret's value changed; `SecretStr` and `SecretBytes` hold nothing but texts and bytes."""
    inner = [{key: value for key, value in node.items() if key != "writeOnly"} for node in (old, new)]
    if any(node.get("format") == "password" for node in inner):
        yield _became(old, new, path, compatible=False)
    else:
        yield from differences(inner[0], inner[1], path)


def _of_properties(old: Node, new: Node, path: str) -> Iterator[Difference]:
    before, after = cast("Node", old.get("properties", {})), cast("Node", new.get("properties", {}))
    for name in sorted(before.keys() | after.keys()):
        inner = _joined(path, name)
        needed, was_needed = name in new.get("required", []), name in old.get("required", [])
        word = "required" if needed else "optional"
        if name not in after:
            yield Difference(f"{_what(inner)} is gone (it was {_words(before[name])})", compatible=False)
        elif name not in before:
            text = f"{_what(inner)} is new and {word} ({_words(after[name])})"
            yield Difference(text, compatible=not needed)
        else:
            yield from differences(before[name], after[name], inner)
            if needed != was_needed:
                other = "optional" if needed else "required"
                yield Difference(f"{_what(inner)} was {other} and is {word}", compatible=not needed)


def _of_inner(old: Node, new: Node, path: str) -> Iterator[Difference]:
    """Yield how items, keys and values changed; both have them, or neither."""
    for key in ("items", "additionalProperties"):
        if key in old:
            yield from differences(old[key], new[key], _joined(path, "*"))
    if old.get("propertyNames") != new.get("propertyNames"):
        keys = [_words(node.get("propertyNames", {"type": "string"})) for node in (old, new)]
        yield Difference(f"the keys of {_what(path)} were {keys[0]} and are {keys[1]}", compatible=False)
    for index, parts in enumerate(zip(old.get("prefixItems", []), new.get("prefixItems", []), strict=True)):
        yield from differences(*parts, _joined(path, str(index)))
    for key in ("allOf", "contains", "recursive"):
        if old.get(key) != new.get(key):
            yield Difference(f"{_what(path)} has another {key}", compatible=False)


class _Choice:
    """A part that takes one of several things, before or after the change, or both."""

    def __init__(self, old: Node, new: Node, path: str) -> None:
        self._old, self._new, self._path = old, new, path
        self._olds, self._news = _options(old), _options(new)
        self._tags = sorted(_discriminators(old) | _discriminators(new))
        self._left = _without(self._news, self._olds)
        self._widened: list[tuple[Node, Node]] = []

    def differences(self) -> Iterator[Difference]:
        """Yield what the choice lost, what changed in its members, and what it gained."""
        for option in _without(self._olds, self._news):
            yield from self._of_changed(option)
        for option in self._left:
            yield self._said(f"also takes {_words(option)}", compatible=not self._may_be_taken_for(option))
        before, after = _discriminators(self._old), _discriminators(self._new)
        if before != after:
            tagged = all(self._is_told_apart(option) for option in self._news if _is_object(option))
            text = f"is told apart by {_listed(sorted(after)) if after else 'its form'}"
            yield self._said(text, compatible=tagged)

    def _of_changed(self, option: Node) -> Iterator[Difference]:
        partner = self._partner(option)
        if partner is None:
            yield self._of_lost(option)
            return
        self._left.remove(partner)
        alone = not any(other is not partner and self._mistakable(option, other) for other in self._news)
        for found in differences(option, partner, self._path):
            yield replace(found, compatible=found.compatible and alone)

    def _of_lost(self, option: Node) -> Difference:
        """Return what became of a member that is not there any more: taken as another, or as none."""
        wider = next((other for other in self._news if _widens(option, other)), None)
        if wider is None:
            return self._said(f"no longer takes {_words(option)}", compatible=False)
        self._widened.append((option, wider))
        alone = not any(other is not wider and self._mistakable(option, other) for other in self._news)
        return self._said(f"takes {_words(option)} as {_words(wider)}", compatible=alone)

    def _partner(self, option: Node) -> Node | None:
        """Return what a member became: the one of its tag, else the only one of its kind on both sides."""
        for name in self._tags:
            mine = _tag(option, name)
            for other in self._left:
                if mine and mine & _tag(other, name):
                    return other
        kind = _kind(option)
        if kind in ("object", "dict", "list", "tuple", "enum", "secret"):
            same = [[other for other in side if _kind(other) == kind] for side in (self._olds, self._news)]
            if len(same[0]) == len(same[1]) == 1 and same[1][0] in self._left:
                return same[1][0]
        return None

    def _may_be_taken_for(self, gained: Node) -> bool:
        """Tell whether something that is stored may come back as the member that was gained."""
        return any(
            self._mistakable(option, gained) and (option, gained) not in self._widened
            for option in self._olds
        )

    def _mistakable(self, stored: Node, other: Node) -> bool:
        kinds = _kind(stored), _kind(other)
        if "null" in kinds or kinds[0] == "block":
            return False
        if "secret" in kinds:
            return kinds[1] == "secret"
        if {} in (stored, other):
            return not (kinds[0] in _SCALARS and other == {})
        if _is_object(stored):
            return (_is_object(other) or kinds[1] == "block") and not _tagged_apart(stored, other)
        if kinds[0] in ("list", "tuple"):
            return kinds[1] in ("list", "tuple")
        return _text_or_number_mistakable(stored, other)

    def _is_told_apart(self, option: Node) -> bool:
        return all(not self._mistakable(option, other) for other in self._news if other is not option)

    def _said(self, text: str, *, compatible: bool) -> Difference:
        was = f"(it was {_words(self._old)}, and is {_words(self._new)})"
        reason = (
            "" if compatible or not text.startswith("also") else ", for which what is stored may be taken"
        )
        return Difference(f"{_what(self._path)} {text}{reason} {was}", compatible)


def _text_or_number_mistakable(stored: Node, other: Node) -> bool:
    """Tell whether a stored text or number may come back as another: where its mark or type does not tell."""
    kinds = _kind(stored), _kind(other)
    if kinds[0] == "enum":
        return bool(_values(stored) & _values(other)) if kinds[1] == "enum" else kinds[1] not in _CONTAINERS
    if kinds[1] == "enum":
        types = {_type_of_value(value) for value in _values(other)}
        return kinds[0] == "text" or (kinds[0] in _NUMBERS and bool(types - {kinds[0]} & _NUMBERS))
    return kinds[1] == "text" or (kinds[0] == "text" and kinds[1] in ("string", "marked"))


def _widens(old: Node, new: Node) -> bool:
    """Tell whether what is stored of a kind fits another that takes all of it and more."""
    if new == {}:
        return _kind(old) in _KEPT
    types = {_type_of_value(value) for value in _values(old)} if _kind(old) == "enum" else {_kind(old)}
    pairs = (
        ({"string"}, "string"),
        ({"integer"}, "integer"),
        ({"integer"}, "number"),
        ({"boolean"}, "boolean"),
    )
    return (types, _kind(new)) in pairs


def _options(node: Node) -> list[Node]:
    """Return what a part takes, one by one; a choice inside a choice is one choice."""
    if _kind(node) != "choice":
        return [node]
    members = cast("list[Node]", [*node.get("anyOf", []), *node.get("oneOf", [])])
    return [option for member in members for option in _options(member)]


def _without(options: list[Node], others: list[Node]) -> list[Node]:
    """Return the options that are not among the others, one for one."""
    left = list(options)
    for other in others:
        if other in left:
            left.remove(other)
    return left


def _discriminators(node: Node) -> set[str]:
    if _kind(node) != "choice":
        return set()
    members = cast("list[Node]", [*node.get("anyOf", []), *node.get("oneOf", [])])
    own = {str(node["discriminator"])} if "discriminator" in node else set[str]()
    return own.union(*(_discriminators(member) for member in members))


def _kind(node: Node) -> str:
    """Return the kind of a part: what tells its stored values from those of others."""
    for key, kind in (("writeOnly", "secret"), ("x-block-type", "block"), ("x-capability", "block")):
        if node.get(key):
            return kind
    if "x-decimal" in node:
        return "decimal"
    if "anyOf" in node or "oneOf" in node:
        return "choice"
    if "enum" in node or "const" in node:
        return "enum"
    kind = str(node.get("type", "recursive" if "recursive" in node else "anything"))
    if kind == "array":
        return "tuple" if "prefixItems" in node else "list"
    if kind == "object":
        return "object" if "properties" in node or "additionalProperties" not in node else "dict"
    if kind == "string" and "format" in node:
        return "marked" if node["format"] in _WITH_MARKS else "text"
    return kind


def _apart(node: Node) -> tuple[Any, ...]:
    """Return what must be the same in two parts of one kind, for them to be compared further."""
    if _kind(node) in ("enum", "secret"):
        return ()
    count = len(cast("list[Node]", node.get("prefixItems", [])))
    keys = ("format", "contentEncoding", "uniqueItems", "x-block-type", "x-capability", "x-decimal")
    return (*(node.get(key) for key in keys), "items" in node, "additionalProperties" in node, count)


def _is_object(node: Node) -> bool:
    return _kind(node) in ("object", "dict", "recursive")


def _tagged_apart(one: Node, other: Node) -> bool:
    """Tell whether two objects have a field that takes other values in each."""
    shared = one.get("properties", {}).keys() & other.get("properties", {}).keys()
    pairs = ((_tag(one, name), _tag(other, name)) for name in shared)
    return any(mine and theirs and not mine & theirs for mine, theirs in pairs)


def _tag(node: Node, name: str) -> set[str]:
    field = cast("Node", node.get("properties", {}).get(name, {}))
    return _values(field) if _kind(field) == "enum" else set()


def _values(node: Node) -> set[str]:
    """Return the values that a part takes, as JSON texts."""
    values = cast("list[Any]", node["enum"] if "enum" in node else [node["const"]])
    return {json.dumps(value) for value in values}


def _type_of_value(text: str) -> str:
    names = {"bool": "boolean", "int": "integer", "float": "number", "str": "string", "NoneType": "null"}
    return names.get(type(json.loads(text)).__name__, "anything")


def _became(old: Node, new: Node, path: str, *, compatible: bool) -> Difference:
    was, now = _words(old), _words(new)
    if was == now:
        keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return Difference(f"{_what(path)} has another {' and '.join(keys)}", compatible)
    return Difference(f"{_what(path)} was {was} and is {now}", compatible)


def _words(node: Node) -> str:
    """Return what a part takes, in words."""
    kind = _kind(node)
    if kind == "choice":
        return " or ".join(dict.fromkeys(_words(option) for option in _options(node)))
    if kind == "secret":
        return "a secret"
    if kind == "block":
        return f"a block ({node.get('x-block-type') or node['x-capability']})"
    if kind == "enum":
        return _listed(sorted(_values(node)))
    if kind == "tuple":
        return f"tuple of {', '.join(_words(part) for part in node['prefixItems'])}"
    if kind in ("list", "dict"):
        inner = cast("Node", node.get("items") or node.get("additionalProperties") or {})
        word = "set" if node.get("uniqueItems") else kind
        return f"{word} of {_words(inner)}" if inner else word
    return str(node.get("format") or kind)


def _listed(texts: list[str]) -> str:
    return " or ".join(texts)


def _what(path: str) -> str:
    return f"field '{path}'" if path else "the block"


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
