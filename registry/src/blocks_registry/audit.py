"""The audit: who changed what, in a chain of rows that shows what was altered, removed or moved.

Each row's link is a digest of the row and the link before it: an HMAC under the audit key once there is one, SHA-256
before. The audit key is sealed by the keyring, as secrets are, so whoever may write the database and has not the keys
cannot make a chain that verifies. Rows missing from the end are noticed by the state beside the chain.

Source: RFC 2104 (HMAC).
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from time import time
from typing import Any, Final
from uuid import UUID

from blocks_core.current import Actor, current_actor
from blocks_core.document import Json
from blocks_core.errors import KeyringError
from blocks_core.records import AuditEntry, AuditReport
from blocks_core.vault import Binding, Sealed, Vault
from blocks_registry.database import Connection
from blocks_registry.keys import KeyLedger

AUDIT_KEY: Final = Binding(UUID(int=1), 0, "audit")
"""What the sealed audit key belongs to."""

_STATE = "SELECT number, link, key_id, wrapped_key, ciphertext FROM audit_state WHERE id = 1"
_MOVE_STATE = "UPDATE audit_state SET number = ?, link = ? WHERE id = 1"
_KEEP_KEY = "UPDATE audit_state SET key_id = ?, wrapped_key = ?, ciphertext = ? WHERE id = 1"
_HAS_KEYS = "SELECT 1 FROM keys WHERE retired_at IS NULL LIMIT 1"

_COLUMNS = """
    number, at, actor_kind, actor_name, actor_id, actor_user, action, subject, subject_id, detail, keyed, link
"""
_ADD = f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NEWEST = f"""
SELECT {_COLUMNS} FROM audit
WHERE number < ? AND (subject = COALESCE(?, subject) OR subject_id = ?)
    AND (actor_name = COALESCE(?, actor_name) OR actor_user = ?) AND action = COALESCE(?, action)
ORDER BY number DESC LIMIT ?
"""
_PAGE = f"SELECT {_COLUMNS} FROM audit WHERE number > ? ORDER BY number LIMIT 1000"

_MAX_PROBLEMS = 20
_LAST = 2**31 - 1
_BEGINNING = (0, "")
"""The head of a report on an audit without rows, which every chain goes on from."""


@dataclass(frozen=True)
class _State:
    """The end of the chain, and the sealed key of its links."""

    number: int
    link: str
    key_id: str | None
    wrapped_key: bytes | None
    ciphertext: bytes | None


class Audit:
    """The audit of one database."""

    def __init__(self, vault: Vault, keys: KeyLedger) -> None:
        self._vault = vault
        self._keys = keys
        self._opened: tuple[bytes, bytes] | None = None
        """Sealed and opened audit key."""

    def record(
        self,
        connection: Connection,
        action: str,
        subject: str,
        *,
        subject_id: str = "",
        detail: Mapping[str, Json] | None = None,
    ) -> None:
        """Add a row, in the transaction of what it tells of.

        Args:    detail: what else there is to say, without secrets.
        """
        state = _state(connection)
        key = self._key_to_write(connection, state)
        actor, text = current_actor(), json.dumps(dict(detail or {}), sort_keys=True)
        row = (
            state.number + 1,
            time(),
            actor.kind,
            actor.name,
            actor.id,
            actor.user,
            action,
            subject,
            subject_id,
            text,
            int(key is not None),
        )
        link = _link(key, state.link, row)
        connection.execute(_ADD, (*row, link))
        connection.execute(_MOVE_STATE, (state.number + 1, link))

    def entries(
        self,
        connection: Connection,
        subjects: tuple[str, str] | None,
        *,
        by: str | None,
        action: str | None,
        before: int | None,
        limit: int,
    ) -> list[AuditEntry]:
        """Return rows, the newest first.

        Args:    subjects: only of this address, slug or key id, or of the document of this id.
                 by: only of who has this name, or of who acted for this user.
        """
        upper = _LAST if before is None else max(0, min(before, _LAST))
        wanted = (*(subjects or (None, "")), by, by, action)
        rows = connection.execute(_NEWEST, (upper, *wanted, min(limit, _LAST))).fetchall()
        return [_entry(row) for row in rows]

    def verify(self, connection: Connection, head: str | None) -> AuditReport:
        """Look at the whole chain.

        Raises:  KeyringError: the audit key cannot be opened.
        """
        state = _state(connection)
        key = self._key(state)
        return _Verification(state, key, head).run(connection)

    def proof(self, connection: Connection, text: str) -> str:
        """Return what only who has the keys can make of a text, inside a transaction.

        Raises:  KeyringError: the audit key cannot be opened, or made.
        """
        return _proof(self._key(_state(connection)) or self._new_key(connection), text)

    def is_proved(self, connection: Connection, text: str, proof: str) -> bool:
        """Tell whether `proof` gave this for a text.

        Raises:  KeyringError: the audit key cannot be opened.
        """
        key = self._key(_state(connection))
        return key is not None and hmac.compare_digest(_proof(key, text).encode(), proof.encode())

    def _key_to_write(self, connection: Connection, state: _State) -> bytes | None:
        """Return the audit key; None where the keyring is not at hand, which `verify` will tell."""
        with suppress(KeyringError):
            if state.key_id is None and connection.execute(_HAS_KEYS).fetchone() is not None:
                return self._new_key(connection)
            return self._key(state)
        return None

    def _new_key(self, connection: Connection) -> bytes:
        key = os.urandom(32)
        sealed = self._keys.seal(connection, key, AUDIT_KEY)
        connection.execute(_KEEP_KEY, (sealed.key_id, sealed.wrapped_key, sealed.ciphertext))
        return key

    def _key(self, state: _State) -> bytes | None:
        if state.key_id is None or state.wrapped_key is None or state.ciphertext is None:
            return None
        if self._opened is None or self._opened[0] != state.ciphertext:
            sealed = Sealed(state.key_id, state.wrapped_key, state.ciphertext)
            self._opened = state.ciphertext, self._vault.unseal(sealed, AUDIT_KEY)
        return self._opened[1]


class _Verification:
    """One walk along the chain."""

    def __init__(self, state: _State, key: bytes | None, head: str | None) -> None:
        self._state = state
        self._key = key
        self._head = head
        self._number, self._link, self._keyed, self._rows = 0, "", 0, 0
        self._problems: list[str] = []

    def run(self, connection: Connection) -> AuditReport:
        """Walk from the first row to the last."""
        pinned = _pin(self._head)
        for row in _all(connection):
            self._look_at(row)
            if pinned is not None and 0 < pinned[0] == self._number:
                if pinned[1] != self._link:
                    self._note(f"row {self._number} is not the one that was the head '{self._head}'")
                pinned = None
        if pinned is None or pinned == _BEGINNING:
            pass
        elif pinned[0] < 1:
            self._note(f"the head '{str(self._head)[:100]}' is none that a report gave, which is NUMBER:LINK")
        else:
            self._note(f"row {pinned[0]}, which was the head '{self._head}', is not there")
        self._look_at_end()
        return AuditReport(
            rows=self._rows,
            keyed=self._keyed,
            head=f"{self._number}:{self._link}",
            problems=tuple(self._problems),
        )

    def _look_at(self, row: tuple[Any, ...]) -> None:
        *content, link = row
        number, keyed = content[0], bool(content[10])
        if number != self._number + 1:
            missing = (
                f"row {self._number + 1} is"
                if number == self._number + 2
                else f"rows {self._number + 1} to {number - 1} are"
            )
            self._note(f"{missing} missing")
        elif keyed and self._key is None:
            self._note(f"row {number} was proved by an audit key that is not there")
        elif not hmac.compare_digest(link, _link(self._key if keyed else None, self._link, tuple(content))):
            self._note(f"row {number} is not as it was written, or not in its place")
        elif self._keyed and not keyed:
            self._note(f"row {number} was written without the keys, so nothing proves it")
        self._rows, self._keyed = self._rows + 1, self._keyed + keyed
        self._number, self._link = number, link

    def _look_at_end(self) -> None:
        if self._state.number > self._number:
            self._note(f"rows {self._number + 1} to {self._state.number} are missing at the end")
        elif (self._state.number, self._state.link) != (self._number, self._link):
            self._note(f"the chain should end at row {self._state.number}, with another link")

    def _note(self, problem: str) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)


def _state(connection: Connection) -> _State:
    row = connection.execute(_STATE).fetchone()
    return _State(*row) if row is not None else _State(0, "", None, None, None)


def _all(connection: Connection) -> Iterator[tuple[Any, ...]]:
    last = 0
    while rows := connection.execute(_PAGE, (last,)).fetchall():
        yield from rows
        last = rows[-1][0]


def _link(key: bytes | None, before: str, row: tuple[Any, ...]) -> str:
    text = f"{before}\n{json.dumps(row, separators=(',', ':'))}".encode()
    return (sha256(text) if key is None else hmac.new(key, text, "sha256")).hexdigest()


def _proof(key: bytes, text: str) -> str:
    """Return the HMAC of a text; its beginning is that of no link's text, which begins with digits or a new line."""
    return hmac.digest(key, f"blocks/proof\0{text}".encode(), "sha256").hex()


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    number, at, kind, name, actor_id, user, action, subject, _, detail, *_ = row
    return AuditEntry(
        number=number,
        at=datetime.fromtimestamp(at, UTC),
        actor=Actor(kind, name, actor_id, user),
        action=action,
        subject=subject,
        detail=json.loads(detail),
    )


def _pin(head: str | None) -> tuple[int, str] | None:
    if head is None:
        return None
    number, _, link = head.partition(":")
    is_number = number.isascii() and number.isdecimal() and len(number) < len(str(_LAST))
    return (int(number), link) if is_number and head.strip() else (-1, link)
