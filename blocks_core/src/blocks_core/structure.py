"""What of a JSON Schema is structure, and how two structures differ.

Structure is names, types, required and secret-ness. Titles, descriptions, order, defaults, examples and
constraints may change without a new version of a block type.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

Node = dict[str, Any]
"""A schema, or a part of one."""

_ATOMS = ("type", "format", "contentEncoding", "const", "writeOnly", "x-capability")
_CHILDREN = ("items", "additionalProperties", "propertyNames", "contains")
_CHOICES = ("anyOf", "oneOf", "allOf")


@dataclass(frozen=True)
class Difference:
    """One way in which a structure changed."""

    text: str
    compatible: bool
    """Whether every block stored with the old structure fits the new one."""


def structure_hash(schema: Node) -> str:
    """Return the digest of a schema's structure."""
    text = json.dumps(structure(schema), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


def structure(schema: Node) -> Node:
    """Return a schema's structure: references resolved, and nothing that is not structure."""
    root = {key: value for key, value in schema.items() if key != "x-block-type"}
    return _Reader(schema.get("$defs", {})).read(root, ())


def differences(old: Node, new: Node, path: str = "") -> list[Difference]:
    """Return how one structure became another.

    Args:    old, new: what `structure` gave. path: dotted path of where they stand.
    """
    if old == new:
        return []
    what = f"field '{path}'" if path else "the block"
    if _kind_of(old) != _kind_of(new):
        return [Difference(f"{what} was {_kind_of(old)} and is {_kind_of(new)}", compatible=False)]
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    others = [
        Difference(f"{what} has another {key}", compatible=False)
        for key in sorted(changed - {"properties", "required"})
    ]
    return _of_properties(old, new, path) + others


def _of_properties(old: Node, new: Node, path: str) -> list[Difference]:
    before, after = cast("Node", old.get("properties", {})), cast("Node", new.get("properties", {}))
    found: list[Difference] = []
    for name in sorted(before.keys() | after.keys()):
        inner = f"{path}.{name}" if path else name
        needed, was_needed = name in new.get("required", []), name in old.get("required", [])
        word = "required" if needed else "optional"
        if name not in after:
            found.append(Difference(f"field '{inner}' is gone", compatible=False))
        elif name not in before:
            found.append(Difference(f"field '{inner}' is new and {word}", compatible=not needed))
        else:
            found += differences(before[name], after[name], inner)
            if needed != was_needed:
                found.append(Difference(f"field '{inner}' became {word}", compatible=not needed))
    return found


def _kind_of(node: Node) -> str:
    if node.get("writeOnly"):
        return "a secret"
    for key in ("x-block-type", "x-capability"):
        if key in node:
            return f"a block ({node[key]})"
    if "anyOf" in node or "oneOf" in node:
        return "a choice of types"
    return str(node.get("format") or node.get("type") or "anything")


class _Reader:
    """Reads structure with a schema's definitions at hand."""

    def __init__(self, definitions: Node) -> None:
        self._definitions = definitions

    def read(self, node: Node, inside: tuple[str, ...]) -> Node:
        """Return a part's structure; `inside` names the definitions around it, to stop at a recursive one."""
        if "$ref" in node:
            name = str(node["$ref"]).rpartition("/")[2]
            if name in inside:
                return {"recursive": len(inside) - inside.index(name)}
            return self.read(self._definitions.get(name, {}), (*inside, name))
        if "x-block-type" in node:  # a block has a schema and versions of its own
            return {"x-block-type": node["x-block-type"]}
        return self._plain_parts(node) | self._inner_parts(node, inside)

    def _plain_parts(self, node: Node) -> Node:
        found: Node = {key: node[key] for key in _ATOMS if key in node}
        if "enum" in node:
            found["enum"] = sorted(node["enum"], key=json.dumps)
        if "discriminator" in node:
            found["discriminator"] = node["discriminator"].get("propertyName")
        return found

    def _inner_parts(self, node: Node, inside: tuple[str, ...]) -> Node:
        found: Node = {}
        if "properties" in node:
            found["properties"] = {name: self.read(part, inside) for name, part in node["properties"].items()}
            found["required"] = sorted(node.get("required", []))
        for key in _CHILDREN:
            if isinstance(node.get(key), dict):
                found[key] = self.read(node[key], inside)
        for key in _CHOICES:
            if key in node:
                parts = [self.read(part, inside) for part in node[key]]
                found[key] = sorted(parts, key=lambda part: json.dumps(part, sort_keys=True))
        if "prefixItems" in node:
            found["prefixItems"] = [self.read(part, inside) for part in node["prefixItems"]]
        return found
