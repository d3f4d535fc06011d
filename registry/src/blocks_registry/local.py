"""The local registry: a vault and the embedded database, in this process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from time import time
from typing import Any
from uuid import UUID, uuid4

from blocks_core.document import Document, DocumentTree, Draft, Encoded, dotted
from blocks_core.errors import (
    BlockExists,
    BlockInUse,
    BlockInvalid,
    BlockNotFound,
    BlockTypeNotFound,
    DocumentDamaged,
    FieldProblem,
    ReferenceBroken,
    did_you_mean,
)
from blocks_core.names import join_address, suggest
from blocks_core.registry import Registration, Summary, decide_registration
from blocks_core.schema import BlockType
from blocks_core.vault import Binding, Sealed, Vault
from blocks_registry import statements
from blocks_registry.database import Database
from blocks_registry.errors import DatabaseCorrupt
from blocks_registry.keys import KeyLedger

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""What reading a damaged row may raise."""


class LocalRegistry:
    """Types and documents in a database of this machine. Safe to share between threads and processes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._keys = KeyLedger(vault)

    def register(self, block_type: BlockType) -> Registration:
        """Note a type; `Registry.register` says more."""
        self._prepare()
        with self._database.transaction() as connection:
            rows = connection.execute(statements.VERSIONS_OF_TYPE, (block_type.slug,)).fetchall()
            outcome = decide_registration([_block_type(row[0]) for row in rows], block_type)
            if outcome != "unchanged":
                connection.execute(
                    statements.PUT_TYPE,
                    (
                        block_type.slug,
                        block_type.version,
                        block_type.structure_hash,
                        json.dumps(block_type.capabilities),
                        json.dumps(block_type.to_json()),
                        time(),
                    ),
                )
        return Registration(block_type, outcome)

    def types(self) -> list[BlockType]:
        """Return the registered types; `Registry.types` says more."""
        self._prepare()
        with self._database.reading() as connection:
            return [_block_type(row[0]) for row in connection.execute(statements.NEWEST_TYPES)]

    def type(self, slug: str) -> BlockType:
        """Return a registered type; `Registry.type` says more."""
        self._prepare()
        with self._database.reading() as connection:
            rows = connection.execute(statements.VERSIONS_OF_TYPE, (slug,)).fetchall()
        if rows:
            return max((_block_type(row[0]) for row in rows), key=lambda found: found.version)
        known = [found.slug for found in self.types()]
        raise BlockTypeNotFound(
            f"No block type '{slug}' is registered{did_you_mean(suggest(slug, known))}. Register the plugin that "
            f'provides it: "block register -m MODULE", or "block register --all" for all that is installed.'
        )

    def save(self, draft: Draft, *, overwrite: bool = False) -> Document:
        """Keep a document; `Registry.save` says more."""
        self._prepare()
        with self._database.transaction() as connection:
            self._refuse_unregistered(connection, draft)
            document = self._next_document(connection, draft, overwrite=overwrite)
            self._refuse_bad_references(connection, document)
            self._write(connection, document)
        return document

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document and what it refers to; `Registry.load` says more."""
        self._prepare()
        with self._database.reading() as connection:
            rows = connection.execute(statements.TREE, (_number(version), slug, name)).fetchall()
            documents = {found.id: found for found in (self._document(row, unseal=True) for row in rows)}
            root = next(
                (found for found in documents.values() if (found.slug, found.name) == (slug, name)), None
            )
            if root is None:
                raise self._not_found(connection, slug, name, version)
            self._refuse_lost_references(connection, documents)
        return DocumentTree(root, documents)

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets; `Registry.read` says more."""
        self._prepare()
        with self._database.reading() as connection:
            row = connection.execute(statements.DOCUMENT, (_number(version), slug, name)).fetchone()
            if row is None:
                raise self._not_found(connection, slug, name, version)
            return self._document(row, unseal=False)

    def addresses(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the addresses of documents; `Registry.addresses` says more."""
        self._prepare()
        found: dict[UUID, str] = {}
        with self._database.reading() as connection:
            for document_id in ids:
                row = connection.execute(statements.ADDRESS, (str(document_id),)).fetchone()
                if row is not None:
                    found[document_id] = join_address(*row)
        return found

    def find(self, slug: str | None = None) -> list[Summary]:
        """Return a line for each document; `Registry.find` says more."""
        self._prepare()
        with self._database.reading() as connection:
            return [_summary(row) for row in connection.execute(statements.FIND, (slug, slug))]

    def users(self, slug: str, name: str) -> list[str]:
        """Return who refers to a document; `Registry.users` says more."""
        self._prepare()
        with self._database.reading() as connection:
            return self._users(connection, self._id_of(connection, slug, name))

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document; `Registry.delete` says more."""
        self._prepare()
        with self._database.transaction() as connection:
            document_id, address = self._id_of(connection, slug, name), join_address(slug, name)
            users = self._users(connection, document_id)
            if users and not force:
                raise BlockInUse(address, users)
            connection.execute(statements.LOSE_REFERENCES, (address, document_id))
            connection.execute(statements.DELETE, (document_id,))

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._database.close()

    def _prepare(self) -> None:
        self._database.migrate("registry", "blocks_registry.migrations")

    def _refuse_unregistered(self, connection: sqlite3.Connection, draft: Draft) -> None:
        row = connection.execute(statements.STRUCTURE_OF_TYPE, (draft.slug, draft.type_version)).fetchone()
        if row is None or row[0] != draft.structure_hash:
            raise BlockTypeNotFound(
                f"Block type '{draft.slug}' is not registered as it is in version {draft.type_version}. Register the "
                f'plugin that provides it: "block register -m MODULE".'
            )

    def _next_document(self, connection: sqlite3.Connection, draft: Draft, *, overwrite: bool) -> Document:
        row = connection.execute(statements.ID_AND_VERSION, (draft.slug, draft.name)).fetchone()
        if row is not None and not overwrite:
            raise BlockExists(join_address(draft.slug, draft.name))
        return Document(
            id=UUID(row[0]) if row else uuid4(),
            slug=draft.slug,
            name=draft.name,
            version=row[1] + 1 if row else 1,
            type_version=draft.type_version,
            content=draft.content,
            saved_at=datetime.now(UTC),
        )

    def _refuse_bad_references(self, connection: sqlite3.Connection, document: Document) -> None:
        for pointer, target in document.content.references():
            if connection.execute(statements.ADDRESS, (str(target),)).fetchone() is None:
                raise ReferenceBroken(document.address, dotted(pointer), str(target))
            if connection.execute(statements.REACHES, (str(target), str(document.id))).fetchone() is not None:
                problem = FieldProblem(
                    dotted(pointer), "the block there holds this one, so each would hold itself"
                )
                raise BlockInvalid(f"Block '{document.address}'", [problem])

    def _write(self, connection: sqlite3.Connection, document: Document) -> None:
        content, document_id, saved_at = document.content, str(document.id), document.saved_at.timestamp()
        sealed: Sealed | None = None
        if content.secrets:
            binding = Binding(document.id, document.version, document.slug)
            sealed = self._keys.seal(connection, content.secrets_bytes(), binding)
        connection.execute(
            statements.PUT_DOCUMENT, (document_id, document.slug, document.name, document.version, saved_at)
        )
        connection.execute(
            statements.ADD_VERSION,
            (
                document_id,
                document.version,
                document.type_version,
                content.data_text(),
                content.marks_text(),
                *((sealed.key_id, sealed.wrapped_key, sealed.ciphertext) if sealed else (None, None, None)),
                saved_at,
            ),
        )
        for pointer, target in content.references():
            connection.execute(
                statements.ADD_REFERENCE, (document_id, document.version, pointer, str(target))
            )

    def _document(self, row: tuple[Any, ...], *, unseal: bool) -> Document:
        document_id, slug, name, version, type_version, data, marks, *sealed, saved_at = row
        try:
            secrets: bytes | None = None
            if unseal and sealed[0] is not None:
                secrets = self._vault.unseal(Sealed(*sealed), Binding(UUID(document_id), version, slug))
            return Document(
                id=UUID(document_id),
                slug=slug,
                name=name,
                version=version,
                type_version=int(type_version),
                content=Encoded.from_parts(data, marks, secrets),
                saved_at=datetime.fromtimestamp(saved_at, UTC),
            )
        except _UNREADABLE as error:
            raise _damaged(slug, name, error) from None  # the cause may show a piece of the content

    def _id_of(self, connection: sqlite3.Connection, slug: str, name: str) -> str:
        row = connection.execute(statements.ID_AND_VERSION, (slug, name)).fetchone()
        if row is None:
            raise self._not_found(connection, slug, name, None)
        return str(row[0])

    def _users(self, connection: sqlite3.Connection, document_id: str) -> list[str]:
        return [join_address(*row) for row in connection.execute(statements.USERS, (document_id,))]

    def _refuse_lost_references(
        self, connection: sqlite3.Connection, documents: dict[UUID, Document]
    ) -> None:
        for document in documents.values():
            for pointer, target in document.content.references():
                if target not in documents:
                    with closing(connection.execute(statements.LOST_ADDRESS, (str(target),))) as rows:
                        (lost,) = rows.fetchone() or (None,)
                    raise ReferenceBroken(document.address, dotted(pointer), str(lost or target))

    def _not_found(
        self, connection: sqlite3.Connection, slug: str, name: str, version: int | None
    ) -> BlockNotFound:
        names = [row[0] for row in connection.execute(statements.NAMES_OF_TYPE, (slug,))]
        address = join_address(slug, name)
        if name in names:
            return BlockNotFound(address, version=version)
        return BlockNotFound(address, [join_address(slug, other) for other in suggest(name, names)])


def _number(version: int | None) -> int | None:
    """Return a version as the database takes it; one that it cannot hold is one that no document has."""
    return version if version is None or abs(version) < 2**63 else -1


def _block_type(text: str) -> BlockType:
    try:
        return BlockType.from_json(json.loads(text))
    except _UNREADABLE as error:
        raise DatabaseCorrupt(
            f"What the database has of a block type is damaged ({type(error).__name__}). Restore it from a backup."
        ) from error


def _summary(row: tuple[Any, ...]) -> Summary:
    document_id, slug, name, version, type_version, capabilities, saved_at = row
    try:
        return Summary(
            id=UUID(document_id),
            slug=slug,
            name=name,
            version=version,
            type_version=type_version,
            capabilities=tuple(json.loads(capabilities)),
            saved_at=datetime.fromtimestamp(saved_at, UTC),
        )
    except _UNREADABLE as error:
        raise _damaged(slug, name, error) from None


def _damaged(slug: object, name: object, error: Exception) -> DocumentDamaged:
    return DocumentDamaged(f"{slug}/{name}", f"its row cannot be read ({type(error).__name__})")
