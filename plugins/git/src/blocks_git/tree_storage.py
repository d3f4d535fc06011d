"""`TreeStorage`: the whole `ReadableStorage` contract over a tree of files, each with the hash of its content."""

from __future__ import annotations

import hashlib
import os
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Protocol, Self, cast

from pydantic import PrivateAttr

from blocks_core.capabilities import ReadableStorage, StoredFile
from blocks_core.errors import PackageMissing, PathNotFound, StorageFailed
from blocks_core.storage_defaults import entries_in, put_in_place
from blocks_core.storage_errors import failure_of
from blocks_core.storage_opened import OpenedFileSystem
from blocks_core.storage_paths import StoragePath, clean_folder, clean_path
from blocks_git.trees import Tree, TreeEntry

_IN_MEMORY_BYTES = 8 << 20
"""An open file of up to this size is kept in memory, a larger one in a temporary file."""


class Source(Protocol):
    """Where a tree and the contents of its files come from."""

    def tree(self) -> Tree:
        """Return the tree as it is now, or was some seconds ago."""
        ...

    def pieces(self, tree: Tree, file: TreeEntry, location: str) -> Generator[bytes]:
        """Yield the content of a file of a tree; whoever takes it closes the generator."""
        ...


class TreeStorage(ReadableStorage):
    """Gives the files of a commit."""

    _opened: OpenedFileSystem = PrivateAttr(default_factory=OpenedFileSystem)

    @abstractmethod
    def _open_source(self) -> Source:
        """Open what the files come from; called once in each process, and again after a field has changed."""

    @abstractmethod
    def _folder(self) -> str:
        """Return the folder in the repository that the block's paths are below."""

    @abstractmethod
    def _location_of(self, path: str) -> str:
        """Return where a path from the top of the repository is, for people."""

    def read(self, path: StoragePath, *, start: int = 0, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them; what is behind the range is not fetched.

        Args:    start, end: byte offsets from 0, end exclusive; what is beyond the file's end is left out.
        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        location = self.location(path)
        if start < 0 or (end is not None and end < 0):
            raise StorageFailed(f"{location} cannot be read from {start} to {end}: offsets count from 0.")
        tree, file = self._found(path)
        if end is not None and end <= start:
            return b""
        found = bytearray()
        with closing(self._pieces(tree, file, location)) as pieces:
            for piece in pieces:
                found += piece
                if end is not None and len(found) >= end:
                    break
        return bytes(found[start:end])

    def open_read(self, path: StoragePath) -> BinaryIO:
        """Open a file to read it piece by piece, for a `with` statement; it can seek, as it is fetched first.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        location, (tree, file) = self.location(path), self._found(path)
        if file.size_bytes <= _IN_MEMORY_BYTES:
            return BytesIO(b"".join(self._pieces(tree, file, location)))
        opened = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 the caller's `with` closes it
        try:
            self._write_to(opened, tree, file, location)
            opened.seek(0)
        except BaseException:
            opened.close()
            raise
        return opened

    def exists(self, path: StoragePath) -> bool:
        """Tell whether a file is there, without reading it.

        Raises:  PathRefused, StorageFailed.
        """
        return self._source().tree().file(self._full(path)) is not None

    def list_files(self, prefix: StoragePath = "") -> Iterator[StoredFile]:
        """Return the files below a folder, at any depth, sorted by path; none where there is no folder.

        Raises:  PathRefused, StorageFailed.
        """
        folder = "/".join(part for part in (self._folder(), clean_folder(prefix)) if part)
        skipped = len(self._folder()) + 1 if self._folder() else 0
        found = [
            StoredFile(file.path[skipped:], file.size_bytes)
            for file in self._source().tree().files_below(folder)
        ]
        return iter(found)

    def location(self, path: StoragePath) -> str:
        """Return where a file is for people and logs.

        Raises:  PathRefused.
        """
        return self._location_of(self._full(path))

    def download_to_path(self, from_path: StoragePath, to_path: str | os.PathLike[str]) -> Path:
        """Write a local file from a stored one, piece by piece, and return its path.

        Folders are made as needed; the local file is there whole or as it was before.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        location, (tree, file) = self.location(from_path), self._found(from_path)

        def get(part: Path) -> None:
            with part.open("wb") as target:
                self._write_to(target, tree, file, location)

        try:
            return put_in_place(location, to_path, get)
        except OSError as error:
            raise failure_of(error, f"{location} (downloaded to {os.fspath(to_path)})") from error

    def filesystem(self) -> Any:
        """Return the block as a filesystem of fsspec, for what takes one, such as pandas, pyarrow and Dask.

        Its paths are the block's own; so are its refusals and its errors. Nothing is written.

        Raises:  PackageMissing: fsspec is not installed.
        """
        try:
            from blocks_git.reading_view import ReadingView  # late: it imports fsspec
        except ModuleNotFoundError as error:
            raise PackageMissing(
                f"filesystem() needs the package '{error.name}', which is not installed: pip install {error.name}"
            ) from error
        return ReadingView.of(self, self._entries_in, self._entry_at)

    def commit(self) -> str:
        """Return the hash of the commit whose files are read now.

        Raises:  StorageFailed.
        """
        return self._source().tree().commit

    def _source(self) -> Source:
        return cast("Source", self._opened.get(self.__dict__, cast("Any", self._open_source)))

    def _found(self, path: StoragePath) -> tuple[Tree, TreeEntry]:
        full = self._full(path)
        tree = self._source().tree()
        found = tree.file(full)
        if found is None:
            raise PathNotFound(f"There is no file {self._location_of(full)}. {tree.why_none(full)}")
        return tree, found

    def _full(self, path: StoragePath) -> str:
        cleaned = clean_path(path)
        return f"{self._folder()}/{cleaned}" if self._folder() else cleaned

    def _pieces(self, tree: Tree, file: TreeEntry, location: str) -> Generator[bytes]:
        """Yield a file's content; where all of it is taken, it fits its hash."""
        digest = hashlib.new("sha1" if len(file.id) == 40 else "sha256", usedforsecurity=False)
        digest.update(b"blob %d\0" % file.size_bytes)
        with closing(self._source().pieces(tree, file, location)) as pieces:
            for piece in pieces:
                digest.update(piece)
                yield piece
        if digest.hexdigest() != file.id:
            raise StorageFailed(f"{location} was damaged on the way: it does not fit its hash. Try again.")

    def _write_to(self, target: BinaryIO, tree: Tree, file: TreeEntry, location: str) -> None:
        with closing(self._pieces(tree, file, location)) as pieces:
            for piece in pieces:
                target.write(piece)

    def _entries_in(self, folder: str) -> list[Mapping[str, Any]]:
        return list(entries_in(self, folder))

    def _entry_at(self, path: str) -> Mapping[str, Any] | None:
        file = self._source().tree().file(self._full(path))
        if file is None:
            return None
        return {"name": clean_path(path), "size": file.size_bytes, "type": "file", "mtime": None}

    def __copy__(self) -> Self:
        """Copy the fields; the copy opens a source of its own, as it may be given other fields."""
        copied = super().__copy__()
        copied._opened = OpenedFileSystem()
        return copied
