"""`DiskFiles`: the files below one folder of this machine, with the interface of fsspec.

fsspec's own local filesystem follows links out of the folder, and does not wait until the disk has what was
written.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from blocks_core.errors import PathRefused, StorageFailed

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""The links were followed before; a pipe must not be waited for."""


class _Durable(io.FileIO):
    """A file that the disk has when it is closed."""

    def close(self) -> None:
        """Bring what was written to the disk."""
        if not self.closed:
            try:
                os.fsync(self.fileno())
            finally:
                super().close()


class DiskFiles:
    """The files below a folder; paths are relative to it, and links lead nowhere else."""

    def __init__(self, base: Path, *, create: bool) -> None:
        self._base = base
        self._create = create

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them."""
        with self._opened(path) as file:
            first = file.seek(start or 0)
            return file.read(-1 if end is None else max(0, end - first))

    def pipe_file(self, path: str, value: bytes) -> None:
        """Write a file whole; when this returns, the disk has it."""
        with self._real(path).open("xb") as file:
            file.write(value)
            _flush(file)

    def open(self, path: str, mode: str = "rb") -> IO[bytes]:
        """Open a file to read it, or a new one to write it; when that is closed, the disk has it."""
        if mode == "rb":
            return self._opened(path)
        return cast("IO[bytes]", io.BufferedWriter(_Durable(self._real(path), "xb"), 1 << 18))

    def cp_file(self, path1: str, path2: str) -> None:
        """Copy a file; when this returns, the disk has it."""
        with self._opened(path1) as source, self._real(path2).open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            _flush(file)

    def put_file(self, lpath: str, rpath: str) -> None:
        """Copy a file from elsewhere; when this returns, the disk has it."""
        with open(lpath, "rb") as source, self._real(rpath).open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            _flush(file)

    def get_file(self, rpath: str, lpath: str) -> None:
        """Copy a file to elsewhere."""
        with self._opened(rpath) as file, open(lpath, "xb") as target:
            shutil.copyfileobj(file, target, 1 << 20)

    def info(self, path: str) -> dict[str, Any]:
        """Describe a file or a folder."""
        return _described(path, self._real(path).stat())

    def ls(self, path: str, detail: bool = True) -> list[dict[str, Any]]:
        """Describe the files and folders in a folder; links to files only, and those that lead outside never."""
        return list(self._entries(path))

    def find(self, path: str, *, detail: bool = False) -> dict[str, dict[str, Any]]:
        """Describe the files in a folder, at any depth."""
        found: dict[str, dict[str, Any]] = {}
        for entry in self.ls(path):
            below = self.find(entry["name"]) if entry["type"] == "directory" else {entry["name"]: entry}
            found.update(below)
        return found

    def rm_file(self, path: str) -> None:
        """Remove a file, or a link itself."""
        self._place(path).unlink()

    def mv(self, path1: str, path2: str) -> None:
        """Rename a file; one that is replaced passes on its permissions."""
        self._real(path2)  # refuses a link to outside
        source, target = self._place(path1), self._place(path2)
        if target.is_file():
            source.chmod(stat.S_IMODE(target.stat().st_mode))
        source.replace(target)
        _flush_folder(target.parent)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those above it."""
        self._real(path).mkdir(parents=True, exist_ok=exist_ok)

    def _entries(self, path: str) -> Iterator[dict[str, Any]]:
        base = self._top()
        with os.scandir(self._real(path)) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError as error:
                    if entry.is_symlink() or isinstance(error, FileNotFoundError):
                        continue  # a link to nothing or in a circle, or removed meanwhile
                    raise
                if entry.is_symlink() and (
                    stat.S_ISDIR(status.st_mode) or not _inside(base, os.path.realpath(entry.path))
                ):
                    continue
                described = _described(f"{path}/{entry.name}", status)
                if described["type"] != "other":
                    yield described

    def _opened(self, path: str) -> IO[bytes]:
        number = os.open(self._real(path), _READ)
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            os.close(number)
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(code, "it is no regular file", path)
        return os.fdopen(number, "rb")

    def _top(self) -> str:
        top = os.path.realpath(self._base)
        if not self._create and not os.path.isdir(top):
            raise StorageFailed(
                f"{self._base}: there is no such folder. Create it or mount it, or set 'create' to make it."
            )
        return top

    def _real(self, path: str) -> Path:
        """Return where a path leads, all links followed."""
        top = self._top()
        real = os.path.realpath(os.path.join(top, path))
        if not _inside(top, real):
            raise PathRefused(
                f"{self._base / path} leads through a link to outside of {self._base}. Put the file itself "
                f"there, or make a block of the folder that the link leads to."
            )
        return Path(real)

    def _place(self, path: str) -> Path:
        """Return where a path is: all links followed but the last part's own."""
        above, _, name = path.rpartition("/")
        return self._real(above) / name


def _inside(top: str, real: str) -> bool:
    """Tell whether a path is a folder or below it, all links followed: `/a/base2` is not below `/a/base`."""
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)


def _described(path: str, status: os.stat_result) -> dict[str, Any]:
    kind = (
        "directory" if stat.S_ISDIR(status.st_mode) else "file" if stat.S_ISREG(status.st_mode) else "other"
    )
    return {"name": path, "size": status.st_size, "type": kind, "mtime": status.st_mtime}


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Let the disk have the new name, where folders can be opened for that."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
