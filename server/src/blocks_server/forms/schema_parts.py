"""What stands in a JSON Schema, whatever else its author wrote there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from blocks_core.document import Json

Node = Mapping[str, Any]

BLOCK_WORDS: Final = ("x-block-type", "x-capability", "x-any-block")
"""Our own marks of a part that is a block."""


def node_of(part: Any) -> Node:
    """Return a part that should be an object; one without members where it is none."""
    return cast("Node", part) if isinstance(part, Mapping) else {}


def parts_of(part: Any) -> Sequence[Any]:
    """Return what should be a list; an empty one where it is none."""
    return cast("list[Any]", part) if isinstance(part, list) else []


def choices_of(node: Node) -> Sequence[Any] | None:
    """Return the branches of a part that is a choice."""
    found = parts_of(node.get("anyOf")) or parts_of(node.get("oneOf"))
    if not found and len(parts_of(node.get("allOf"))) == 1:
        found = parts_of(node["allOf"])
    if not found:
        found = [{**node, "type": kind} for kind in parts_of(node.get("type"))]
    return found or None


def target_of(node: Node) -> str:
    """Return the name of the definition that a part refers to."""
    return str(node["$ref"]).rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def is_block(node: Node) -> bool:
    """Tell whether a part is a block."""
    return any(word in node for word in BLOCK_WORDS)


def is_null(node: Node) -> bool:
    """Tell whether a part takes null and nothing else."""
    return node.get("type") == "null" or ("const" in node and node["const"] is None)


def values_of(parts: Sequence[Node]) -> list[Json] | None:
    """Return the values of a choice that is one of values only."""
    found: list[Json] = []
    for part in parts:
        if "const" in part:
            found.append(part["const"])
        elif isinstance(part.get("enum"), list):
            found += part["enum"]
        else:
            return None
    return found


def count_of(node: Node, key: str) -> int | None:
    """Return a length or a number of items; None where the part says none."""
    value = node.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def numeric_of(node: Node) -> Node:
    """Return the one of a decimal's branches that has its limits."""
    parts = [node_of(part) for part in parts_of(node.get("anyOf"))]
    return next((part for part in parts if part.get("type") == "number"), node)
