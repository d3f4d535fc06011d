"""Seals and unseals the secrets of a document: envelope encryption with AES-256-GCM.

Each document version has a fresh data key that encrypts its secrets; the keyring's primary key encrypts
the data key. Both are bound to the document's id, version and type, so that no sealed value can be moved
to another row. The name is not bound: a rename needs no key.

Source: NIST SP 800-38D (GCM); `cryptography.hazmat.primitives.ciphers.aead.AESGCM`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from threading import Lock
from uuid import UUID

from blocks_core.errors import KeyUnknown, SealBroken
from blocks_core.keyring import KEY_BYTES, KeyProvider, Keyring

_NONCE_BYTES = 12
_FORMAT = b"\x01"


@dataclass(frozen=True)
class Binding:
    """What a sealed value belongs to."""

    document_id: UUID
    version: int
    slug: str

    def __bytes__(self) -> bytes:
        return b"blocks/1\x00" + self.document_id.bytes + self.version.to_bytes(8, "big") + self.slug.encode()


@dataclass(frozen=True)
class Sealed:
    """Sealed secrets and the wrapped key that opens them."""

    key_id: str
    """Of the keyring's key that wraps the data key."""
    wrapped_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


class Vault:
    """Seals with the keyring of a provider; keys are read at first use, and again where that matters."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider
        self._keyring: Keyring | None = None
        self._lock = Lock()

    def seal(self, secrets: bytes, binding: Binding, key_id: str | None = None) -> Sealed:
        """Encrypt secrets under a fresh data key.

        Args:    key_id: of the key that wraps the data key; the primary one by default.
        Raises:  KeyringError.
        """
        wrapping = key_id or self._current().primary
        data_key = os.urandom(KEY_BYTES)
        bound = bytes(binding)
        return Sealed(
            key_id=wrapping,
            wrapped_key=_encrypt(self._key(wrapping), data_key, bound + wrapping.encode()),
            ciphertext=_encrypt(data_key, secrets, bound),
        )

    def unseal(self, sealed: Sealed, binding: Binding) -> bytes:
        """Return what was sealed.

        Raises:  KeyUnknown; SealBroken: altered, moved to another document, or sealed by another key of
                 the same id.
        """
        return _decrypt(self._data_key(sealed, binding), sealed.ciphertext, bytes(binding), sealed)

    def rewrap(self, sealed: Sealed, binding: Binding, key_id: str) -> Sealed:
        """Return the same ciphertext with its data key wrapped by another key; the secrets stay sealed.

        Raises:  KeyUnknown; SealBroken.
        """
        data_key = self._data_key(sealed, binding)
        wrapped_key = _encrypt(self._key(key_id), data_key, bytes(binding) + key_id.encode())
        return replace(sealed, key_id=key_id, wrapped_key=wrapped_key)

    def create_keys(self) -> None:
        """Make a keyring where there is none; for a registry that has sealed nothing yet."""
        with self._lock:
            self._keyring = self._provider.create()

    def primary_key_id(self) -> str:
        """Return the id of the key that wraps what is sealed now; the keys are read anew.

        What a key sealed that is nowhere but in this process could never be read again.

        Raises:  KeysMissing, KeysInvalid.
        """
        return self.keyring().primary

    def keyring(self) -> Keyring:
        """Return the keys, read anew.

        Raises:  KeysMissing, KeysInvalid.
        """
        with self._lock:
            self._keyring = self._provider.load()
            return self._keyring

    def require(self, key_id: str) -> None:
        """Make sure that the keyring has a key.

        Raises:  KeyUnknown.
        """
        self._key(key_id)

    def _data_key(self, sealed: Sealed, binding: Binding) -> bytes:
        bound = bytes(binding) + sealed.key_id.encode()
        return _decrypt(self._key(sealed.key_id), sealed.wrapped_key, bound, sealed)

    def _key(self, key_id: str) -> bytes:
        try:
            return self._current().key(key_id)
        except KeyUnknown:
            return self.keyring().key(key_id)  # another process may have added it since

    def _current(self) -> Keyring:
        with self._lock:
            if self._keyring is None:
                self._keyring = self._provider.load()
            return self._keyring


def _encrypt(key: bytes, plain: bytes, bound: bytes) -> bytes:
    # Late, as below: blocks without secrets never need it.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, _FORMAT + bound)


def _decrypt(key: bytes, text: bytes, bound: bytes, sealed: Sealed) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, body = text[1 : 1 + _NONCE_BYTES], text[1 + _NONCE_BYTES :]
    try:
        if text[:1] != _FORMAT:
            raise InvalidTag
        return AESGCM(key).decrypt(nonce, body, _FORMAT + bound)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(
            f"The sealed secrets do not open with the key '{sealed.key_id}': they were altered, or the key of "
            f"that id is not the one that sealed them. Restore the right keys or the database from a backup."
        ) from error
