"""Which keys have sealed something in this database, so that no other is taken for one of them."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time
from uuid import UUID

from blocks_core.errors import KeyRetired, KeysMissing
from blocks_core.vault import Binding, Sealed, Vault
from blocks_registry.database import Connection

_PROOF = Binding(UUID(int=0), 0, "key")

_KNOWN = "SELECT id FROM keys WHERE retired_at IS NULL ORDER BY first_used_at, id"
_PROOFS = "SELECT id, proof_wrapped_key, proof_ciphertext FROM keys WHERE retired_at IS NULL"
_FIND = "SELECT proof_wrapped_key, proof_ciphertext, retired_at FROM keys WHERE id = ?"
_ADD = "INSERT INTO keys (id, proof_wrapped_key, proof_ciphertext, first_used_at) VALUES (?, ?, ?, ?)"
_RETIRE = "UPDATE keys SET retired_at = ? WHERE id = ? AND retired_at IS NULL"


class KeyLedger:
    """Answers for the keys of one database.

    A key is proved each time that it seals, which takes microseconds: between two times the database may have
    become another, or the key file.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, connection: Connection, secrets: bytes, binding: Binding) -> Sealed:
        """Seal secrets inside a transaction, making the first key of a database that has sealed nothing yet.

        Raises:  KeysMissing: the keys of this database are gone. KeyUnknown, SealBroken: the keys at hand
                 are not those of this database. KeyRetired: the primary one was retired. Nothing is sealed.
        """
        key_id = self._primary(connection)
        self.admit(connection, key_id)
        return self._vault.seal(secrets, binding, key_id)

    def admit(self, connection: Connection, key_id: str) -> None:
        """See inside a transaction that a key may seal, and note it where it is the first time.

        Raises:  KeyRetired; KeyUnknown, SealBroken: the keys at hand are not those of this database.
        """
        row = connection.execute(_FIND, (key_id,)).fetchone()
        refuse_retired(key_id, None if row is None else row[2])
        for other in known_keys(connection):
            self._vault.require(other)
        if row is not None:
            self.prove(key_id, row[0], row[1])
        else:
            proof = self._vault.seal(b"", _PROOF, key_id)
            connection.execute(_ADD, (key_id, proof.wrapped_key, proof.ciphertext, time()))

    def see_all(self, connection: Connection) -> None:
        """See that every key that this database needs is at hand, and the right one.

        Raises:  KeyUnknown, SealBroken; KeysMissing, KeysInvalid.
        """
        for key_id, wrapped_key, ciphertext in connection.execute(_PROOFS).fetchall():
            self._vault.require(key_id)
            self.prove(key_id, wrapped_key, ciphertext)

    def retire(self, connection: Connection, key_id: str) -> bool:
        """Mark a key as retired; False where it was before.

        Raises:  KeyUnknown: neither the database nor the keyring has it.
        """
        if connection.execute(_FIND, (key_id,)).fetchone() is None:
            proof = self._vault.seal(b"", _PROOF, key_id)
            connection.execute(_ADD, (key_id, proof.wrapped_key, proof.ciphertext, time()))
        return connection.execute(_RETIRE, (time(), key_id)).rowcount > 0

    def has(self, connection: Connection, key_id: str) -> bool:
        """Tell whether a key was ever noted, retired or not."""
        return connection.execute(_FIND, (key_id,)).fetchone() is not None

    def retired_at(self, connection: Connection, key_id: str) -> float | None:
        """Return when a key was retired; None where it was not."""
        row = connection.execute(_FIND, (key_id,)).fetchone()
        return None if row is None else row[2]

    def prove(self, key_id: str, wrapped_key: bytes, ciphertext: bytes) -> None:
        """See that the keyring's key of this id is the one that made the proof.

        Raises:  KeyUnknown, SealBroken.
        """
        self._vault.unseal(Sealed(key_id, wrapped_key, ciphertext), _PROOF)

    def _primary(self, connection: Connection) -> str:
        try:
            return self._vault.primary_key_id()
        except KeysMissing as error:
            known = known_keys(connection)
            if known:
                raise KeysMissing(
                    f"{error} This database was sealed with the key {' and '.join(repr(key_id) for key_id in known)}."
                ) from error
        self._vault.create_keys()
        return self._vault.primary_key_id()


def known_keys(connection: Connection) -> list[str]:
    """Return the ids of the keys that have sealed something and were not retired, the oldest first."""
    return [str(row[0]) for row in connection.execute(_KNOWN).fetchall()]


def refuse_retired(key_id: str, retired_at: float | None) -> None:
    """Refuse a key that has a time of retirement.

    Raises:  KeyRetired.
    """
    if retired_at is not None:
        day = datetime.fromtimestamp(retired_at, UTC).date()
        raise KeyRetired(
            f"The key '{key_id}' was retired from this database on {day}, so nothing is sealed with it any more. The "
            f"keys of this process are out of date: give it the newest ones, whose primary is another key, and start "
            "it anew."
        )
