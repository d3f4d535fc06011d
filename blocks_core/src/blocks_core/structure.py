"""What of a JSON Schema is structure.

Structure is names, types, required and secret-ness. Titles, descriptions, order, defaults, examples and
constraints may change without a new version of a block type.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

Node = dict[str, Any]
"""A schema, or a part of one."""

_ATOMS = (
    "type",
    "format",
    "contentEncoding",
    "const",
    "writeOnly",
    "uniqueItems",
    "x-capability",
    "x-decimal",
)
_CHILDREN = ("items", "additionalProperties", "propertyNames", "contains")
_CHOICES = ("anyOf", "oneOf", "allOf")


def structure_hash(schema: Node) -> str:
    """Return the digest of a schema's structure."""
    text = json.dumps(structure(schema), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


def structure(schema: Node) -> Node:
    """Return a schema's structure: references resolved, and nothing that is not structure."""
    definitions: Node = schema.get("$defs", {})
    root = schema
    while "$ref" in root:  # of a type that holds its own kind: its fields stand among the definitions
        root = definitions[str(root["$ref"]).rpartition("/")[2]]
    fields = {key: value for key, value in root.items() if key != "x-block-type"}
    return _Reader(definitions).read(fields, ())


class _Reader:
    """Reads structure with a schema's definitions at hand."""

    def __init__(self, definitions: Node) -> None:
        self._definitions = definitions

    def read(self, node: Node, inside: tuple[str, ...]) -> Node:
        """Return a part's structure; `inside` names the definitions around it, to stop at a recursive one."""
        if "$ref" in node:
            name = str(node["$ref"]).rpartition("/")[2]
            beside = {"writeOnly": True} if node.get("writeOnly") else {}
            if name in inside:
                return {"recursive": len(inside) - inside.index(name)} | beside
            return self.read(self._definitions.get(name, {}), (*inside, name)) | beside
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
