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


def refuse_too_deep(draft: Draft) -> None:
    """Refuse a document that is deeper, or has more values, than a registry takes.

    Raises:  LimitExceeded: with the limit and what the document has.
    """
    values = _count(draft)
    if values > MAX_VALUES:
        raise _refusal(draft, f"it has {values:,} values, and {MAX_VALUES:,} are the most")


def refuse_too_large(draft: Draft) -> None:
    """Refuse a document of plain JSON that is larger than a registry takes.

    Raises:  LimitExceeded: with the limit and what the document has.
    """
    size = (
        len(draft.content.data_text()) + len(draft.content.marks_text()) + len(draft.content.secrets_bytes())
    )
    if size > MAX_BYTES:
        raise _refusal(draft, f"it has {size:,} bytes, and {MAX_BYTES:,} are the most")


def _count(draft: Draft) -> int:
    """Return how many values there are; without recursion, as what is measured may be of any depth.

    A secret's value lies one level below the place where it stands.
    """
    values = 0
    waiting: list[tuple[Json | Encoded, int]] = [(draft.content, -1)]
    while waiting:
        data, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _refusal(draft, f"it lies deeper than {MAX_DEPTH} levels")
        if isinstance(data, Encoded):
            waiting.append((data.data, depth + 1))
            waiting += [(inner, depth + 1 + str(at).count("/")) for at, inner in data.secrets.items()]
        else:
            values += 1
            waiting += [(inner, depth + 1) for inner in _inside(data)]
    return values


def _inside(data: Json) -> list[Json]:
    if isinstance(data, dict):
        return list(data.values())
    return data if isinstance(data, list) else []


def _refusal(draft: Draft, problem: str) -> LimitExceeded:
    return LimitExceeded(
        f"Block '{join_address(draft.slug, draft.name)}' was not saved: {problem}. Keep large values in a storage, "
        f"and their path in the block."
    )
