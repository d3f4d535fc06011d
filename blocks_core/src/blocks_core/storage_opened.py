"""The filesystem that a storage has open: what is used of it, and how long it is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from threading import Lock
from typing import Any, Protocol


class FileSystem(Protocol):
    """What is used of fsspec's `AbstractFileSystem`."""

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them."""
        ...

    def pipe_file(self, path: str, value: bytes) -> Any:
        """Write a file whole."""
        ...

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open a file, `rb` or `wb`."""
        ...

    def cp_file(self, path1: str, path2: str) -> Any:
        """Copy a file."""
        ...

    def put_file(self, lpath: str, rpath: str) -> Any:
        """Copy a local file here."""
        ...

    def get_file(self, rpath: str, lpath: str) -> Any:
        """Copy a file to a local one."""
        ...

    def info(self, path: str) -> dict[str, Any]:
        """Describe a file or a folder: `name`, `size`, `type` and more, or raise FileNotFoundError."""
        ...

    def ls(self, path: str, detail: bool = True) -> list[dict[str, Any]]:
        """Describe what is in a folder."""
        ...

    def find(self, path: str, *, detail: bool = False) -> Any:
        """Describe the files below a path, at any depth."""
        ...

    def rm_file(self, path: str) -> Any:
        """Remove a file."""
        ...

    def mv(self, path1: str, path2: str) -> Any:
        """Rename a file."""
        ...

    def makedirs(self, path: str, exist_ok: bool = False) -> Any:
        """Make a folder and those above it."""
        ...


class OpenedFileSystem:
    """The filesystem that a block has open: one for each process, and for the fields as they were."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: tuple[int, Mapping[str, Any], FileSystem] | None = None

    def get(self, fields: Mapping[str, Any], opener: Callable[[], FileSystem]) -> FileSystem:
        """Return the open filesystem, or open one: after a fork, or after a field was set."""
        found = self._open_for(fields)
        if found is None:
            with self._lock:
                found = self._open_for(fields)  # another thread may have been first
                if found is None:
                    found = opener()
                    self._found = (os.getpid(), deepcopy(dict(fields)), found)
        return found

    def _open_for(self, fields: Mapping[str, Any]) -> FileSystem | None:
        found = self._found
        if found is None or found[0] != os.getpid() or found[1] != fields:
            return None
        return found[2]

    def __reduce__(self) -> tuple[type[OpenedFileSystem], tuple[()]]:
        """Copy and pickle as one that has nothing open: connections stay in their process."""
        return OpenedFileSystem, ()
