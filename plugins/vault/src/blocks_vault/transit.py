"""`vault-transit`: the key provider whose keys are wrapped by a transit key of Vault."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from pathlib import Path
from typing import Any

from blocks_core.errors import CredentialsRefused, KeysInvalid
from blocks_core.key_file import FileKeyProvider
from blocks_vault.reasons import why_not_wrapped
from blocks_vault.settings import find_settings

_ARGUMENT = re.compile(r"(?:(?P<mount>[\w-][\w./-]*)/)?(?P<key>[\w-][\w.-]*)", re.ASCII)


def vault_transit(argument: str, home: Path) -> FileKeyProvider:
    """Return the provider that `BLOCKS_KEYS=vault-transit:[MOUNT/]KEY` chooses.

    Args:    argument: the transit key's name, after the path where transit is mounted if that is not `transit`.
    Raises:  KeysInvalid: it is none.
    """
    return FileKeyProvider(home / "keys.json", VaultTransit(argument))


class VaultTransit:
    """Wraps keys by a transit key of Vault: one request for each.

    The environment says who asks, as for Vault's own command. After the transit key is rotated, what older versions
    of it have wrapped still opens, down to its min_decryption_version.
    """

    def __init__(self, transit_key: str) -> None:
        parts = _ARGUMENT.fullmatch(transit_key)
        if parts is None or ".." in transit_key or "//" in transit_key:
            raise KeysInvalid(
                "BLOCKS_KEYS chooses vault-transit and names no transit key. Write BLOCKS_KEYS=vault-transit:KEY, or "
                "vault-transit:MOUNT/KEY where transit is mounted at another path."
            )
        self._mount, self._key = parts["mount"] or "transit", parts["key"]

    @property
    def name(self) -> str:
        """Return what the key file says of who has wrapped its keys."""
        return f"vault-transit:{self._mount}/{self._key}"

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """Return a key in the form that only Vault opens, bound to its id.

        Raises:  KeysInvalid.
        Source:  https://developer.hashicorp.com/vault/api-docs/secret/transit#encrypt-data
        """
        content = {"plaintext": b64encode(key).decode()}
        wrapped = self._ask("encrypt", key_id, content).get("ciphertext")
        if not isinstance(wrapped, str) or not wrapped.isascii():
            raise self._failure(
                "encrypt", key_id, "what answered is no Vault. Check VAULT_ADDR and the proxy."
            )
        return wrapped.encode()

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the key that Vault has wrapped.

        Raises:  KeysInvalid.
        Source:  https://developer.hashicorp.com/vault/api-docs/secret/transit#decrypt-data
        """
        content = {"ciphertext": wrapped.decode("ascii", "replace")}
        try:
            return b64decode(str(self._ask("decrypt", key_id, content)["plaintext"]), validate=True)
        except (KeyError, ValueError, Base64Error):
            reason = "what answered is no Vault. Check VAULT_ADDR and the proxy."
        raise self._failure("decrypt", key_id, reason)

    def _ask(self, action: str, key_id: str, content: dict[str, str]) -> dict[str, Any]:
        from blocks_vault.connection import VaultRefused, ask  # late: it imports hvac and requests

        try:
            settings = find_settings()
        except CredentialsRefused as error:
            raise self._failure(action, key_id, str(error)) from error
        bound = b64encode(key_id.encode()).decode()

        def call(client: Any) -> Any:
            method = getattr(client.secrets.transit, f"{action}_data")
            return method(name=self._key, mount_point=self._mount, associated_data=bound, **content)

        try:
            return ask(settings, tuple(content.values()), call)
        except VaultRefused as refused:
            path = f"{self._mount}/{action}/{self._key}"
            said = f"{refused.said}: " if refused.said else ""
            reason = f"{said}{why_not_wrapped(refused.status, refused.said, refused.kind, path)}"
            raise self._failure(action, key_id, reason) from refused

    def _failure(self, action: str, key_id: str, reason: str) -> KeysInvalid:
        word = "wrap" if action == "encrypt" else "unwrap"
        return KeysInvalid(
            f"Vault did not {word} the key '{key_id}' with '{self._key}' of {self._mount}: {reason}"
        )
