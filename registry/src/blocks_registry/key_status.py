"""Which keys there are, in the keyring and in the database, what is sealed with each, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from blocks_core.errors import KeyringError, KeysMissing, KeyUnknown, SealBroken
from blocks_core.keyring import Keyring
from blocks_core.vault import Vault
from blocks_registry.database import Connection
from blocks_registry.keys import KeyLedger

_SEALED = "SELECT key_id, COUNT(*) FROM document_versions WHERE key_id IS NOT NULL GROUP BY key_id"
_SEALED_BY = "SELECT COUNT(*), COUNT(DISTINCT document_id) FROM document_versions WHERE key_id = ?"
_SEALS_AUDIT = "SELECT key_id FROM audit_state WHERE id = 1 AND key_id IS NOT NULL"
_KEYS = """
SELECT id, proof_wrapped_key, proof_ciphertext, first_used_at, retired_at FROM keys ORDER BY first_used_at, id
"""


class _Noted(NamedTuple):
    """What the database knows of a key."""

    id: str
    wrapped_key: bytes
    ciphertext: bytes
    first_used_at: float
    retired_at: float | None


@dataclass(frozen=True)
class KeyStatus:
    """One key."""

    id: str
    is_primary: bool
    in_keyring: bool
    wrapped_by: str | None
    """The service that wraps it where it is kept; None: it lies there in clear, or is not there."""
    created_at: datetime | None
    sealed_versions: int
    """Versions of documents whose secrets it seals."""
    seals_audit: bool
    """It seals the key of the audit."""
    first_used_at: datetime | None
    retired_at: datetime | None
    problem: str = ""
    """Why it cannot be used although it should be; empty where all is well."""

    @property
    def is_needed(self) -> bool:
        """Tell whether something is sealed with it."""
        return self.sealed_versions > 0 or self.seals_audit

    @property
    def state(self) -> str:
        """Return it in a word."""
        if self.problem:
            return "wrong" if self.in_keyring else "lost"
        if self.retired_at is not None:
            return "retired"
        if self.is_primary:
            return "primary"
        return "ready" if self.first_used_at is None else "former"


@dataclass(frozen=True)
class KeysStatus:
    """All keys, the oldest first."""

    origin: str
    """Where the keyring comes from; empty where it cannot be read."""
    problem: str
    """Why the keyring cannot be read; empty where it can."""
    keys: tuple[KeyStatus, ...]
    is_missing: bool = False
    """There is no keyring."""

    @property
    def is_well(self) -> bool:
        """Tell whether every key that the database needs is at hand, and a keyring that is there can be read."""
        is_unreadable = self.problem and (self.keys or not self.is_missing)
        return not any(key.problem for key in self.keys) and not is_unreadable


@dataclass(frozen=True)
class KeyUse:
    """What is sealed with one key."""

    versions: int
    documents: int
    seals_audit: bool

    def __bool__(self) -> bool:
        return self.versions > 0 or self.seals_audit

    def __str__(self) -> str:
        parts = [
            f"{self.versions} version{_s(self.versions)} of {self.documents} block{_s(self.documents)}"
            if self.versions
            else "",
            "the key of the audit" if self.seals_audit else "",
        ]
        return " and ".join(part for part in parts if part)


def read_use(connection: Connection, key_id: str) -> KeyUse:
    """Return what is sealed with a key."""
    versions, documents = connection.execute(_SEALED_BY, (key_id,)).fetchone()
    audit = connection.execute(_SEALS_AUDIT).fetchone()
    return KeyUse(int(versions), int(documents), audit is not None and audit[0] == key_id)


def read_status(connection: Connection, vault: Vault, ledger: KeyLedger) -> KeysStatus:
    """Return the state of all keys; a keyring that cannot be read is a part of it, not an error."""
    keyring, problem, is_missing = _keyring_of(vault)
    sealed = {str(key_id): int(count) for key_id, count in connection.execute(_SEALED).fetchall()}
    audit = connection.execute(_SEALS_AUDIT).fetchone()
    noted = {str(row[0]): _Noted(*row) for row in connection.execute(_KEYS).fetchall()}
    held: Mapping[str, bytes] = keyring.keys if keyring else {}
    keys = tuple(
        KeyStatus(
            id=key_id,
            is_primary=keyring is not None and keyring.primary == key_id,
            in_keyring=key_id in held,
            wrapped_by=keyring.wrapped_by.get(key_id) if keyring else None,
            created_at=keyring.created_at.get(key_id) if keyring else None,
            sealed_versions=sealed.get(key_id, 0),
            seals_audit=audit is not None and audit[0] == key_id,
            first_used_at=_time(noted[key_id].first_used_at) if key_id in noted else None,
            retired_at=_time(noted[key_id].retired_at) if key_id in noted else None,
            problem=_problem(key_id, keyring, ledger, noted.get(key_id)),
        )
        for key_id in dict.fromkeys((*noted, *sealed, *held))
    )
    return KeysStatus(keyring.origin if keyring else "", problem, keys, is_missing)


def next_steps(status: KeysStatus) -> list[str]:
    """Return what to do, in sentences with the command, the most pressing first."""
    if status.is_missing and not status.keys:
        return ['There are no keys yet. The first secret that is saved makes one, or "block keys add" does.']
    if status.problem:
        return [status.problem]
    steps = [_remedy(key) for key in status.keys if key.problem]
    primary = next((key for key in status.keys if key.is_primary), None)
    if steps or primary is None:
        return steps
    others = [key for key in status.keys if key.in_keyring and not key.is_primary]
    left = sum(key.sealed_versions for key in others)
    if left or any(key.seals_audit for key in others):
        what = f"{left} version{_s(left)} of blocks" if left else "The key of the audit"
        return [f'Not wrapped with the primary key yet: {what}. Run "block keys rewrap".']
    for key in others:
        if key.retired_at is not None:
            steps.append(
                f"'{key.id}' is retired and still in the keyring: \"block keys retire {key.id}\" again."
            )
        elif key.first_used_at is not None or _is_older(key, primary):
            steps.append(
                f"Nothing is sealed with '{key.id}' any more: \"block keys retire {key.id}\", once no process uses "
                f"an older copy of the keyring."
            )
        else:
            steps.append(f"Once every process has '{key.id}': \"block keys promote {key.id}\".")
    return steps or ['Nothing is left to do. To change the primary key, begin with "block keys add".']


def newest_to_promote(keyring: Keyring, retired: Sequence[str]) -> str:
    """Return the newest key that is not primary.

    Raises:  KeyUnknown: there is none that is newer than the primary one.
    """
    order = {key_id: (_created(keyring, key_id), place) for place, key_id in enumerate(keyring.keys)}
    newer = [
        key_id
        for key_id in order
        if order[key_id] > order[keyring.primary] and key_id not in retired and key_id != keyring.primary
    ]
    if not newer:
        raise KeyUnknown(
            f"No key in {keyring.origin} is newer than the primary one, '{keyring.primary}'. Add one first: "
            f'"block keys add". To make an older one primary again, give its id.'
        )
    return max(newer, key=order.__getitem__)


def _keyring_of(vault: Vault) -> tuple[Keyring | None, str, bool]:
    try:
        return vault.keyring(), "", False
    except KeyringError as error:
        return None, str(error), isinstance(error, KeysMissing)


def _problem(key_id: str, keyring: Keyring | None, ledger: KeyLedger, noted: _Noted | None) -> str:
    if noted is not None and noted.retired_at is not None:
        return ""
    if keyring is None:
        return "the keyring cannot be read"
    if key_id not in keyring.keys:
        return "the keyring lacks it"
    try:
        if noted is not None:
            ledger.prove(key_id, noted.wrapped_key, noted.ciphertext)
    except SealBroken:
        return "the keyring has another key of this id"
    return ""


def _remedy(key: KeyStatus) -> str:
    if not key.is_needed:
        return f"'{key.id}': {key.problem}, and nothing is sealed with it any more: \"block keys retire {key.id}\"."
    sealed = f"{key.sealed_versions} version{_s(key.sealed_versions)} of blocks"
    return f"'{key.id}': {key.problem}, and {sealed} cannot be read without it. Restore it from a backup of the keys."


def _is_older(key: KeyStatus, other: KeyStatus) -> bool:
    return key.created_at is not None and other.created_at is not None and key.created_at < other.created_at


def _created(keyring: Keyring, key_id: str) -> datetime:
    return keyring.created_at.get(key_id, datetime.min.replace(tzinfo=UTC))


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
