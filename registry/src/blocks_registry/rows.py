"""Rows of the database as objects; a damaged one is an error that shows nothing of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from blocks_core.document import Document, Encoded
from blocks_core.errors import DocumentDamaged
from blocks_core.records import Summary, VersionSummary
from blocks_core.schema import BlockType
from blocks_core.vault import Binding, Sealed, Vault
from blocks_registry.errors import DatabaseCorrupt

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""What reading a damaged row may raise."""


def document_of(row: tuple[Any, ...], vault: Vault | None) -> Document:
    """Return the document of a row of `statements.DOCUMENT` or `TREE`.

    Args:    vault: None leaves its secrets sealed.
    Raises:  DocumentDamaged, KeyringError.
    """
    (
        document_id,
        slug,
        name,
        version,
        type_version,
        data,
        marks,
        *sealed,
        saved_at,
        saved_by,
        action,
        labels,
    ) = row
    try:
        secrets: bytes | None = None
        if vault is not None and sealed[0] is not None:
            secrets = vault.unseal(Sealed(*sealed), Binding(UUID(document_id), version, slug))
        return Document(
            id=UUID(document_id),
            slug=slug,
            name=name,
            version=version,
            type_version=int(type_version),
            content=Encoded.from_parts(data, marks, secrets),
            saved_at=datetime.fromtimestamp(saved_at, UTC),
            labels=labels_of(labels),
            saved_by=saved_by,
            action=action,
        )
    except _UNREADABLE as error:
        raise _damaged(slug, name, error) from None  # the cause may show a piece of the content


def summary_of(row: tuple[Any, ...]) -> Summary:
    """Return the line of a row of `statements.FIND`.

    Raises:  DocumentDamaged.
    """
    document_id, slug, name, version, type_version, capabilities, saved_at, labels, last_used_at = row
    try:
        return Summary(
            id=UUID(document_id),
            slug=slug,
            name=name,
            version=version,
            type_version=type_version,
            capabilities=tuple(json.loads(capabilities)),
            saved_at=datetime.fromtimestamp(saved_at, UTC),
            labels=labels_of(labels),
            last_used_at=datetime.fromtimestamp(last_used_at, UTC) if last_used_at is not None else None,
        )
    except _UNREADABLE as error:
        raise _damaged(slug, name, error) from None


def version_of(row: tuple[Any, ...]) -> VersionSummary:
    """Return the line of a row of `statements.HISTORY`."""
    version, type_version, action, saved_by, saved_at = row
    return VersionSummary(version, type_version, action, saved_by, datetime.fromtimestamp(saved_at, UTC))


def block_type_of(text: str) -> BlockType:
    """Return what is known of a type.

    Raises:  DatabaseCorrupt.
    """
    try:
        return BlockType.from_json(json.loads(text))
    except _UNREADABLE as error:
        raise DatabaseCorrupt(
            f"What the database has of a block type is damaged ({type(error).__name__}). Restore it from a backup."
        ) from error


def labels_of(text: str) -> dict[str, str]:
    """Return the labels of a document."""
    return {str(key): str(value) for key, value in json.loads(text).items()} if text != "{}" else {}


def _damaged(slug: object, name: object, error: Exception) -> DocumentDamaged:
    return DocumentDamaged(f"{slug}/{name}", f"its row cannot be read ({type(error).__name__})")
