r"""What a registry asks of a document, whoever writes it: that it fits the stored JSON Schema of its type.

Stored content keeps secrets and references beside its data, and JSON Schema knows neither. So both the schema and
the content are brought to one form first, in which a secret is `{"\0secret": value}` and a held block is
`{"\0block": {"slug": …, "capabilities": […]}}`. No message repeats a value.

Source: JSON Schema 2020-12, by `jsonschema_rs`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from uuid import UUID

from blocks_core.document import Encoded, Json, dotted, pointer_to
from blocks_core.errors import FieldProblem, did_you_mean
from blocks_core.names import suggest
from blocks_core.schema_reading import PATTERN, found_patterns, without_notes

Node = dict[str, Any]

_SECRET, _REFERENCE, _BLOCK = "\0secret", "\0secretref", "\0block"
_WRAPS = {_SECRET, _REFERENCE, _BLOCK}
_CHOICES = ("anyOf", "oneOf")
_OF_TEXT = ("minLength", "maxLength", "pattern", "format")
_INFINITY = 1e308


@dataclass(frozen=True)
class Held:
    """What is known of a block that a document holds."""

    slug: str
    capabilities: tuple[str, ...]


class Validator:
    """Checks content against the JSON Schema of one version of a block type."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        import jsonschema_rs  # late: loading needs no validation

        self._schema = _prepared(without_notes(schema))
        patterns = found_patterns(self._schema)
        self._check = jsonschema_rs.Draft202012Validator(
            self._schema, formats=patterns, validate_formats=True, ignore_unknown_formats=True
        )

    def problems(
        self,
        content: Encoded,
        held: Callable[[UUID], Held | None],
        described: Callable[[str, int], tuple[Validator, Held]],
    ) -> list[FieldProblem]:
        """Return what does not fit, a line for each field; nothing where all fits.

        Args:    held: what is known of a saved block; None where it is not there.
                 described: validator and description of a type's version, for blocks stored inside.
        """
        reader = _Reader(content, held, described)
        found = self.misfits(reader.view(content.data, ""))
        return list(dict.fromkeys([*reader.problems, *found]))

    def misfits(self, view: Any) -> list[FieldProblem]:
        """Return what does not fit of content in the form that is checked."""
        return [
            problem for error in self._check.iter_errors(view) for problem in _Words(self._schema).of(error)
        ]


class _Reader:
    """Brings stored content to the form that is checked."""

    def __init__(
        self,
        content: Encoded,
        held: Callable[[UUID], Held | None],
        described: Callable[[str, int], tuple[Validator, Held]],
    ) -> None:
        self._content = content
        self._held = held
        self._described = described
        self.problems: list[FieldProblem] = []

    def view(self, data: Json, pointer: str) -> Any:
        """Return the form of a part; what is wrong with blocks stored inside goes to `problems`."""
        mark = self._content.marks.get(pointer, "")
        kind, _, rest = mark.partition(":")
        if kind == "secret":
            return {_SECRET: self._secret(pointer)}
        if kind == "secretref":
            return {_REFERENCE: True}
        if kind == "block":
            held = self._held(UUID(rest))
            return {_BLOCK: _about(held) if held else {}}
        if kind == "inline":
            return {_BLOCK: self._inline(data, rest, pointer)}
        return self._plain(data, mark, pointer)

    def _plain(self, data: Json, mark: str, pointer: str) -> Any:
        if isinstance(data, dict):
            return {_name(name): self.view(value, pointer_to(pointer, name)) for name, value in data.items()}
        if isinstance(data, list):
            if mark in ("set", "frozenset") and self._has_twice(data, pointer):
                self.problems.append(FieldProblem(dotted(pointer), "must have no item twice"))
            return [self.view(value, pointer_to(pointer, index)) for index, value in enumerate(data)]
        if isinstance(data, str):
            return _number_of(mark, data) if mark in ("float", "decimal") else _text(data)
        return data

    def _secret(self, pointer: str) -> Any:
        inner = self._content.secrets.get(pointer)
        if inner is None:
            self.problems.append(FieldProblem(dotted(pointer), "is a secret without a value"))
            return None
        reader = _Reader(inner, self._held, self._described)
        return reader.view(inner.data, "")

    def _inline(self, data: Json, rest: str, pointer: str) -> Node:
        slug, _, version = rest.rpartition("@")
        if not version.isdecimal() or not isinstance(data, dict):
            self.problems.append(FieldProblem(dotted(pointer), "is no block of fields"))
            return {}
        validator, held = self._described(slug, int(version))
        path = dotted(pointer)
        for problem in validator.misfits(self._plain(data, "", pointer)):
            self.problems.append(
                FieldProblem(f"{path}.{problem.path}" if problem.path else path, problem.problem)
            )
        return _about(held)

    def _has_twice(self, items: list[Json], pointer: str) -> bool:
        """Tell whether two items are stored alike, their marks and secrets included."""
        forms = [self._form(item, pointer_to(pointer, index)) for index, item in enumerate(items)]
        return len(set(forms)) < len(forms)

    def _form(self, data: Json, pointer: str) -> str:
        secret = self._content.secrets.get(pointer)
        inside: Any = data if secret is None else secret.to_json()
        if isinstance(data, dict):
            inside = {name: self._form(value, pointer_to(pointer, name)) for name, value in data.items()}
        elif isinstance(data, list):
            inside = [self._form(value, pointer_to(pointer, index)) for index, value in enumerate(data)]
        return json.dumps([self._content.marks.get(pointer, ""), inside], sort_keys=True)


def _about(held: Held) -> Node:
    return {"slug": held.slug, "capabilities": list(held.capabilities)}


def _text(text: str) -> str:
    """Return a text that UTF-8 can hold, of the same length."""
    if text.isascii():
        return text
    return "".join("?" if "\ud800" <= char <= "\udfff" else char for char in text)


def _name(name: str) -> str:
    """Return the name of a member, so that none of a user's is taken for a mark of the checked form."""
    return _text("\0" + name if name.startswith("\0") and "\0" + name.lstrip("\0") in _WRAPS else name)


def _number_of(mark: str, text: str) -> Any:
    """Return what stands for a number that JSON cannot write as one."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if mark == "float":
        return 0.0 if number.is_nan() else _INFINITY if number > 0 else -_INFINITY
    return format(number, "f") if number.is_finite() and abs(number.adjusted()) < 10_000 else "0"


def _prepared(schema: Mapping[str, Any]) -> Node:
    """Return a schema for the checked form: secrets and blocks wrapped, the root's own fields apart."""
    definitions = cast("Node", schema.get("$defs", {}))
    found: Node = {name: _wrapped(part) for name, part in definitions.items()}
    root: Node = {key: value for key, value in schema.items() if key != "$defs"}
    if "$ref" in root:  # a type that holds its own kind: its fields stand among the definitions
        root = dict(definitions[str(root["$ref"]).rpartition("/")[2]])
    fields = {key: value for key, value in root.items() if not key.startswith("x-")}
    return {**_inside_of(fields), "$defs": found}


def _wrapped(part: Any) -> Any:
    """Return a part of a schema with what is a secret or a block wrapped."""
    if not isinstance(part, dict):
        return part
    node = cast("Node", part)
    if node.get("writeOnly"):
        inner = {key: value for key, value in node.items() if key not in ("writeOnly", "default")}
        return {"anyOf": [_object_of(_SECRET, _wrapped(inner)), _object_of(_REFERENCE, {})], "x-secret": True}
    if "x-block-type" in node:
        return _object_of(_BLOCK, {"properties": {"slug": {"const": node["x-block-type"]}}}, needs=node)
    if "x-capability" in node:
        contains = {"contains": {"const": node["x-capability"]}}
        return _object_of(_BLOCK, {"properties": {"capabilities": contains}}, needs=node)
    if "x-any-block" in node:
        return _object_of(_BLOCK, {}, needs=node)
    return _inside_of(node)


def _object_of(word: str, inner: Any, needs: Node | None = None) -> Node:
    marked = {key: value for key, value in (needs or {}).items() if key.startswith("x-")}
    return {
        "type": "object",
        "properties": {word: inner},
        "required": [word],
        "additionalProperties": False,
        **marked,
    }


def _inside_of(node: Node) -> Node:
    found: Node = {}
    for key, value in node.items():
        if key in ("properties", "patternProperties", "$defs"):
            found[key] = {_name(name): _wrapped(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties", "propertyNames", "contains", "not"):
            found[key] = _wrapped(value)
        elif key in ("format", "uniqueItems"):
            continue  # pydantic checks no format by its name; items of a set are compared as they are stored
        elif key == "pattern":
            found["format"] = f"{PATTERN}{value}"  # checked by pydantic's own engine, whose words differ
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            found[key] = [_wrapped(inner) for inner in value]
        elif key in _OF_TEXT and "contentEncoding" in node:
            continue  # of the bytes, which the text encodes
        elif key not in ("default", "examples", "description", "title"):
            found[key] = value
    return found


class _Words:
    """Says what does not fit, in words that hold no value."""

    def __init__(self, schema: Node) -> None:
        self._schema = schema

    def of(self, error: Any) -> Iterator[FieldProblem]:
        """Yield the problems of one error of the checker."""
        place, at = list(error.instance_path), list(error.schema_path)[:-1]
        path, name, node = _path(place), str(error.kind.name), self._node(at)
        if _BLOCK in place:
            yield FieldProblem(path, f"must be {_kind_of(self._node(at[: at.index(_BLOCK) - 1]))}")
        elif name in _CHOICES:
            yield from self._of_choice(error, place, node)
        elif name == "additionalProperties":
            yield from _unexpected(path, node, error.kind.unexpected)
        elif name == "required" and str(error.kind.property).startswith("\0"):
            yield FieldProblem(path, f"must be {_kind_of(node)}")
        elif name == "required":
            yield FieldProblem(_joined(path, str(error.kind.property)), "is required")
        else:
            yield FieldProblem(path, _requirement(name, node))

    def _of_choice(self, error: Any, place: list[str | int], node: Node) -> Iterator[FieldProblem]:
        """Yield the problems of the one member of a choice that was meant, where that can be told."""
        meant = [
            errors
            for errors in error.kind.context
            if not any(_is_of_kind(inner) and list(inner.instance_path) == place for inner in errors)
        ]
        if len(meant) == 1:
            for inner in meant[0]:
                yield from self.of(inner)
        else:
            yield FieldProblem(_path(place), f"must be {_kind_of(self._resolved(node))}")

    def _node(self, path: Sequence[str | int]) -> Node:
        """Return the part of the schema at a path."""
        here: Any = self._schema
        for step in path:
            here = here[step]
        return cast("Node", here)

    def _resolved(self, node: Node) -> Node:
        if "$ref" in node:
            return self._resolved(self._schema["$defs"].get(str(node["$ref"]).rpartition("/")[2], {}))
        choices = [key for key in _CHOICES if key in node and not node.get("x-secret")]
        if choices:
            return {choices[0]: [self._resolved(inner) for inner in node[choices[0]]]}
        return node


def _is_of_kind(error: Any) -> bool:
    """Tell whether an error says that a value is of another kind than a schema takes."""
    name = str(error.kind.name)
    wraps = name == "required" and str(error.kind.property).startswith("\0")
    return (
        wraps
        or name in ("type", "const", "enum")
        or (name == "additionalProperties" and _WRAPS & set(error.kind.unexpected) != set())
    )


def _unexpected(path: str, node: Node, names: Sequence[str]) -> Iterator[FieldProblem]:
    known = [key for key in node.get("properties", {}) if not key.startswith("\0")]
    for name in names:
        if name.startswith("\0") or not known:
            yield FieldProblem(path, f"must be {_kind_of(node)}")
        else:
            yield FieldProblem(
                _joined(path, name), f"there is no such field{did_you_mean(suggest(name, known))}"
            )


def _path(steps: Sequence[str | int]) -> str:
    outside = steps[: steps.index(_BLOCK)] if _BLOCK in steps else steps
    return ".".join(str(step) for step in outside if not str(step).startswith("\0"))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _kind_of(node: Node) -> str:
    """Return what a part of a schema takes, in words."""
    for key in _CHOICES:
        if key in node and not node.get("x-secret"):
            return " or ".join(dict.fromkeys(_kind_of(inner) for inner in node[key]))
    if node.get("x-secret"):
        return "a secret, given as one"
    for key, words in (("x-block-type", "a block of the type"), ("x-capability", "a block that can be a")):
        if key in node:
            return f"{words} '{node[key]}'"
    if "x-any-block" in node:
        return "a block"
    if "enum" in node or "const" in node:
        return " or ".join(_quoted(value) for value in node.get("enum", [node.get("const")]))
    if "\0secret" in node.get("properties", {}):
        return "a secret, given as one"
    return _TYPES.get(str(node.get("type")), "something else")


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "nothing",
}

_REQUIREMENTS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} members",
    "maxProperties": "must have at most {} members",
}


def _requirement(name: str, node: Node) -> str:
    if name in _REQUIREMENTS:
        return _REQUIREMENTS[name].format(node.get(name))
    if name == "format":
        return f"must match the pattern {str(node.get('format')).removeprefix(PATTERN)}"
    if name in ("type", "enum", "const"):
        return f"must be {_kind_of(node)}"
    return f"does not fit its schema ({name})"


def _quoted(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
