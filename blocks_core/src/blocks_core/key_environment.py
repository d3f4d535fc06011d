"""Keys in an environment variable, which holds what a key file would: for containers whose platform keeps secrets.

A program cannot change the variable for other processes, so keys are added, promoted and removed by giving every
process a new text: `block keys add --to FILE` writes it.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Final, NoReturn

from blocks_core.errors import KeysReadOnly
from blocks_core.key_places import PlacedKeyProvider

_DEFAULT: Final = "BLOCKS_KEYRING"


def open_key_variable(argument: str, home: object) -> PlacedKeyProvider:
    """Return the provider of the setting `env` or `env:VARIABLE`.

    Args:    argument: name of the variable; empty for BLOCKS_KEYRING. home: not needed.
    """
    return PlacedKeyProvider(KeyVariable(argument or _DEFAULT))


class KeyVariable:
    """The variable as a place of keys."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def origin(self) -> str:
        """Return the place as messages name it."""
        return f"the environment variable {self._name}"

    @property
    def absence(self) -> str:
        """Return the sentences that say that it is not set, and what to do."""
        return (
            f"The environment variable {self._name}, which should hold the keys, is not set. Set it to the text of a "
            "key "
            f'file. Only where no secret was ever saved, make one with "block keys add --to FILE".'
        )

    def stamp(self) -> object:
        """Return the text itself: it is at hand."""
        return self.read()

    def read(self) -> str | None:
        """Return the variable's value, or None where it is not set."""
        return os.environ.get(self._name) or None

    def changing(self) -> AbstractContextManager[None]:
        """Refuse.

        Raises:  KeysReadOnly.
        """
        self._refuse()

    def write(self, text: str) -> None:
        """Refuse.

        Raises:  KeysReadOnly.
        """
        self._refuse()

    def write_first(self, text: str) -> None:
        """Refuse, unless the variable is set.

        Raises:  KeysReadOnly.
        """
        if self.read() is None:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise KeysReadOnly(
            f"The keys are in {self.origin}, which no program can change for others. Give the same command --to "
            f"FILE: it writes the changed keys to a new file of mode 0600. Set {self._name} to that text for every "
            f"process, start each anew, and delete the file."
        )
