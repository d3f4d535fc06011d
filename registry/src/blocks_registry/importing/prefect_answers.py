"""Prefect's block documents as they come out of its API or its database, as `Found`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from blocks_registry.importing.found import Found, Inline, Link

HIDDEN_BY_PREFECT = "*" * 8
"""What Prefect shows, and sometimes stores, in place of a secret."""

_INLINE = "block_type_slug"
_ITS_OWN = frozenset({_INLINE, "_block_document_id", "_block_document_name", "_is_anonymous"})
"""What Prefect writes into the fields of a block that is inside another one."""


def found_document(
    slug: str,
    name: str,
    data: Mapping[str, Any],
    links: Mapping[str, str],
    *,
    document_id: str,
    anonymous: bool,
) -> Found:
    """Return a document of Prefect's.

    Args:    links: field -> id of the document that it holds.
    """
    fields: dict[str, Any] = {field: _value(value) for field, value in data.items() if field not in _ITS_OWN}
    fields |= {field: Link(target) for field, target in links.items()}
    hidden = any(_holds_mask(value) for value in fields.values())
    problem = (
        f"a field of it holds {HIDDEN_BY_PREFECT}, which Prefect shows in place of a secret" if hidden else ""
    )
    return Found(slug, name, fields, document_id, anonymous, problem)


def _value(value: Any) -> Any:
    """Return the value of a field; a block inside it is marked as one, as Prefect keeps it as a plain object."""
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    slug = members.get(_INLINE)
    if not isinstance(slug, str):
        return members
    return Inline(slug, {name: _value(found) for name, found in members.items() if name not in _ITS_OWN})


def _holds_mask(value: object) -> bool:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Inline):
            found = found.fields
        if found == HIDDEN_BY_PREFECT:
            return True
        if isinstance(found, Mapping):
            waiting += cast("Mapping[str, object]", found).values()
        elif isinstance(found, list):
            waiting += cast("list[object]", found)
    return False
