"""The local registry: a vault and a database, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import time
from typing import TypeVar
from uuid import UUID

from blocks_core.admission import Admission
from blocks_core.current import current_actor
from blocks_core.document import Document, DocumentTree, Draft, Json, dotted
from blocks_core.errors import BlockTypeNotFound, KeyUnknown, ReferenceBroken, did_you_mean
from blocks_core.names import join_address, suggest
from blocks_core.records import AuditEntry, AuditReport, FieldChange, Summary, Usage, VersionSummary
from blocks_core.registry import Edit, Put, Registration, Remove, Rename, decide_registration
from blocks_core.schema import BlockType
from blocks_core.vault import Vault
from blocks_registry import statements
from blocks_registry.audit import Audit
from blocks_registry.changing import Change, Gates, lost_address, not_found, users_of
from blocks_registry.database import Connection, Database
from blocks_registry.keys import KeyLedger
from blocks_registry.rows import block_type_of, document_of, summary_of, version_of
from blocks_registry.usages import UsageRecorder, usages_of

Found = TypeVar("Found")

_MANY = 200
"""Edits at once that change how the database should look for one document among the others."""


class LocalRegistry:
    """Types and documents in a database. Safe to share between threads and processes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._admission = Admission()
        keys = KeyLedger(vault)
        self._audit = Audit(vault, keys)
        self._gates = Gates(self._admission, keys, self._audit)
        self._usages = UsageRecorder(database.relaxed(wait_seconds=1.0))

    def register(self, block_type: BlockType) -> Registration:
        """Note a type; `Registry.register` says more."""
        self._prepare()
        with self._database.transaction() as connection:
            rows = connection.execute(statements.VERSIONS_OF_TYPE, (block_type.slug,)).fetchall()
            outcome = decide_registration([block_type_of(row[0]) for row in rows], block_type)
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
                detail: dict[str, Json] = {"version": block_type.version, "outcome": outcome}
                self._audit.record(connection, "type.registered", block_type.slug, detail=detail)
        return Registration(block_type, outcome)

    def types(self) -> list[BlockType]:
        """Return the registered types; `Registry.types` says more."""
        self._prepare()
        with self._database.reading() as connection:
            return [block_type_of(row[0]) for row in connection.execute(statements.NEWEST_TYPES).fetchall()]

    def type(self, slug: str) -> BlockType:
        """Return a registered type; `Registry.type` says more."""
        self._prepare()
        with self._database.reading() as connection:
            rows = connection.execute(statements.VERSIONS_OF_TYPE, (slug,)).fetchall()
        if rows:
            return max((block_type_of(row[0]) for row in rows), key=lambda found: found.version)
        known = [found.slug for found in self.types()]
        raise BlockTypeNotFound(
            f"No block type '{slug}' is registered{did_you_mean(suggest(slug, known))}. Register the plugin that "
            f'provides it: "block register -m MODULE", or "block register --all" for all that is installed.'
        )

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document and what it refers to; `Registry.load` says more."""
        self._prepare()
        documents, root = _once_more(lambda: self._tree(slug, name, version))
        resolved = [(str(found.id), found.version) for found in documents.values()]
        self._usages.note(resolved, current_actor())
        return DocumentTree(root, documents)

    def _tree(self, slug: str, name: str, version: int | None) -> tuple[dict[UUID, Document], Document]:
        with self._database.reading() as connection:
            rows = connection.execute(statements.TREE, (_number(version), slug, name)).fetchall()
            documents = {found.id: found for found in (document_of(row, self._vault) for row in rows)}
            root = next(
                (found for found in documents.values() if (found.slug, found.name) == (slug, name)), None
            )
            if root is None:
                raise not_found(connection, slug, name, version)
            _refuse_lost_references(connection, documents)
        return documents, root

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets; `Registry.read` says more."""
        return self._one(slug, name, version, None)

    def find(self, slug: str | None = None, *, labels: Mapping[str, str] | None = None) -> list[Summary]:
        """Return a line for each document; `Registry.find` says more."""
        self._prepare()
        wanted = (labels or {}).items()
        with self._database.reading() as connection:
            found = [summary_of(row) for row in connection.execute(statements.FIND, (slug,)).fetchall()]
        return [summary for summary in found if wanted <= summary.labels.items()]

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

    def save(self, draft: Draft, *, overwrite: bool = False, expected_version: int | None = None) -> Document:
        """Keep a document; `Registry.save` says more."""
        self._admission.admit(draft)
        self._prepare()
        with self._database.transaction() as connection:
            change = Change(connection, self._gates)
            document = change.put(draft, overwrite=overwrite, expected_version=expected_version)
            change.finish()
        return document

    def change(self, edits: Sequence[Edit]) -> list[Document | None]:
        """Do several edits, all or none; `Registry.change` says more."""
        for edit in edits:
            if isinstance(edit, Put):
                self._admission.admit(edit.draft)
        self._prepare()
        with self._database.transaction() as connection:
            change = Change(connection, self._gates)
            done = list[Document | None]()
            for edit in edits:
                document = change.do(edit)
                if isinstance(edit, Rename):  # now, as a later edit may pass the name on
                    document = self._row(connection, edit.slug, edit.new_name, None, None)
                done.append(document)
            change.finish()
        if len(edits) >= _MANY:
            self._database.look_over("documents", "document_versions", "document_references")
        return done

    def rename(self, slug: str, name: str, new_name: str) -> Document:
        """Give a document another name; `Registry.rename` says more."""
        (document,) = self.change([Rename(slug, name, new_name)])
        assert document is not None
        return document

    def restore(self, slug: str, name: str, version: int) -> Document:
        """Make an older version the newest again; `Registry.restore` says more."""
        self._prepare()
        with self._database.transaction() as connection:
            old = self._row(connection, slug, name, version, self._vault)
            stamp = connection.execute(statements.TYPE_STAMP, (slug, old.type_version)).fetchone()
            structure = str(stamp[0]) if stamp is not None else ""
            action = f"restored from {version}"
            change = Change(connection, self._gates)
            document = change.put(Draft(slug, name, old.type_version, structure, old.content, action=action))
            change.finish()
        return document

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document; `Registry.delete` says more."""
        self.change([Remove(slug, name, force=force)])

    def history(self, slug: str, name: str) -> list[VersionSummary]:
        """Return a line for each version; `Registry.history` says more."""
        self._prepare()
        with self._database.reading() as connection:
            document_id = self._id_of(connection, slug, name)
            return [
                version_of(row) for row in connection.execute(statements.HISTORY, (document_id,)).fetchall()
            ]

    def diff(self, slug: str, name: str, old: int, new: int) -> list[FieldChange]:
        """Return how two versions differ; `Registry.diff` says more."""
        from blocks_core.comparing import compare  # late: loading compares nothing

        before, after = (self._one(slug, name, version, self._vault) for version in (old, new))
        held = {target for found in (before, after) for _, target in found.content.references()}
        addresses = {str(target): address for target, address in self.addresses(held).items()}
        return compare(before.content, after.content, addresses)

    def users(self, slug: str, name: str) -> list[str]:
        """Return who refers to a document; `Registry.users` says more."""
        self._prepare()
        with self._database.reading() as connection:
            return users_of(connection, self._id_of(connection, slug, name))

    def usages(self, slug: str, name: str) -> list[Usage]:
        """Return who resolved a document; `Registry.usages` says more."""
        self._prepare()
        self._usages.flush()
        with self._database.reading() as connection:
            return usages_of(connection, self._id_of(connection, slug, name))

    def audit(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Return rows of the audit; `Registry.audit` says more."""
        self._prepare()
        slug, _, name = (subject or "").partition("/")
        with self._database.reading() as connection:
            row = connection.execute(statements.ID_AND_VERSION, (slug, name)).fetchone() if name else None
            subjects = None if subject is None else (subject, row[0] if row is not None else "-")
            return self._audit.entries(connection, subjects, before=before, limit=limit)

    def verify_audit(self, head: str | None = None) -> AuditReport:
        """Look at the whole chain of the audit; `Registry.verify_audit` says more."""
        self._prepare()
        with self._database.snapshot() as connection:  # no row may come while it is looked at
            return self._audit.verify(connection, head)

    def note(self, action: str, subject: str, detail: Mapping[str, Json] | None = None) -> None:
        """Record in the audit what was done outside; `Registry.note` says more."""
        self._prepare()
        with self._database.transaction() as connection:
            self._audit.record(connection, action, subject, detail=detail)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._usages.close()
        self._database.close()

    def _prepare(self) -> None:
        self._database.migrate("registry", "blocks_registry.migrations")

    def _one(self, slug: str, name: str, version: int | None, vault: Vault | None) -> Document:
        self._prepare()

        def read() -> Document:
            with self._database.reading() as connection:
                return self._row(connection, slug, name, version, vault)

        return _once_more(read)

    def _row(
        self, connection: Connection, slug: str, name: str, version: int | None, vault: Vault | None
    ) -> Document:
        row = connection.execute(statements.DOCUMENT, (_number(version), slug, name)).fetchone()
        if row is None:
            raise not_found(connection, slug, name, version)
        return document_of(row, vault)

    def _id_of(self, connection: Connection, slug: str, name: str) -> str:
        row = connection.execute(statements.ID_AND_VERSION, (slug, name)).fetchone()
        if row is None:
            raise not_found(connection, slug, name, None)
        return str(row[0])


def _once_more(read: Callable[[], Found]) -> Found:
    """Read, and again where the key was let go between the reading of a row and that of the keyring.

    By then the row is sealed with another: no key is let go that seals a row.
    """
    try:
        return read()
    except KeyUnknown:
        return read()


def _refuse_lost_references(connection: Connection, documents: Mapping[UUID, Document]) -> None:
    for document in documents.values():
        for pointer, target in document.content.references():
            if target not in documents:
                lost = lost_address(connection, target) or str(target)
                raise ReferenceBroken(document.address, dotted(pointer), lost)


def _number(version: int | None) -> int | None:
    """Return a version as the database takes it; one that it cannot hold is one that no document has."""
    return version if version is None or abs(version) < 2**31 else -1
