"""What a field takes and what it is by default, in the words of the documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from blocks_registry.schema_paths import SchemaReader, is_secret

Node = Mapping[str, Any]

_FORMATS = {
    "date": "date",
    "date-time": "date and time",
    "duration": "duration",
    "path": "path",
    "time": "time of day",
    "uri": "address",
    "uuid": "UUID",
}
_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}


def takes_words(reader: SchemaReader, options: list[Node]) -> str:
    """Return what a field takes: `text`, `0 to 10`, `list of secret text`; what it may be beside null."""
    words = [_words(reader, option) for option in options if option.get("type") != "null"]
    return " or ".join(dict.fromkeys(words)) or "any JSON"


def default_words(node: Node, options: list[Node], *, required: bool) -> str:
    """Return what a field is where it is not given; a secret's default is not told."""
    if required:
        return "required"
    if is_secret(options):
        return "none"
    if "default" not in node:  # made anew for each block
        return (
            "empty" if any(option.get("type") in ("array", "object") for option in options) else "made anew"
        )
    value = node["default"]
    if value is None:
        return "as described" if "Default:" in str(node.get("description")) else "none"
    if value in ("", [], {}):
        return "empty"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def _words(reader: SchemaReader, option: Node) -> str:
    if "x-block-type" in option:
        return f"`{option['x-block-type']}` block"
    if "x-capability" in option:
        return f"block with the capability {option['x-capability']}"
    if "x-any-block" in option:
        return "block"
    if option.get("writeOnly"):
        kind = "bytes" if "contentEncoding" in option else "text"
        return f"secret {kind if option.get('format') == 'password' else 'value'}"
    if "const" in option or "enum" in option:
        values = option.get("enum", [option.get("const")])
        return ", ".join(f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in values)
    if "contentEncoding" in option:
        return "bytes"
    if option.get("type") == "array":
        return f"list of {takes_words(reader, reader.below([option], '0'))}"
    if option.get("type") == "object":
        return _words_of_object(reader, option)
    return _words_of_value(option)


def _words_of_object(reader: SchemaReader, option: Node) -> str:
    if "properties" in option:
        return f"{option.get('title', 'object')}, as below"
    if isinstance(option.get("additionalProperties"), Mapping):
        return f"names to {takes_words(reader, reader.below([option], '*'))}"
    return "object of JSON"


def _words_of_value(option: Node) -> str:
    kind = str(option.get("type", ""))
    if kind in ("integer", "number"):
        low, high = (_first(option, names) for names in (_LOWEST, _HIGHEST))
        if low is not None and high is not None:
            return f"{_TYPES[kind]}, {low:g} to {high:g}" if kind == "number" else f"{low:g} to {high:g}"
    return _FORMATS.get(str(option.get("format")), _TYPES.get(kind, "any JSON"))


_LOWEST = ("minimum", "exclusiveMinimum")
_HIGHEST = ("maximum", "exclusiveMaximum")


def _first(option: Node, names: tuple[str, ...]) -> float | None:
    return next((option[name] for name in names if name in option), None)
