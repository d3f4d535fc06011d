"""How large and how deep a document may be: what every registry refuses, whoever the client is."""

from __future__ import annotations

from typing import Final

from blocks_core.document import Draft, Encoded, Json
from blocks_core.encoding import MAX_DEPTH
from blocks_core.errors import LimitExceeded
from blocks_core.names import join_address

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of a document's data, marks and secrets together, as JSON text."""

MAX_VALUES: Final = 100_000
"""In a document, each member of an object and each item of a list counted."""


def refuse_too_large(draft: Draft) -> None:
    """Refuse a document that is larger or deeper than a registry takes.

    Raises:  LimitExceeded: with the limit and what the document has.
    """
    values = _count(draft, draft.content, 0)
    if values > MAX_VALUES:
        raise _refusal(draft, f"it has {values:,} values, and {MAX_VALUES:,} are the most")
    size = (
        len(draft.content.data_text()) + len(draft.content.marks_text()) + len(draft.content.secrets_bytes())
    )
    if size > MAX_BYTES:
        raise _refusal(draft, f"it has {size:,} bytes, and {MAX_BYTES:,} are the most")


def _count(draft: Draft, content: Encoded, depth: int) -> int:
    """Return how many values there are; without recursion, as what is measured may be of any depth."""
    values, waiting = 0, [(content.data, depth)]
    while waiting:
        data, depth = waiting.pop()
        values += 1
        if depth > MAX_DEPTH:
            raise _refusal(draft, f"it lies deeper than {MAX_DEPTH} levels")
        waiting += [(inner, depth + 1) for inner in _inside(data)]
    return values + sum(_count(draft, secret, 1) for secret in content.secrets.values())


def _inside(data: Json) -> list[Json]:
    if isinstance(data, dict):
        return list(data.values())
    return data if isinstance(data, list) else []


def _refusal(draft: Draft, problem: str) -> LimitExceeded:
    return LimitExceeded(
        f"Block '{join_address(draft.slug, draft.name)}' was not saved: {problem}. Keep large values in a storage, "
        f"and their path in the block."
    )
