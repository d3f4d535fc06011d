"""Keys in the keyring of the operating system: the Secret Service on Linux, Keychain on macOS.

For the machine of one person: a server or a container has no such keyring. Needs the package `keyring`:
`pip install 'blocks-core[keyring]'`.

Source: https://keyring.readthedocs.io
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from blocks_core.errors import KeysInvalid, KeysMissing
from blocks_core.key_places import PlacedKeyProvider

_DEFAULT: Final = "blocks"
_USER: Final = "keys"
"""What the entry is filed under, beside the service."""


def open_system_keyring(argument: str, home: Path) -> PlacedKeyProvider:
    """Return the provider of the setting `keyring` or `keyring:SERVICE`.

    Args:    argument: the service under which the keys are filed; empty for `blocks`. home: has the lock that keeps
             two processes from changing the keys at once.
    """
    service = argument or _DEFAULT
    return PlacedKeyProvider(SystemKeyring(service, home / f"keyring-{service.replace('/', '-')}.lock"))


class SystemKeyring:
    """One entry of the system's keyring as a place of keys."""

    def __init__(self, service: str, lock_file: Path) -> None:
        self._service = service
        self._lock_file = lock_file

    @property
    def origin(self) -> str:
        """Return the place as messages name it."""
        return f"the system's keyring, service '{self._service}'"

    @property
    def absence(self) -> str:
        """Return the sentences that say that there is no such entry, and what to do."""
        return (
            f"There is no entry of the service '{self._service}' in the system's keyring. Unlock or restore the "
            f"keyring that has it, or name another service with BLOCKS_KEYS=keyring:SERVICE; without it no secret "
            "can be read."
        )

    def stamp(self) -> object:
        """Return None: only reading can tell."""
        return None

    def read(self) -> str | None:
        """Return the entry's text, or None where there is none.

        Raises:  KeysInvalid: there is no keyring, or it refused.
        """
        backend = self._backend()
        try:
            return backend.get_password(self._service, _USER)
        except Exception as error:  # backends let their vendors' errors through
            raise KeysInvalid(
                f"The system's keyring cannot be read ({type(error).__name__}: {error}). Unlock it, or keep the keys "
                f"in a file: BLOCKS_KEYS=file."
            ) from error

    @contextmanager
    def changing(self) -> Generator[None]:
        """Hold a lock of this machine.

        Raises:  KeysInvalid: the lock's file cannot be made; KeysMissing.
        """
        with self._locked():
            if self.read() is None:
                raise KeysMissing(self.absence)
            yield

    def write(self, text: str) -> None:
        """Replace the entry, and see whether it was kept.

        Raises:  KeysInvalid.
        """
        backend = self._backend()
        try:
            backend.set_password(self._service, _USER, text)
            problem = (
                "" if backend.get_password(self._service, _USER) == text else "it does not keep it whole"
            )
        except Exception as error:  # noqa: BLE001 as above; what a vendor says of a text that it refused is not shown
            problem = type(error).__name__
        if problem:
            raise KeysInvalid(
                f"The system's keyring did not take the keys ({problem}). Unlock it, or keep the keys in a file: "
                f"BLOCKS_KEYS=file."
            )

    def write_first(self, text: str) -> None:
        """Make the entry where there is none.

        Raises:  KeysInvalid.
        """
        with self._locked():
            if self.read() is None:
                self.write(text)

    @contextmanager
    def _locked(self) -> Generator[None]:
        from fcntl import LOCK_EX, flock  # late: not on every system, and needed to change keys only

        try:
            self._lock_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._lock_file, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise KeysInvalid(
                f"The keys cannot be changed, as the lock {self._lock_file} cannot be made ({error.strerror}). Make "
                f"its folder writable, or choose another with BLOCKS_HOME."
            ) from error
        try:
            flock(descriptor, LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _backend(self) -> Any:
        try:
            import keyring  # late: an optional package
        except ImportError as error:
            raise KeysInvalid(
                "The keys should be in the system's keyring (BLOCKS_KEYS=keyring), and the package 'keyring' is not "
                "installed: pip install 'blocks-core[keyring]'."
            ) from error
        backend: Any = keyring.get_keyring()
        if not backend.priority > 0:  # the backends of `keyring` that refuse all, or pretend to keep it
            raise KeysInvalid(
                f"The system has no keyring that the package 'keyring' can use ({type(backend).__module__}). On "
                f"Linux start a Secret Service, such as gnome-keyring; on a server keep the keys in a file "
                f"(BLOCKS_KEYS=file) or a variable (BLOCKS_KEYS=env)."
            )
        return backend
