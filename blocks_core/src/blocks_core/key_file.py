"""Keys in a file that only its owner may read: the default key provider.

`key_document` shows the file's text. A change is written to a draft beside the file, which then takes its place, so
that a kill at any moment leaves the old file or the new one; two processes change it one after the other.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time_ns
from typing import Final

from blocks_core.errors import KeysInvalid, KeysMissing, KeysReadOnly
from blocks_core.key_places import PlacedKeyProvider
from blocks_core.keyring import KeyWrapper

_OWNER_ONLY: Final = 0o600
_SETTLED_NANOSECONDS: Final = 100_000_000
"""A file that changed so little ago may change again without a new time: file systems count in coarse steps."""
_MAX_BYTES: Final = 1_000_000
_REFUSALS: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)  # the last: a file that is mounted


class FileKeyProvider(PlacedKeyProvider):
    """Keeps the keyring in a JSON file, mode 0600.

    Args:    wrapper: a service that encrypts the keys, so that the file holds none in clear.
    """

    def __init__(self, path: Path, wrapper: KeyWrapper | None = None) -> None:
        super().__init__(KeyFile(path), wrapper)
        self.path = path


def open_key_file(argument: str, home: Path) -> FileKeyProvider:
    """Return the provider of the setting `file` or `file:PATH`.

    Args:    argument: the path; empty for `keys.json` in the home folder.
    """
    return FileKeyProvider(Path(argument).expanduser() if argument else home / "keys.json")


class KeyFile:
    """The file as a place of keys."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def origin(self) -> str:
        """Return the place as messages name it."""
        return f"the key file {self._path}"

    @property
    def absence(self) -> str:
        """Return the sentences that say that there is no file, and what to do."""
        return (
            f"There is no key file {self._path}. Restore it from a backup, or set BLOCKS_HOME to the folder that has "
            f"it; without it no secret can be read."
        )

    def stamp(self) -> object:
        """Return what differs after each change; None where the last one was a moment ago."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        if time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED_NANOSECONDS:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino

    def read(self) -> str | None:
        """Return the file's text, or None where there is none.

        Raises:  KeysInvalid: it cannot be read, or others may read it.
        """
        try:
            with open(self._path, encoding="utf-8", opener=_open_at_once) as file:
                self._refuse_other_kinds(os.fstat(file.fileno()))
                return file.read()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            problem = "it is no text"  # the error would show a piece of it
        except OSError as error:
            problem = str(error.strerror)
        raise KeysInvalid(
            f"The key file {self._path} cannot be read ({problem}). Make it a file that its owner can read."
        )

    @contextmanager
    def changing(self) -> Generator[None]:
        """Hold the file's lock.

        Raises:  KeysMissing; KeysReadOnly, KeysInvalid: it cannot be written.
        """
        from fcntl import LOCK_EX, flock  # late: not on every system, and needed to change keys only

        while True:
            with self._translated():
                descriptor = os.open(self._path, os.O_RDWR)
            try:
                flock(descriptor, LOCK_EX)
                if not self._was_replaced(descriptor):
                    yield
                    return
            finally:
                os.close(descriptor)

    def write(self, text: str) -> None:
        """Replace the file, whole or not at all.

        Raises:  KeysReadOnly, KeysInvalid: it cannot be written.
        """
        with self._translated():
            target = self._path.resolve()
            for left in target.parent.glob(f".{target.name}.*.draft"):  # of a process that was killed
                left.unlink(missing_ok=True)
            draft = _write_draft(target, text)
            try:
                _give_to_owner_of(target, draft)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
            _sync_folder(target.parent)

    def write_first(self, text: str) -> None:
        """Make the file appear whole or not at all, and never over another.

        Raises:  KeysInvalid: it cannot be written.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = _write_draft(self._path, text)
            try:
                with suppress(
                    FileExistsError, FileNotFoundError
                ):  # another process was first: its key is the one
                    os.link(draft, self._path)
            finally:
                draft.unlink(missing_ok=True)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise KeysInvalid(
                f"The key file {self._path} cannot be written ({error.strerror}). Make its folder writable, or "
                f"choose another with BLOCKS_HOME."
            ) from error

    def _refuse_other_kinds(self, found: os.stat_result) -> None:
        """Refuse what would be waited for or read without end, and what others may read."""
        mode = found.st_mode
        if not stat.S_ISREG(mode):
            raise KeysInvalid(
                f"The key file {self._path} is no regular file. Put the file in its place, or a link to it: it is "
                f"read again whenever it changes."
            )
        if found.st_size > _MAX_BYTES:
            raise KeysInvalid(
                f"The key file {self._path} is larger than {_MAX_BYTES // 1_000_000} MB, so it is not one. Restore "
                f"it from a backup."
            )
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise KeysInvalid(
                f"The key file {self._path} may be read by others (mode {stat.S_IMODE(mode):04o}). "
                f"Run: chmod 600 {self._path}"
            )

    def _was_replaced(self, descriptor: int) -> bool:
        """Tell whether the file that was locked is not the one of that name any more."""
        try:
            return not os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return True

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise KeysMissing(self.absence) from error
        except OSError as error:
            if error.errno in _REFUSALS:
                raise KeysReadOnly(
                    f"The key file {self._path} cannot be changed here ({error.strerror}). Run the same command "
                    f"where it can be, or give it --to FILE: that writes the changed keys to another file, to be put "
                    "in place."
                ) from error
            raise KeysInvalid(
                f"The key file {self._path} cannot be written ({error.strerror}); it is as it was. "
                f"See whether its disk is full."
            ) from error


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for a writer, where it is a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _write_draft(target: Path, text: str) -> Path:
    draft = target.with_name(f".{target.name}.{os.urandom(6).hex()}.draft")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _give_to_owner_of(target: Path, draft: Path) -> None:
    """Leave the file to the user that had it, where an administrator changes it."""
    old, new = target.stat(), draft.stat()
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.chown(draft, old.st_uid, old.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
