"""Which keys have sealed something in this database, so that no other is taken for one of them."""

from __future__ import annotations

from time import time
from uuid import UUID

from blocks_core.errors import KeysMissing, KeyUnknown
from blocks_core.vault import Binding, Sealed, Vault
from blocks_registry.database import Connection

_PROOF = Binding(UUID(int=0), 0, "key")


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
                 are not those of this database; nothing is sealed with them.
        """
        key_id = self._primary(connection)
        self._prove(connection, key_id)
        return self._vault.seal(secrets, binding)

    def _primary(self, connection: Connection) -> str:
        try:
            return self._vault.primary_key_id()
        except KeysMissing as error:
            known = _known(connection)
            if known:
                raise KeysMissing(
                    f"{error} This database was sealed with the key {' and '.join(repr(key_id) for key_id in known)}."
                ) from error
        self._vault.create_keys()
        return self._vault.primary_key_id()

    def _prove(self, connection: Connection, key_id: str) -> None:
        known = _known(connection)
        for other in known:
            self._vault.require(other)
        if key_id in known:
            row = connection.execute(
                "SELECT proof_wrapped_key, proof_ciphertext FROM keys WHERE id = ?", (key_id,)
            ).fetchone()
            self._vault.unseal(Sealed(key_id, *row), _PROOF)
            return
        proof = self._vault.seal(b"", _PROOF)
        if proof.key_id != key_id:
            raise KeyUnknown(
                f"The primary key changed from '{key_id}' to '{proof.key_id}' meanwhile. Try again."
            )
        connection.execute(
            "INSERT INTO keys (id, proof_wrapped_key, proof_ciphertext, first_used_at) VALUES (?, ?, ?, ?)",
            (key_id, proof.wrapped_key, proof.ciphertext, time()),
        )


def _known(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT id FROM keys WHERE retired_at IS NULL ORDER BY first_used_at, id"
    ).fetchall()
    return [str(row[0]) for row in rows]
