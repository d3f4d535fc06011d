"""A stored JSON Schema made ready for the checker: what is no keyword left out, patterns in pydantic's own words.

A class may write anything beside its fields (`json_schema_extra`), and older schemas wrote `required: true`: such a
note is no reason to refuse every block of a type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from pydantic_core import SchemaError, SchemaValidator, core_schema

Node = dict[str, Any]

PATTERN: Final = "pattern:"
"""Before a pattern that is written as a format, so that the checker asks for it here."""

_TYPES: Final = {"string", "integer", "number", "boolean", "array", "object", "null"}
_PARTS: Final = {"items", "additionalProperties", "propertyNames", "contains", "not"}
_LISTS: Final = {"anyOf", "oneOf", "allOf", "prefixItems"}
_MEMBERS: Final = {"properties", "patternProperties", "$defs"}
_NUMBERS: Final = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_COUNTS: Final = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_INFINITY = 1e308


def without_notes(schema: Mapping[str, Any]) -> Node:
    """Return a schema with the keywords that are checked, each as it should be."""
    root = dict(schema)
    return cast("Node", _Reading(root.get("$defs")).read(root))


def found_patterns(schema: Node) -> dict[str, Callable[[str], bool]]:
    """Return a check for each pattern of a prepared schema, by the format that stands for it."""
    return {word: _matcher(word.removeprefix(PATTERN)) for word in _formats(schema)}


class _Reading:
    """Reads one schema."""

    def __init__(self, definitions: Any) -> None:
        self._definitions: Node = cast("Node", definitions) if isinstance(definitions, dict) else {}

    def read(self, part: Any) -> Any:
        """Return a part without what is no keyword, or is one in a wrong form."""
        if not isinstance(part, dict):
            return part
        node: Node = {}
        for key, value in cast("Node", part).items():
            if key in _PARTS and isinstance(value, (dict, bool)):
                node[key] = self.read(value)
            elif key in _LISTS and _are_schemas(value) and value:
                node[key] = [self.read(inner) for inner in value]
            elif key in _MEMBERS and isinstance(value, dict) and _are_schemas([*value.values()]):
                node[key] = {name: self.read(inner) for name, inner in cast("Node", value).items()}
            elif key in ("enum", "const"):
                node[key] = _finite(value)
            elif self._is_fit(key, value):
                node[key] = value
        if not self._takes_texts(node.get("propertyNames", {})):
            del node["propertyNames"]  # keys of numbers and dates are stored as their texts
        if not isinstance(node.get("enum", []), list):
            del node["enum"]
        return node

    def _is_fit(self, key: str, value: Any) -> bool:
        if key == "type":
            names = cast("list[Any]", value) if isinstance(value, list) else [value]
            return all(isinstance(name, str) and name in _TYPES for name in names)
        if key in _NUMBERS:
            is_number = (
                isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            )
            return is_number and (key != "multipleOf" or value > 0)
        if key in _COUNTS:
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if key == "required":
            return isinstance(value, list) and all(isinstance(name, str) for name in cast("list[Any]", value))
        if key == "$ref":
            return str(value).removeprefix("#/$defs/") in self._definitions
        if key in ("pattern", "contentEncoding"):
            return isinstance(value, str)
        return key in ("uniqueItems", "writeOnly", "format", "default") or key.startswith("x-")

    def _takes_texts(self, part: Any) -> bool:
        """Tell whether the names of members are given as the texts that they are stored as."""
        node = cast("Node", part) if isinstance(part, dict) else {}
        if "$ref" in node:
            node = self._definitions.get(str(node["$ref"]).rpartition("/")[2], {})
        values = [*node.get("enum", []), *([node["const"]] if "const" in node else [])]
        inner = [*node.get("anyOf", []), *node.get("oneOf", [])]
        return (
            node.get("type", "string") == "string"
            and all(isinstance(value, str) for value in values)
            and all(self._takes_texts(choice) for choice in inner)
        )


def _are_schemas(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(one, (dict, bool)) for one in cast("list[Any]", values)
    )


def _finite(value: Any) -> Any:
    """Return a constant with numbers that the checked form has for those without end."""
    if isinstance(value, float) and not math.isfinite(value):
        return 0.0 if math.isnan(value) else math.copysign(_INFINITY, value)
    return [_finite(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _formats(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in cast("Node", part).items():
            if key == "format" and isinstance(value, str):
                yield value
            else:
                yield from _formats(value)
    elif isinstance(part, list):
        for item in cast("list[Any]", part):
            yield from _formats(item)


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a text has a pattern, in linear time, as pydantic would.

    A pattern that only Python's engine reads (look-around, back-references) is left to the class: that engine
    may take for ever over a text that was made for it. One line's end at the end is what Python's `$` allows.
    """
    try:
        check = SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return lambda text: True
    return lambda text: (
        check.isinstance_python(text) or (text.endswith("\n") and check.isinstance_python(text[:-1]))
    )
