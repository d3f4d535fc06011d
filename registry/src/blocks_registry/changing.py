"""What a registry does to documents inside one transaction: put, rename and remove, then see that all holds."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from blocks_core.admission import Admission
from blocks_core.current import current_actor
from blocks_core.document import Document, Draft, dotted
from blocks_core.errors import (
    BlockExists,
    BlockInUse,
    BlockInvalid,
    BlockNotFound,
    BlockTypeNotFound,
    FieldProblem,
    ReferenceBroken,
    VersionConflict,
)
from blocks_core.names import check_labels, check_name, join_address, suggest
from blocks_core.registry import Edit, Put, Remove, Rename, refuse_unexpected
from blocks_core.schema import BlockType
from blocks_core.vault import Binding
from blocks_registry import statements
from blocks_registry.audit import Audit
from blocks_registry.database import Connection
from blocks_registry.keys import KeyLedger
from blocks_registry.rows import block_type_of, labels_of

if TYPE_CHECKING:
    from blocks_core.validation import Held


class Gates:
    """What a change asks on its way: the schemas, the keys, the audit."""

    def __init__(self, admission: Admission, keys: KeyLedger, audit: Audit) -> None:
        self.admission = admission
        self.keys = keys
        self.audit = audit


class Change:
    """Edits inside one transaction."""

    def __init__(self, connection: Connection, gates: Gates) -> None:
        self._connection = connection
        self._gates = gates
        self._known = _Known(connection)
        self._put: list[Document] = []
        self._removed: list[tuple[str, str, bool]] = []

    def do(self, edit: Edit) -> Document | None:
        """Carry out one edit; `finish` sees whether all of them hold together."""
        if isinstance(edit, Put):
            return self.put(edit)
        if isinstance(edit, Remove):
            self.remove(edit)
            return None
        return self.rename(edit)

    def put(self, edit: Put, *, overwrite: bool = True) -> Document:
        """Write the next version of a document, or the first."""
        self._refuse_unregistered(edit.draft)
        document = self._next(edit, overwrite=overwrite)
        self._write(document)
        how = {"how": document.action} if document.action != "saved" else {}
        detail = {"version": document.version, **how}
        self._audit("block.saved", document.address, str(document.id), detail)
        self._put.append(document)
        return document

    def remove(self, edit: Remove) -> None:
        """Remove a document with all its versions."""
        document_id, version, _ = self._existing(edit.slug, edit.name)
        address = join_address(edit.slug, edit.name)
        refuse_unexpected(edit, version, UUID(document_id))
        self._removed.append((document_id, address, edit.force))
        self._connection.execute(statements.LOSE_REFERENCES, (address, document_id))
        self._connection.execute(statements.DELETE, (document_id,))
        self._audit("block.deleted", address, document_id, {"version": version, "forced": edit.force})

    def rename(self, edit: Rename) -> Document | None:
        """Give a document another name; None: who asked reads it."""
        document_id, version, _ = self._existing(edit.slug, edit.name)
        refuse_unexpected(edit, version, UUID(document_id))
        new_name = check_name(edit.new_name)
        if new_name != edit.name:
            if self._find(edit.slug, new_name) is not None:
                raise BlockExists(join_address(edit.slug, new_name))
            self._connection.execute(statements.RENAME, (new_name, document_id))
            detail = {"to": join_address(edit.slug, new_name)}
            self._audit("block.renamed", join_address(edit.slug, edit.name), document_id, detail)
        return None

    def finish(self) -> None:
        """See that what was written fits its types, and that references lead to blocks that are there."""
        for document in self._put:
            self._refuse_bad_references(document)
            self._gates.admission.refuse_unfit(
                document.slug, document.name, document.type_version, document.content, self._known
            )
        for document_id, address, force in self._removed:
            users = users_of(self._connection, document_id)
            if users and not force:
                raise BlockInUse(address, users)

    def _refuse_unregistered(self, draft: Draft) -> None:
        row = self._known.type_row(draft.slug, draft.type_version)
        if row is None or row[0] != draft.structure_hash:
            raise _not_registered(draft.slug, draft.type_version)

    def _next(self, edit: Put, *, overwrite: bool) -> Document:
        draft = edit.draft
        row, address = self._find(draft.slug, draft.name), join_address(draft.slug, draft.name)
        found = row[1] if row else 0
        if found and not overwrite:
            raise BlockExists(address)
        refuse_unexpected(edit, found, UUID(row[0]) if row else None)
        chosen = str(draft.document_id or uuid4())
        if row is None and self._connection.execute(statements.ADDRESS, (chosen,)).fetchone() is not None:
            raise VersionConflict(address, 0, 1)
        actor = current_actor()
        kept = labels_of(row[2]) if row else {}
        return Document(
            id=UUID(row[0] if row else chosen),
            slug=draft.slug,
            name=draft.name,
            version=found + 1,
            type_version=draft.type_version,
            content=draft.content,
            saved_at=datetime.now(UTC),
            labels=kept if draft.labels is None else check_labels(draft.labels),
            saved_by=actor.user or actor.name,
            action=draft.action,
        )

    def _write(self, document: Document) -> None:
        content, document_id, saved_at = document.content, str(document.id), document.saved_at.timestamp()
        sealed: tuple[Any, ...] = (None, None, None)
        if content.secrets:
            binding = Binding(document.id, document.version, document.slug)
            found = self._gates.keys.seal(self._connection, content.secrets_bytes(), binding)
            sealed = (found.key_id, found.wrapped_key, found.ciphertext)
        labels = json.dumps(dict(document.labels))
        self._connection.execute(
            statements.PUT_DOCUMENT,
            (
                document_id,
                document.slug,
                document.name,
                document.version,
                document.type_version,
                labels,
                saved_at,
            ),
        )
        self._connection.execute(
            statements.ADD_VERSION,
            (
                document_id,
                document.version,
                document.type_version,
                content.data_text(),
                content.marks_text(),
                *sealed,
                saved_at,
                document.saved_by,
                document.action,
            ),
        )
        for pointer, target in content.references():
            self._connection.execute(
                statements.ADD_REFERENCE, (document_id, document.version, pointer, str(target))
            )

    def _refuse_bad_references(self, document: Document) -> None:
        for pointer, target in document.content.references():
            if self._connection.execute(statements.ADDRESS, (str(target),)).fetchone() is None:
                lost = lost_address(self._connection, target)
                raise ReferenceBroken(document.address, dotted(pointer), lost or str(target))
            row = self._connection.execute(statements.REACHES, (str(target), str(document.id))).fetchone()
            if row is not None:
                problem = FieldProblem(
                    dotted(pointer), "the block there holds this one, so each would hold itself"
                )
                raise BlockInvalid(f"Block '{document.address}'", [problem])

    def _existing(self, slug: str, name: str) -> tuple[Any, ...]:
        row = self._find(slug, name)
        if row is None:
            raise not_found(self._connection, slug, name, None)
        return row

    def _find(self, slug: str, name: str) -> tuple[Any, ...] | None:
        return self._connection.execute(statements.ID_AND_VERSION, (slug, name)).fetchone()

    def _audit(self, action: str, address: str, document_id: str, detail: dict[str, Any]) -> None:
        self._gates.audit.record(self._connection, action, address, subject_id=document_id, detail=detail)


class _Known:
    """What the database knows in this transaction: `blocks_core.admission.Known`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._types: dict[tuple[str, int], tuple[Any, ...] | None] = {}
        """Asked once: no other writes while this transaction does."""

    def type_row(self, slug: str, version: int) -> tuple[Any, ...] | None:
        if (slug, version) not in self._types:
            row = self._connection.execute(statements.TYPE_STAMP, (slug, version)).fetchone()
            self._types[slug, version] = row
        return self._types[slug, version]

    def stamp(self, slug: str, version: int) -> str:
        row = self.type_row(slug, version)
        if row is None:
            raise _not_registered(slug, version)
        return f"{row[0]}@{row[1]}"

    def described(self, slug: str, version: int) -> BlockType:
        row = self._connection.execute(statements.TYPE_AT_VERSION, (slug, version)).fetchone()
        if row is None:
            raise _not_registered(slug, version)
        return block_type_of(row[0])

    def held(self, document_id: UUID) -> Held | None:
        from blocks_core.validation import Held  # late: loading validates nothing

        row = self._connection.execute(statements.HELD, (str(document_id),)).fetchone()
        return Held(row[0], tuple(json.loads(row[1]))) if row is not None else None


def users_of(connection: Connection, document_id: str) -> list[str]:
    """Return the addresses of the documents whose newest version refers to one."""
    return [join_address(*row) for row in connection.execute(statements.USERS, (document_id,)).fetchall()]


def lost_address(connection: Connection, document_id: UUID) -> str | None:
    """Return where a document was that has been deleted by force."""
    with closing(connection.execute(statements.LOST_ADDRESS, (str(document_id),))) as rows:
        row = rows.fetchone()
    return str(row[0]) if row is not None else None


def not_found(connection: Connection, slug: str, name: str, version: int | None) -> BlockNotFound:
    """Return the error that says what is not there, and what may have been meant."""
    address = join_address(slug, name)
    if connection.execute(statements.ID_AND_VERSION, (slug, name)).fetchone() is not None:
        return BlockNotFound(address, version=version)
    names: list[str] = []
    for statement in (statements.NAMES_BEFORE, statements.NAMES_AFTER):
        names += [row[0] for row in connection.execute(statement, (slug, name)).fetchall()]
    return BlockNotFound(address, [join_address(slug, other) for other in suggest(name, names)])


def _not_registered(slug: str, version: int) -> BlockTypeNotFound:
    return BlockTypeNotFound(
        f"Block type '{slug}' is not registered as it is in version {version}. Register the plugin that provides "
        f'it: "block register -m MODULE".'
    )
