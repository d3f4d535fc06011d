"""Wraps data keys anew with the primary key; what they sealed is not touched, and no secret is opened.

Rows under other keys are what is left to do, so a rewrap that was stopped at any moment goes on where it is started
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from blocks_core.errors import KeyringError
from blocks_core.vault import Binding, Sealed, Vault
from blocks_registry.audit import AUDIT_KEY
from blocks_registry.database import Connection, Database
from blocks_registry.keys import KeyLedger

DEFAULT_BATCH: Final = 500
"""Rows in one transaction: writers wait for some milliseconds."""

Progress = Callable[[int, int], None]
"""Called with how many rows were looked at, and how many there were to look at in the beginning."""

_LEFT = "SELECT COUNT(*) FROM document_versions WHERE key_id <> ?"
_PAGE = """
SELECT v.document_id, v.version, (SELECT d.slug FROM documents AS d WHERE d.id = v.document_id),
    v.key_id, v.wrapped_key
FROM document_versions AS v
WHERE v.key_id <> ? AND (v.document_id, v.version) > (?, ?)
ORDER BY v.document_id, v.version LIMIT ?
"""
_UNCHANGED = """
SELECT document_id, version, wrapped_key FROM document_versions
WHERE key_id <> ? AND (document_id, version) > (?, ?) AND (document_id, version) <= (?, ?)
"""
_UPDATE = "UPDATE document_versions SET key_id = ?, wrapped_key = ? WHERE document_id = ? AND version = ?"
_AUDIT_KEY = "SELECT key_id, wrapped_key FROM audit_state WHERE id = 1 AND key_id <> ?"
_UPDATE_AUDIT_KEY = "UPDATE audit_state SET key_id = ?, wrapped_key = ? WHERE id = 1"
_MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Rewrapped:
    """What a rewrap did."""

    key_id: str
    """Of the primary key."""
    rewrapped: int
    """Versions of documents that it wrapped with that key."""
    audit_key: bool
    """It wrapped the key of the audit with that key."""
    left: int
    """Versions under other keys that could not be."""
    problems: tuple[str, ...]
    """Why, for the first of them."""


class Rewrapping:
    """One walk over the rows, page by page; memory is that of one page."""

    def __init__(self, database: Database, vault: Vault, ledger: KeyLedger, batch: int) -> None:
        self._database = database
        self._vault = vault
        self._ledger = ledger
        self._batch = batch
        self._problems: dict[tuple[str, int], str] = {}
        self._done = 0

    def run(self, progress: Progress | None = None) -> Rewrapped:
        """Walk until no row is left that can be wrapped anew.

        Raises:  KeyringError: the primary key cannot be used.
        """
        total = self.left()
        rewrapped = 0
        while changed := self._walk(lambda: progress(min(self._done, total), total) if progress else None):
            rewrapped += changed
        audit_key = self._rewrap_audit_key()
        problems = tuple(self._problems.values())[:_MAX_PROBLEMS]
        return Rewrapped(self._vault.primary_key_id(), rewrapped, audit_key, self.left(), problems)

    def left(self) -> int:
        """Return how many versions are under other keys than the primary one."""
        with self._database.reading() as connection:
            return int(connection.execute(_LEFT, (self._vault.primary_key_id(),)).fetchone()[0])

    def _walk(self, tell: Callable[[], None]) -> int:
        changed, after = 0, ("", 0)
        while True:
            key_id = self._vault.primary_key_id()
            with self._database.reading() as connection:
                rows = connection.execute(_PAGE, (key_id, *after, self._batch)).fetchall()
            if not rows:
                return changed
            changed += self._rewrap(rows, key_id, after)
            after = rows[-1][0], rows[-1][1]
            self._done += len(rows)
            tell()

    def _rewrap(self, rows: Sequence[Any], key_id: str, after: tuple[str, int]) -> int:
        """Prepare without a lock, then write what was neither changed nor deleted meanwhile."""
        new_keys = {
            (*row[:2], row[4]): new for row in rows if (new := self._new_key(row, key_id)) is not None
        }
        if not new_keys:
            return 0
        with self._database.transaction() as connection:
            self._ledger.admit(connection, key_id)
            found = connection.execute(_UNCHANGED, (key_id, *after, *rows[-1][:2])).fetchall()
            updates = [(key_id, new_keys[row], *row[:2]) for row in map(tuple, found) if row in new_keys]
            connection.executemany(_UPDATE, updates)
        return len(updates)

    def _new_key(self, row: Any, key_id: str) -> bytes | None:
        document_id, version, slug, old_id, old_key = row
        try:
            binding = Binding(UUID(document_id), version, slug)
            return self._vault.rewrap(Sealed(old_id, old_key, b""), binding, key_id).wrapped_key
        except (KeyringError, ValueError, TypeError, AttributeError) as error:
            if len(self._problems) < _MAX_PROBLEMS:
                self._problems[document_id, version] = f"{slug} {document_id}, version {version}: {error}"
            return None

    def _rewrap_audit_key(self) -> bool:
        with self._database.transaction() as connection:
            key_id = self._vault.primary_key_id()
            row = connection.execute(_AUDIT_KEY, (key_id,)).fetchone()
            return row is not None and self._wrap_audit_key(connection, key_id, row)

    def _wrap_audit_key(self, connection: Connection, key_id: str, row: Any) -> bool:
        old_id, old_key = row
        try:
            self._ledger.admit(connection, key_id)
            new = self._vault.rewrap(Sealed(old_id, old_key, b""), AUDIT_KEY, key_id)
        except KeyringError as error:
            self._problems["", 0] = f"the key of the audit: {error}"
            return False
        connection.execute(_UPDATE_AUDIT_KEY, (key_id, new.wrapped_key))
        return True
