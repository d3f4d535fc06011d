"""The keys that wrap data keys, what a provider of them must do, and what may wrap these keys in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from blocks_core.errors import KeysInvalid, KeyUnknown

KEY_BYTES = 32


@dataclass(frozen=True)
class Keyring:
    """Key-encryption keys by id, one of them primary: it wraps what is sealed from now on."""

    primary: str
    keys: Mapping[str, bytes] = field(repr=False)
    origin: str = ""
    """Where the keys came from, for messages."""
    created_at: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """When each key was made, where that is known."""
    wrapped_by: Mapping[str, str] = field(default_factory=dict[str, str])
    """The service that wraps a key, for those that do not lie in clear where they come from."""

    def __post_init__(self) -> None:
        wrong = [key_id for key_id, key in self.keys.items() if len(key) != KEY_BYTES]
        if wrong or self.primary not in self.keys:
            problem = (
                f"key '{wrong[0]}' is not of {KEY_BYTES} bytes"
                if wrong
                else f"it lacks the primary '{self.primary}'"
            )
            raise KeysInvalid(
                f"The keyring from {self.origin} is not valid: {problem}. Restore it from a backup."
            )

    def key(self, key_id: str) -> bytes:
        """Return a key.

        Raises:  KeyUnknown.
        """
        try:
            return self.keys[key_id]
        except KeyError:
            known = ", ".join(sorted(self.keys))
            raise KeyUnknown(
                f"The key '{key_id}', which sealed this block's secrets, is not in the keyring from {self.origin} "
                f"(it has {known}). Restore the key from a backup, or give this process the keyring that has it; "
                f"without it these secrets cannot be read."
            ) from None


class KeyProvider(Protocol):
    """Where a keyring is kept. Named by an entry point of the group `blocks.key_providers`."""

    def load(self) -> Keyring:
        """Return the keys as they are now.

        Raises:  KeysMissing, KeysInvalid.
        """
        ...

    def create(self) -> Keyring:
        """Make a keyring of one new key where there is none; where another process was first, return its keys.

        Raises:  KeysInvalid; KeysReadOnly.
        """
        ...

    def add(self) -> str:
        """Keep a new key beside the others and return its id; it seals nothing before it is promoted.

        Raises:  KeysMissing, KeysInvalid, KeysReadOnly.
        """
        ...

    def promote(self, key_id: str) -> None:
        """Make a key the primary one; nothing changes where it is.

        Raises:  KeyUnknown; KeysMissing, KeysInvalid, KeysReadOnly.
        """
        ...

    def remove(self, key_id: str) -> None:
        """Forget a key for good.

        Raises:  KeyUnknown; KeyInUse: it is the primary one; KeysMissing, KeysInvalid, KeysReadOnly.
        """
        ...


class KeyWrapper(Protocol):
    """A service that encrypts keys, so that the place where they lie holds none in clear: a KMS."""

    @property
    def name(self) -> str:
        """Return the name of the service's key, written beside what it wrapped: `aws-kms:alias/blocks`."""
        ...

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """Encrypt a key, bound to its id.

        Raises:  KeysInvalid: the service refused; the message says why and what to do.
        """
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the key.

        Raises:  KeysInvalid: the service refused, or this is not what it wrapped for this id.
        """
        ...
