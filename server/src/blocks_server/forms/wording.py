"""What to call the parts of a JSON Schema before people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from blocks_core.document import Json
from blocks_server.forms.fields import (
    BlockField,
    ChoiceField,
    ConstantField,
    Field,
    JsonField,
    LinkField,
    ListField,
    MapField,
    ModelField,
    NumberField,
    SecretField,
    SwitchField,
    TextField,
)
from blocks_server.forms.schema_parts import Node, node_of, parts_of, target_of


def label_of(value: Json) -> str:
    """Return what to call a value that may be chosen."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return value if isinstance(value, str) and value.strip() else json.dumps(value)


def limits_of(node: Node) -> str:
    """Return the limits of a number; empty where it has none."""
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
        "multipleOf": "a multiple of {}",
    }
    found = [text.format(json.dumps(node[key])) for key, text in words.items() if key in node]
    return ", ".join(found)


def key_help_of(node: Node) -> str:
    """Return which keys there may be; empty where any may."""
    names = parts_of(node_of(node.get("propertyNames")).get("enum"))
    return f"One of {', '.join(label_of(value) for value in names)}" if names else ""


_KINDS: Final[Mapping[type[Field], str]] = {
    SwitchField: "Yes or no",
    JsonField: "JSON",
    ListField: "List",
    MapField: "Keys and values",
    ModelField: "Fields",
    SecretField: "Secret",
    LinkField: "Fields",
}


def branch_title(part: Node, branch: Field) -> str:
    """Return what to call a branch of a union."""
    if branch.title:
        return branch.title
    if "$ref" in part:
        return target_of(part)
    if isinstance(branch, NumberField):
        return {"integer": "Whole number", "number": "Number", "decimal": "Decimal number"}[branch.kind]
    if isinstance(branch, TextField):
        return {"text": "Text", "lines": "Text", "bytes": "Bytes"}.get(branch.kind, branch.kind.capitalize())
    if isinstance(branch, BlockField):
        return f"Block: {branch.slug or branch.capability or 'any'}"
    if isinstance(branch, ConstantField):
        return label_of(branch.value)
    if isinstance(branch, ChoiceField):
        return "One of " + ", ".join(branch.labels[:3])
    return _KINDS.get(type(branch), "Value")


def told_apart(titles: Sequence[str]) -> list[str]:
    """Return titles of branches, those that are the same numbered.

    >>> told_apart(["List", "Text", "List"])
    ['List', 'Text', 'List (2)']
    """
    found: list[str] = []
    for place, title in enumerate(titles):
        count = titles[: place + 1].count(title)
        found.append(title if count == 1 else f"{title} ({count})")
    return found
