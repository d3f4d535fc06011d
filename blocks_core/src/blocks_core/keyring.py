"""The keys that wrap data keys, and what a provider of them must do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
                f"(it has {known}). Restore the key from a backup; without it these secrets cannot be read."
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

        Raises:  KeysInvalid.
        """
        ...
