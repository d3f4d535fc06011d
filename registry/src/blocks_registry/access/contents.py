"""Content as a guard takes it in and gives it out: its references, its secrets kept or left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from blocks_core.document import Document, Draft, Encoded, dotted
from blocks_core.errors import BlockInvalid, FieldProblem
from blocks_core.names import join_address


def references_of(content: Encoded) -> Iterable[tuple[str, UUID]]:
    """Yield the references of content that nobody has looked at; a mark that is none, the registry refuses."""
    for pointer, kind in content.marks.items():
        if kind.startswith("block:"):
            with suppress(ValueError):
                yield pointer, UUID(kind.removeprefix("block:"))


def keeping(draft: Draft, kept: Mapping[str, str], now: Encoded) -> Encoded:
    """Return the content of a draft with secrets taken over from what is stored now.

    Args:    kept: JSON pointer of a secret in the draft -> where it stands now.
    Raises:  BlockInvalid: no secret stands there.
    """
    marks, secrets = dict(draft.content.marks), dict(draft.content.secrets)
    missing = [new for new, old in kept.items() if old not in now.secrets]
    if missing:
        problems = [FieldProblem(dotted(pointer), "there is no secret to keep") for pointer in missing]
        raise BlockInvalid(f"Block '{join_address(draft.slug, draft.name)}'", problems)
    for new, old in kept.items():
        marks[new], secrets[new] = now.marks[old], now.secrets[old]
    return replace(draft.content, marks=marks, secrets=secrets)


def without_secrets(document: Document) -> Document:
    """Return a document as it is given to who may not read its secrets."""
    if not document.content.secrets:
        return document
    return replace(document, content=replace(document.content, secrets={}))
