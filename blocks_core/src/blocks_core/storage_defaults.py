"""What of a storage's contract follows from the rest of it, by whole files in memory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from blocks_core.errors import PathNotFound, StorageFailed
from blocks_core.storage_paths import StoragePath, clean_folder, clean_path, part_name
from blocks_core.storage_streams import WriteStream


class _Listed(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def modified_at(self) -> datetime | None: ...


class _Listing(Protocol):
    def list_files(self, prefix: StoragePath = "") -> Iterator[_Listed]: ...


class _Written(Protocol):
    def write(self, path: StoragePath, data: bytes) -> str: ...
    def location(self, path: StoragePath) -> str: ...


class Pieces:
    """Takes what is written to an open file, for one write in the end."""

    def __init__(self) -> None:
        self.found: list[bytes] = []
        self.closed = False

    def write(self, piece: bytes) -> None:
        """Keep a piece."""
        self.found.append(bytes(piece))

    def close(self) -> None:
        """Take no more."""
        self.closed = True


def open_to_write(storage: _Written, path: StoragePath) -> BinaryIO:
    """Return an open file whose pieces are written whole when it is closed."""
    path, pieces = clean_path(path), Pieces()
    return cast(
        "BinaryIO",
        WriteStream(
            pieces,
            nullcontext,
            storage.location(path),
            done=lambda: storage.write(path, b"".join(pieces.found)),
            undo=pieces.found.clear,
        ),
    )


def open_to_read(data: bytes) -> BinaryIO:
    """Return a file's bytes as an open file."""
    return io.BytesIO(data)


def local_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a local file that is to be uploaded.

    Raises:  PathNotFound: it is none.
    """
    found = Path(path)
    if not found.is_file():
        kind = "a folder" if found.is_dir() else "not there"
        raise PathNotFound(f"{found} cannot be uploaded: it is {kind}. Name a local file.")
    return found


def put_in_place(location: str, to_path: str | os.PathLike[str], get: Callable[[Path], object]) -> Path:
    """Let a local file be written beside its place, bring it to the disk and rename it; return its path.

    Raises:  StorageFailed: a folder is in its place; what `get` raises.
    """
    target = Path(to_path)
    if target.is_dir():
        raise StorageFailed(f"{location} cannot be downloaded to {target}: it is a folder. Name a file.")
    part = target.with_name(part_name())
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        get(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def entries_in(storage: _Listing, folder: str) -> Iterable[Mapping[str, Any]]:
    """Return what is in a folder, one level, by a listing of all that is below it."""
    folder = clean_folder(folder)
    found: dict[str, Mapping[str, Any]] = {}
    for file in storage.list_files(folder):
        name, slash, _ = file.path[len(folder) :].lstrip("/").partition("/")
        path = f"{folder}/{name}" if folder else name
        if slash:
            found[path] = {"name": path, "size": 0, "type": "directory"}
        else:
            found[path] = _described(file)
    return found.values()


def entry_at(storage: _Listing, path: str) -> Mapping[str, Any] | None:
    """Return what is at a path, by a listing of the folder that it is in."""
    path = clean_path(path)
    folder = path.rpartition("/")[0]
    return next((_described(file) for file in storage.list_files(folder) if file.path == path), None)


def _described(file: _Listed) -> Mapping[str, Any]:
    return {"name": file.path, "size": file.size_bytes, "type": "file", "mtime": file.modified_at}
