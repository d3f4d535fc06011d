"""The local registry: a vault and a database, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from time import time
from typing import Any, TypeVar
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
from blocks_registry.once import Once, Written
from blocks_registry.rows import block_type_of, document_of, version_of
from blocks_registry.searching import ALL, Wanted, search
from blocks_registry.usages import UsageRecorder, usages_of

Found = TypeVar("Found")

_REFERENCE = '"block:'
"""What the marks of a document have, as JSON, where it refers to another."""
_QUICK_SECONDS = 0.02
"""That a read may wait which others wait for."""
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
        self._once: Once | None = None
        self._quick_database: Database | None = None

    def register(self, block_type: BlockType) -> Registration:
        """Note a type; `Registry.register` says more.

        Raises:  NameInvalid, BlockTypeInvalid: it is described by what no registry takes.
        """
        from blocks_registry.type_vetting import refuse_unfit_type  # late: loading registers nothing

        self._prepare()
        with self._database.transaction() as connection:
            rows = connection.execute(statements.VERSIONS_OF_TYPE, (block_type.slug,)).fetchall()
            known = [block_type_of(row[0]) for row in rows]
            if block_type not in known:
                refuse_unfit_type(block_type)
            outcome = decide_registration(known, block_type)
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
            rows = self._rows_of_tree(connection, (_number(version), slug, name))
            documents = {found.id: found for found in (document_of(row, self._vault) for row in rows)}
            root = next(
                (found for found in documents.values() if (found.slug, found.name) == (slug, name)), None
            )
            if root is None:
                raise not_found(connection, slug, name, version)
            _refuse_lost_references(connection, documents)
        return documents, root

    def _rows_of_tree(self, connection: Connection, wanted: tuple[int | None, str, str]) -> list[Any]:
        """Return the rows of a document and of what it refers to, in one statement where each is a journey.

        Where none is, it is worth looking first whether there is a tree: most blocks hold no other, and the statement
        for the one row takes half the time.
        """
        if self._database.is_near:
            row = connection.execute(statements.DOCUMENT, wanted).fetchone()
            if row is None or _REFERENCE not in str(row[statements.MARKS]):
                return [] if row is None else [row]
        return connection.execute(statements.TREE, wanted).fetchall()

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets; `Registry.read` says more."""
        return self._one(slug, name, version, None)

    def reveal(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return one document, its secrets in clear, and none that it refers to; it counts as no usage.

        Raises:  BlockNotFound; KeyringError.
        """
        return self._one(slug, name, version, self._vault)

    def find(
        self,
        slug: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        """Return a line for each document; `Registry.find` says more."""
        wanted = Wanted(slug=slug, labels=labels or {})
        return self.search(wanted, after=after, limit=ALL if limit is None else limit)

    def search(
        self,
        wanted: Wanted,
        *,
        patterns: Sequence[str] = ("*/*",),
        after: str | None = None,
        limit: int = ALL,
    ) -> list[Summary]:
        """Return a line for each document that is asked for, in the order that is.

        Args:    patterns: of addresses, of which one must fit. after: only what comes behind this place
                 (`Order.place_of`), which is an address where addresses are the order.
        """
        self._prepare()
        with self._database.reading() as connection:
            return search(connection, wanted, patterns, after, limit)

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

        def write(connection: Connection) -> list[Document | None]:
            change = Change(connection, self._gates)
            document = change.put(Put(draft, expected_version), overwrite=overwrite)
            change.finish()
            return [document]

        return self._write_one(write)

    def change(self, edits: Sequence[Edit]) -> list[Document | None]:
        """Do several edits, all or none; `Registry.change` says more."""
        for edit in edits:
            if isinstance(edit, Put):
                self._admission.admit(edit.draft)

        def write(connection: Connection) -> list[Document | None]:
            change = Change(connection, self._gates)
            done = list[Document | None]()
            for edit in edits:
                document = change.do(edit)
                if isinstance(edit, Rename):  # now, as a later edit may pass the name on
                    document = self._row(connection, edit.slug, edit.new_name, None, None)
                done.append(document)
            change.finish()
            return done

        done = self._write(write)
        if len(edits) >= _MANY:
            self._database.look_over("documents", "document_versions", "document_references")
        return done

    def rename(self, slug: str, name: str, new_name: str) -> Document:
        """Give a document another name; `Registry.rename` says more."""
        (document,) = self.change([Rename(slug, name, new_name)])
        assert document is not None
        return document

    def restore(
        self,
        slug: str,
        name: str,
        version: int,
        *,
        expected_version: int | None = None,
        expected_id: UUID | None = None,
    ) -> Document:
        """Make an older version the newest again; `Registry.restore` and `Put` say more."""

        def write(connection: Connection) -> list[Document | None]:
            old = self._row(connection, slug, name, version, self._vault)
            stamp = connection.execute(statements.TYPE_STAMP, (slug, old.type_version)).fetchone()
            structure = str(stamp[0]) if stamp is not None else ""
            action = f"restored from {version}"
            change = Change(connection, self._gates)
            draft = Draft(slug, name, old.type_version, structure, old.content, action=action)
            document = change.put(Put(draft, expected_version, expected_id))
            change.finish()
            return [document]

        return self._write_one(write)

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

    def some_users(self, slug: str, name: str, *, limit: int) -> list[str]:
        """Return the addresses of some of the documents that refer to one, sorted; of all where they are fewer.

        Raises:  BlockNotFound.
        """
        self._prepare()
        with self._database.reading() as connection:
            document_id = self._id_of(connection, slug, name)
            rows = connection.execute(statements.SOME_USERS, (document_id, limit)).fetchall()
        return sorted(join_address(*row) for row in rows)

    def count_users(self, ids: Iterable[UUID], *, limit: int = 1000) -> dict[UUID, int]:
        """Return how many documents refer to each of some documents; beyond the limit nobody counts."""
        self._prepare()
        found: dict[UUID, int] = {}
        with self._database.reading() as connection:
            for document_id in ids:
                row = connection.execute(statements.COUNT_OF_USERS, (str(document_id), limit)).fetchone()
                found[document_id] = int(row[0])
        return found

    def usages(self, slug: str, name: str) -> list[Usage]:
        """Return who resolved a document; `Registry.usages` says more."""
        self._prepare()
        self._usages.flush()
        with self._database.reading() as connection:
            return usages_of(connection, self._id_of(connection, slug, name))

    def last_usages(self, slug: str, name: str, *, limit: int) -> list[Usage]:
        """Return who resolved a document last; every run of a flow is one of them, so there may be very many.

        Raises:  BlockNotFound.
        """
        self._prepare()
        self._usages.flush()
        with self._database.reading() as connection:
            return usages_of(connection, self._id_of(connection, slug, name), limit)

    def audit(
        self,
        *,
        subject: str | None = None,
        by: str | None = None,
        action: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return rows of the audit; `Registry.audit` says more."""
        self._prepare()
        slug, _, name = (subject or "").partition("/")
        with self._database.reading() as connection:
            row = connection.execute(statements.ID_AND_VERSION, (slug, name)).fetchone() if name else None
            subjects = None if subject is None else (subject, row[0] if row is not None else "-")
            return self._audit.entries(connection, subjects, by=by, action=action, before=before, limit=limit)

    def verify_audit(self, head: str | None = None) -> AuditReport:
        """Look at the whole chain of the audit; `Registry.verify_audit` says more."""
        self._prepare()
        with self._database.snapshot() as connection:  # no row may come while it is looked at
            return self._audit.verify(connection, head)

    def note(self, action: str, subject: str, detail: Mapping[str, Json] | None = None) -> None:
        """Record in the audit what was done outside; `Registry.note` says more."""
        slug, _, name = subject.partition("/")

        def write(connection: Connection) -> list[Document | None]:
            row = connection.execute(statements.ID_AND_VERSION, (slug, name)).fetchone() if name else None
            subject_id = str(row[0]) if row is not None else ""
            self._audit.record(connection, action, subject, subject_id=subject_id, detail=detail)
            return []

        self._write(write)

    def once(self, write: Once) -> LocalRegistry:
        """Return the same registry for one write that may be sent again: it is done once, and found then."""
        found = copy(self)
        found._once = write
        return found

    def quick(self) -> LocalRegistry | None:
        """Return the same registry for reads that wait for nobody; None where the database is not in this process.

        A read of SQLite waits only where another process has the whole file to itself: it is `DatabaseLocked` then.
        """
        if not self._database.is_near:
            return None
        self._quick_database = self._quick_database or self._database.relaxed(wait_seconds=_QUICK_SECONDS)
        found = copy(self)
        found._database = self._quick_database
        return found

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._usages.close()
        self._database.close()
        if self._quick_database is not None:
            self._quick_database.close()

    def _prepare(self) -> None:
        self._database.migrate("registry", "blocks_registry.migrations")

    def _write(self, write: Callable[[Connection], list[Document | None]]) -> list[Document | None]:
        """Write in one transaction, unless that was done before; return the documents that it left."""
        self._prepare()
        with self._database.transaction() as connection:
            if self._once is None:
                return write(connection)
            before = self._once.find(connection)
            if before is not None:
                return [each and self._left(connection, each) for each in before]
            done = write(connection)
            self._once.keep(connection, done)
            return done

    def _write_one(self, write: Callable[[Connection], list[Document | None]]) -> Document:
        (document,) = self._write(write)
        assert document is not None
        return document

    def _left(self, connection: Connection, written: Written) -> Document:
        """Return a document as an earlier write left it, without its secrets."""
        key = written.version, str(written.document_id)
        row = connection.execute(statements.DOCUMENT_BY_ID, key).fetchone()
        if row is None:  # it was deleted since
            raise not_found(connection, written.slug, written.name, None)
        return document_of(row, None)

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
