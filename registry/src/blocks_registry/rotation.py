"""Changes of the keys of one database, while it is in use: add, promote, rewrap, retire.

Each step is one write transaction of the database, so two of them never cross, and each is a row of the audit.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from blocks_core.document import Json
from blocks_core.errors import KeyInUse, KeysMissing, KeysReadOnly, KeyUnknown
from blocks_core.keyring import KeyProvider, Keyring
from blocks_core.vault import Vault
from blocks_registry.audit import Audit
from blocks_registry.database import Connection, Database
from blocks_registry.key_status import KeysStatus, newest_to_promote, read_status, read_use
from blocks_registry.keys import KeyLedger, known_keys, refuse_retired
from blocks_registry.rewrapping import DEFAULT_BATCH, Progress, Rewrapped, Rewrapping


@dataclass(frozen=True)
class Added:
    """Which key was added; the first one of a keyring is primary at once."""

    key_id: str
    is_primary: bool


@dataclass(frozen=True)
class Promoted:
    """Which key became the primary one, and which was it before."""

    key_id: str
    before: str


@dataclass(frozen=True)
class Retired:
    """What retiring a key did: a retirement that was stopped half-way is finished by the next."""

    key_id: str
    was_marked: bool
    """In the database, by this call."""
    was_removed: bool
    """From the keyring, by this call."""


class Rotation:
    """The keys of a database.

    Args:    changes: takes what is changed in the keyring, where that is not the provider itself: a draft.
    """

    def __init__(self, database: Database, provider: KeyProvider, changes: KeyProvider | None = None) -> None:
        self._database = database
        self._provider = provider
        self._changes = changes or provider
        self._vault = Vault(provider)
        self._ledger = KeyLedger(self._vault)
        self._audit = Audit(self._vault, self._ledger)

    def status(self) -> KeysStatus:
        """Return every key, and what is sealed with it."""
        self._prepare()
        with self._database.snapshot() as connection:
            return read_status(connection, self._vault, self._ledger)

    def add(self) -> Added:
        """Add a key that seals nothing before it is promoted.

        Raises:  KeysMissing: the keys of this database are gone. KeysInvalid, KeysReadOnly.
        """
        self._prepare()
        with self._database.transaction() as connection:
            try:
                added = Added(self._changes.add(), is_primary=False)
            except KeysMissing:
                if known_keys(connection):
                    raise
                added = Added(self._changes.create().primary, is_primary=True)
            self._audit.record(connection, "key.added", added.key_id)
        return added

    def promote(self, key_id: str | None = None) -> Promoted:
        """Make a key the primary one: it seals what is saved from now on.

        Args:    key_id: None for the newest, where it is newer than the primary one.
        Raises:  KeyUnknown, KeyRetired; KeysMissing, KeysInvalid, KeysReadOnly.
        """
        self._prepare()
        with self._database.transaction() as connection:
            with self._telling_a_new_home(connection):
                keyring = self._changes.load()
            retired = [
                found for found in keyring.keys if self._ledger.retired_at(connection, found) is not None
            ]
            chosen = key_id or newest_to_promote(keyring, retired)
            refuse_retired(chosen, self._ledger.retired_at(connection, chosen))
            self._changes.promote(chosen)
            if chosen != keyring.primary:
                self._audit.record(connection, "key.promoted", chosen, detail={"before": keyring.primary})
        return Promoted(chosen, keyring.primary)

    def rewrap(self, *, batch: int = DEFAULT_BATCH, progress: Progress | None = None) -> Rewrapped:
        """Wrap every data key with the primary key, in transactions of `batch` rows.

        Raises:  KeyringError: the primary key cannot be used.
        """
        self._prepare()
        rewrapping = Rewrapping(self._database, self._vault, self._ledger, batch)
        with self._database.reading() as connection, self._telling_a_new_home(connection):
            key_id = self._vault.primary_key_id()
        left = rewrapping.left()
        if left:
            with self._database.transaction() as connection:
                self._audit.record(connection, "key.rewrap-begun", key_id, detail={"left": left})
        done = rewrapping.run(progress)
        if done.rewrapped or done.audit_key:
            with self._database.transaction() as connection:
                detail: dict[str, Json] = {"rewrapped": done.rewrapped, "left": done.left}
                self._audit.record(connection, "key.rewrapped", done.key_id, detail=detail)
        return done

    def retire(self, key_id: str) -> Retired:
        """Let a key go for good: nothing may be sealed with it any more, and the keyring forgets it.

        Raises:  KeyInUse: it is primary, or something is sealed with it. KeyUnknown; KeysReadOnly.
        """
        self._prepare()
        keyring = self._vault.keyring()
        with self._database.transaction() as connection:
            self._refuse_needed(connection, key_id)
            was_marked = self._ledger.retire(connection, key_id)
            if was_marked:
                self._audit.record(connection, "key.retired", key_id)
        was_removed = key_id in self._changes.load().keys and self._remove(key_id, keyring.origin)
        return Retired(key_id, was_marked, was_removed)

    def refuse_retiring(self, key_id: str) -> None:
        """See whether a key could be retired now; nothing is changed.

        Raises:  KeyInUse, KeyUnknown.
        """
        self._prepare()
        with self._database.snapshot() as connection:
            self._refuse_needed(connection, key_id)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._database.close()

    def _prepare(self) -> None:
        self._database.migrate("registry", "blocks_registry.migrations")

    @contextmanager
    def _telling_a_new_home(self, connection: Connection) -> Generator[None]:
        """Say of keys that are missing, where nothing was ever sealed, that there are none yet."""
        try:
            yield
        except KeysMissing as error:
            if known_keys(connection):
                raise
            raise KeysMissing(
                'There are no keys yet, and nothing is sealed. The first secret that is saved makes a key, or "block '
                'keys add" does.'
            ) from error

    def _remove(self, key_id: str, origin: str) -> bool:
        try:
            self._changes.remove(key_id)
        except KeyUnknown:  # another operator took it out a moment ago
            return False
        except KeysReadOnly as error:
            raise KeysReadOnly(f"The key '{key_id}' is retired, and still in its keyring. {error}") from error
        with self._database.transaction() as connection:
            self._audit.record(connection, "key.removed", key_id, detail={"from": origin})
        return True

    def _refuse_needed(self, connection: Connection, key_id: str) -> None:
        keyring = self._vault.keyring()
        if key_id not in keyring.keys and not self._ledger.has(connection, key_id):
            known = ", ".join(sorted({*keyring.keys, *known_keys(connection)}))
            raise KeyUnknown(
                f"There is no key '{key_id[:100]}' in {keyring.origin} or in the database: there are {known}."
            )
        if keyring.primary == key_id:
            raise KeyInUse(
                f"The key '{key_id}' is the primary one of {keyring.origin}: it seals all that is saved now. "
                f'Promote another ("block keys promote") and rewrap ("block keys rewrap") first.'
            )
        use = read_use(connection, key_id)
        if use:
            raise KeyInUse(
                f"The key '{key_id}' still seals {use}{_hint(keyring, key_id)}, so it is not retired."
            )


def _hint(keyring: Keyring, key_id: str) -> str:
    if key_id in keyring.keys:
        return ' (wrap them with the primary key first: "block keys rewrap")'
    return (
        ", which cannot be read while the keyring lacks it (restore it from a backup, or delete these blocks)"
    )
