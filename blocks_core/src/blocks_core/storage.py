"""`FileSystemStorage`: the whole `Storage` contract over any filesystem with the interface of fsspec.

Local folders, S3, Google Cloud Storage, Azure and the rest differ in how a filesystem is opened, in what
their errors are called and in whether there are folders: a subclass says that, and nothing else. The core
itself imports no fsspec.

Source:  https://filesystem-spec.readthedocs.io/en/latest/api.html#fsspec.spec.AbstractFileSystem
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from traceback import format_exception
from typing import Any, BinaryIO, Self, cast
from uuid import uuid4

from pydantic import PrivateAttr

from blocks_core.capabilities import Storage, StoredFile
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import BlocksError, PathNotFound, StorageFailed, ValueNotStorable
from blocks_core.masking import without_secrets
from blocks_core.storage_check import check_files
from blocks_core.storage_defaults import local_file, put_in_place
from blocks_core.storage_errors import failure_of
from blocks_core.storage_listing import Entry, is_directly_in, modified_at, size_of, walk
from blocks_core.storage_opened import FileSystem, OpenedFileSystem
from blocks_core.storage_paths import StoragePath, clean_folder, clean_path, is_part, part_name
from blocks_core.storage_streams import Failing, ReadStream, WriteStream

__all__ = ["FileSystem", "FileSystemStorage", "clean_folder", "clean_path", "is_part", "part_name"]


class FileSystemStorage(Storage):
    """Keeps files in a filesystem with the interface of fsspec, below one folder of it."""

    _opened: OpenedFileSystem = PrivateAttr(default_factory=OpenedFileSystem)

    @abstractmethod
    def _filesystem(self) -> Any:
        """Open the filesystem: its synchronous face.

        It is called once in each process, and again after a field has changed. Give fsspec's classes
        `skip_instance_cache=True, use_listings_cache=False`: their caches keep credentials alive, hold an
        instance for each thread, and list what is not there any more.
        """

    @abstractmethod
    def _root(self) -> str:
        """Return the path in the filesystem that the block's paths are below, such as `bucket/prefix`."""

    @abstractmethod
    def _location_prefix(self) -> str:
        """Return what stands before a path for people, such as `s3://bucket/prefix`; never with a secret."""

    def _has_folders(self) -> bool:
        """Tell whether folders are things of their own (disks, SFTP) and not parts of keys (object stores).

        Where they are, they are made before a write, files are written beside their place and renamed into
        it, and a listing walks. Where not, the store makes a write whole itself and lists all depths at once.
        """
        return False

    def _translate(self, error: Exception, location: str) -> StorageFailed:
        """Return the error to raise for one that the filesystem raised; call this one for those not known."""
        return failure_of(error, location)

    def read(self, path: StoragePath, *, start: int = 0, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them; a range is asked of the filesystem, not cut out here.

        Args:    start, end: byte offsets from 0, end exclusive; what is beyond the file's end is left out.
        Raises:  PathNotFound, PathRefused, StorageFailed.
        Source:  RFC 9110 section 14 (range requests).
        """
        full, location = self._full(path), self.location(path)
        if start < 0 or (end is not None and end < 0):
            raise StorageFailed(f"{location} cannot be read from {start} to {end}: offsets count from 0.")
        with self._failing(location):
            if start == 0 and end is None:
                return self._open().cat_file(full)
            return self._read_range(full, start, end)

    def write(self, path: StoragePath, data: bytes) -> str:
        """Write a file whole, in place of what was there, and return its location.

        Raises:  PathRefused, StorageFailed; ValueNotStorable for what is not bytes.
        """
        full, location = self._full(path), self.location(path)
        data = _as_bytes(data, location)
        with self._failing(location, above=True):
            self._put_bytes(full, data)
        return location

    def open_read(self, path: StoragePath) -> BinaryIO:
        """Open a file to read it piece by piece, for a `with` statement; it can seek.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        full, location = self._full(path), self.location(path)
        with self._failing(location):
            self._expect_file(full)
            raw = self._opened_for_reading(full)
        return cast("BinaryIO", ReadStream(raw, partial(self._failing, location), location))

    def open_write(self, path: StoragePath) -> BinaryIO:
        """Open a file to write it piece by piece, for a `with` statement.

        The file takes the place of what was there when it is closed; not where the `with` statement ends
        with an error.

        Raises:  PathRefused, StorageFailed: here, while writing, or when it is closed.
        """
        full, location = self._full(path), self.location(path)
        failing = partial(self._failing, location, above=True)
        with failing():
            return cast("BinaryIO", self._opened_for_writing(full, failing, location))

    def copy_file(self, from_path: StoragePath, to_path: StoragePath) -> str:
        """Copy a file inside of the storage, by the storage itself where it can, and return its location.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        source, target = self._full(from_path), self._full(to_path)
        with self._failing(self.location(from_path)):
            if not self._has_file(source):
                raise FileNotFoundError(self.location(from_path))
        with self._failing(self.location(to_path), above=True):
            if source != target:
                self._copy_file(source, target)
        return self.location(to_path)

    def exists(self, path: StoragePath) -> bool:
        """Tell whether a file is there, without reading it.

        Raises:  PathRefused, StorageFailed.
        """
        full = self._full(path)
        with self._failing(self.location(path)):
            return self._has_file(full)

    def list_files(self, prefix: StoragePath = "") -> Iterator[StoredFile]:
        """Return the files below a folder, at any depth, sorted by path; none where there is no folder.

        Raises:  PathRefused, StorageFailed.
        """
        folder = clean_folder(prefix)
        with self._failing(self._below(self._location_prefix(), folder), above=True):
            found = list(self._files_below(folder))
        return iter(sorted(found, key=lambda file: file.path))

    def remove(self, path: StoragePath) -> None:
        """Remove a file; one that is not there is no error.

        Raises:  PathRefused, StorageFailed.
        """
        full = self._full(path)
        with self._failing(self.location(path)), suppress(FileNotFoundError, NotADirectoryError):
            self._remove(full)

    def location(self, path: StoragePath) -> str:
        """Return where a file is for people and logs, such as `s3://bucket/key`.

        Raises:  PathRefused.
        """
        return self._below(self._location_prefix(), clean_path(path))

    def upload_from_path(self, from_path: str | os.PathLike[str], to_path: StoragePath) -> str:
        """Write a file from a local one, piece by piece, and return its location.

        Raises:  PathNotFound: no such local file; PathRefused, StorageFailed.
        """
        full, location = self._full(to_path), self.location(to_path)
        local = local_file(from_path)
        with self._failing(location, above=True):
            self._put_file(str(local), full)
        return location

    def download_to_path(self, from_path: StoragePath, to_path: str | os.PathLike[str]) -> Path:
        """Write a local file from a stored one, piece by piece, and return its path.

        Folders are made as needed; the local file is there whole or as it was before.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        full, location = self._full(from_path), self.location(from_path)
        with self._failing(f"{location} (downloaded to {os.fspath(to_path)})"):
            self._expect_file(full)
            return put_in_place(location, to_path, lambda part: self._get_file(full, str(part)))

    def check(self) -> CheckReport:
        """Try to list, write, read and delete, with a file of its own that is always removed."""
        checker = Checker()
        checker.step("list", self._check_list)
        check_files(checker, self)
        return checker.report()

    # What follows works on full paths and raises the filesystem's own errors; a subclass may do it better.

    def _put_bytes(self, full: str, data: bytes) -> None:
        if self._has_folders():
            self._through_part(full, lambda part: self._open().pipe_file(part, data))
        else:
            self._open().pipe_file(full, data)

    def _put_file(self, from_path: str, full: str) -> None:
        if self._has_folders():
            self._through_part(full, lambda part: self._open().put_file(from_path, part))
        else:
            self._open().put_file(from_path, full)

    def _copy_file(self, source: str, target: str) -> None:
        if self._has_folders():
            self._through_part(target, lambda part: self._open().cp_file(source, part))
        else:
            self._open().cp_file(source, target)

    def _opened_for_reading(self, full: str) -> Any:
        return self._open().open(full, "rb")

    def _opened_for_writing(self, full: str, failing: Failing, location: str) -> WriteStream:
        if not self._has_folders():
            return WriteStream(self._open().open(full, "wb"), failing, location, done=_nothing, undo=_nothing)
        part = self._part_for(full)
        return WriteStream(
            self._open().open(part, "wb"),
            failing,
            location,
            done=lambda: self._open().mv(part, full),
            undo=lambda: self._open().rm_file(part),
        )

    def _get_file(self, full: str, to_path: str) -> None:
        self._open().get_file(full, to_path)

    def _has_file(self, full: str) -> bool:
        try:
            return self._open().info(full)["type"] != "directory"
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _expect_file(self, full: str) -> None:
        """Raise FileNotFoundError for what is no file, before it is opened or copied.

        Some filesystems open what is not there, and fail when it is read; the copy of a folder is an empty folder.
        """
        if not self._has_file(full):
            raise FileNotFoundError(full)

    def _remove(self, full: str) -> None:
        self._open().rm_file(full)

    def _read_range(self, full: str, start: int, end: int | None) -> bytes:
        if end is not None and end <= start:  # a server answers such a range with the whole file
            self._open().info(full)
            return b""
        try:
            return self._open().cat_file(full, start=start, end=end)
        except Exception:
            if start >= int(self._open().info(full)["size"] or 0):  # HTTP refuses such a range
                return b""
            raise

    def _files_below(self, folder: str) -> Iterator[StoredFile]:
        top = self._below(self._root(), folder)
        start = f"{top.strip('/')}/".lstrip("/")
        for entry in walk(self._open(), top) if self._has_folders() else self._find(top):
            name = str(entry["name"]).lstrip("/")
            if name.startswith(start) and not name.endswith("/") and not is_part(name):
                yield self._stored_file(self._below(folder, name[len(start) :]), entry)

    def _find(self, top: str) -> Iterable[Entry]:
        return self._open().find(top, detail=True).values()

    def _stored_file(self, path: str, entry: Entry) -> StoredFile:
        return StoredFile(path, size_of(self._open(), entry), modified_at(entry))

    def _through_part(self, full: str, put: Callable[[str], object]) -> None:
        """Put a file beside its place and rename it, so that no reader sees half of it."""
        part = self._part_for(full)
        try:
            put(part)
            self._open().mv(part, full)
        except BaseException:
            with suppress(Exception):  # the first error counts; that of cleaning up would hide it
                self._open().rm_file(part)
            raise

    def _part_for(self, full: str) -> str:
        """Return where to write a file that is to be renamed, in a folder that is there."""
        folder, slash, _ = full.rpartition("/")
        if folder:
            self._open().makedirs(folder, exist_ok=True)
        return f"{folder}{slash}{part_name()}"

    def _entries_in(self, folder: str) -> Iterable[Entry]:
        """Yield what is in a folder, one level, for the view of fsspec."""
        folder = clean_folder(folder)
        top = self._below(self._root(), folder)
        with self._failing(self._below(self._location_prefix(), folder), above=True):
            try:
                entries = self._open().ls(top, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return
            for entry in entries:
                name = str(entry["name"]).strip("/").rpartition("/")[2]
                if is_directly_in(entry, top) and not is_part(name):
                    yield self._described(self._below(folder, name), entry)

    def _entry_at(self, path: str) -> Entry | None:
        """Return what is at a path for the view of fsspec, or None."""
        with self._failing(self.location(path)):
            try:
                return self._described(clean_path(path), self._open().info(self._full(path)))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _described(self, path: str, entry: Entry) -> Entry:
        if entry["type"] == "directory":
            return {"name": path, "size": 0, "type": "directory"}
        file = self._stored_file(path, entry)
        return {"name": path, "size": file.size_bytes, "type": "file", "mtime": file.modified_at}

    def _open(self) -> FileSystem:
        return self._opened.get(self.__dict__, self._filesystem)

    def _full(self, path: StoragePath) -> str:
        return self._below(self._root(), clean_path(path))

    @staticmethod
    def _below(top: str, path: str) -> str:
        if not top or not path:
            return top or path
        return f"{top.rstrip('/')}/{path}"

    @contextmanager
    def _failing(self, location: str, *, above: bool = False) -> Generator[None]:
        """Turn the filesystem's errors into ours, without the block's secrets.

        Args:    above: what is not there is not the file, but what it would be in.
        """
        try:
            yield
        except BlocksError:
            raise
        except Exception as error:  # noqa: BLE001  each vendor has a tree of errors of its own
            if above and isinstance(error, (FileNotFoundError, NotADirectoryError)):
                failed = _no_place(location)
            else:
                failed = self._translate(error, location)
                if above and isinstance(failed, PathNotFound):  # a folder of that name
                    failed = StorageFailed(str(failed))
            failed.args = (without_secrets(self, str(failed)),)
            shown = "".join(format_exception(error))  # with its causes, which a traceback would show, too
            leaks = without_secrets(self, shown) != shown
            raise failed from (None if leaks else error)

    def _check_list(self) -> str:
        """List little: a check of a large storage must not read its whole index."""
        with self._failing(self._location_prefix()):
            if not self._has_folders():
                next(self.list_files(f".blocks-check-{uuid4().hex}"), None)
                return self._location_prefix()
            try:
                self._open().ls(self._root(), detail=True)
            except FileNotFoundError:
                return f"{self._location_prefix()} is not there yet: the first write makes it"
        return self._location_prefix()

    def __copy__(self) -> Self:
        """Copy the fields; the copy opens a filesystem of its own, as it may be given other fields."""
        copied = super().__copy__()
        copied._opened = OpenedFileSystem()
        return copied


def _nothing() -> None:
    """Do nothing."""


def _no_place(location: str) -> StorageFailed:
    return StorageFailed(
        f"{location}: there is no such place. Check that what is above it exists (the bucket, the share, the "
        f"folder), or create it."
    )


def _as_bytes(data: object, location: str) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(cast("bytearray", data))
    raise ValueNotStorable(
        f"{location} was not written: a storage takes bytes, not {type(data).__name__}. Encode the value "
        f"first, such as text.encode()."
    )
