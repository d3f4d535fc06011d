"""`FileSystemStorage`: the whole `Storage` contract over any filesystem with the interface of fsspec.

Local folders, S3, Google Cloud Storage, Azure and the rest differ in how a filesystem is opened, in what
their errors are called and in whether there are folders: a subclass says that, and nothing else. The core
itself imports no fsspec.

Source:  https://filesystem-spec.readthedocs.io/en/latest/api.html#fsspec.spec.AbstractFileSystem
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from traceback import format_exception
from typing import Any, Self, cast
from uuid import uuid4

from pydantic import PrivateAttr

from blocks_core.capabilities import Storage, StoredFile
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import BlocksError, PathNotFound, StorageFailed, ValueNotStorable
from blocks_core.masking import without_secrets
from blocks_core.storage_errors import failure_of
from blocks_core.storage_opened import FileSystem, OpenedFileSystem
from blocks_core.storage_paths import clean_folder, clean_path, is_part, part_name

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

    def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
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

    def write(self, path: str, data: bytes) -> str:
        """Write a file whole, in place of what was there, and return its location.

        Raises:  PathRefused, StorageFailed; ValueNotStorable for what is not bytes.
        """
        full, location = self._full(path), self.location(path)
        data = _as_bytes(data, location)
        with self._failing(location, above=True):
            self._put_bytes(full, data)
        return location

    def exists(self, path: str) -> bool:
        """Tell whether a file is there, without reading it.

        Raises:  PathRefused, StorageFailed.
        """
        full = self._full(path)
        with self._failing(self.location(path)):
            return self._has_file(full)

    def list_files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Return the files below a folder, at any depth, sorted by path; none where there is no folder.

        Raises:  PathRefused, StorageFailed.
        """
        folder = clean_folder(prefix)
        with self._failing(self._below(self._location_prefix(), folder), above=True):
            found = list(self._files_below(folder))
        return iter(sorted(found, key=lambda file: file.path))

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error.

        Raises:  PathRefused, StorageFailed.
        """
        full = self._full(path)
        with self._failing(self.location(path)), suppress(FileNotFoundError, NotADirectoryError):
            self._remove(full)

    def location(self, path: str) -> str:
        """Return where a file is for people and logs, such as `s3://bucket/key`.

        Raises:  PathRefused.
        """
        return self._below(self._location_prefix(), clean_path(path))

    def upload_from_path(self, from_path: str | os.PathLike[str], to_path: str) -> str:
        """Write a file from a local one, piece by piece, and return its location.

        Raises:  PathNotFound: no such local file; PathRefused, StorageFailed.
        """
        full, location = self._full(to_path), self.location(to_path)
        if not os.path.isfile(from_path):
            kind = "a folder" if os.path.isdir(from_path) else "not there"
            raise PathNotFound(f"{os.fspath(from_path)} cannot be uploaded: it is {kind}. Name a local file.")
        with self._failing(location, above=True):
            self._put_file(os.fspath(from_path), full)
        return location

    def download_to_path(self, from_path: str, to_path: str | os.PathLike[str]) -> Path:
        """Write a local file from a stored one, piece by piece, and return its path.

        Folders are made as needed; the local file is there whole or as it was before.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        full, location, target = self._full(from_path), self.location(from_path), Path(to_path)
        if target.is_dir():
            raise StorageFailed(f"{location} cannot be downloaded to {target}: it is a folder. Name a file.")
        part = target.with_name(part_name())
        with self._failing(f"{location} (downloaded to {target})"):
            if not self._has_file(full):  # the copy of a folder would be an empty folder
                raise FileNotFoundError(location)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._get_file(full, str(part))
                _flush(part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        return target

    def check(self) -> CheckReport:
        """Try to list, write, read and delete, with a file of its own that is always removed."""
        checker, probe = Checker(), f".blocks-check-{uuid4().hex}"
        checker.step("list", self._check_list)
        if checker.step("write", lambda: self._check_write(probe)):
            checker.step("read", lambda: self._check_read(probe))
            checker.step("delete", lambda: self._check_delete(probe))
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

    def _get_file(self, full: str, to_path: str) -> None:
        self._open().get_file(full, to_path)

    def _has_file(self, full: str) -> bool:
        try:
            return self._open().info(full)["type"] != "directory"
        except (FileNotFoundError, NotADirectoryError):
            return False

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
        for entry in self._walk(top) if self._has_folders() else self._find(top):
            name = str(entry["name"]).lstrip("/")
            if name.startswith(start) and not name.endswith("/") and not is_part(name):
                yield self._stored_file(self._below(folder, name[len(start) :]), entry)

    def _find(self, top: str) -> Iterable[Mapping[str, Any]]:
        return self._open().find(top, detail=True).values()

    def _walk(self, top: str) -> Iterator[Mapping[str, Any]]:
        """Yield the files below a folder; fsspec's own walk takes a folder that fails for an empty one."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                entries = self._open().ls(folder, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                continue  # none there, or removed meanwhile
            for entry in entries:
                name = str(entry["name"]).rstrip("/")
                if entry["type"] != "directory":
                    yield entry
                elif name != folder:  # some servers list a folder in itself
                    waiting.append(name)

    def _stored_file(self, path: str, entry: Mapping[str, Any]) -> StoredFile:
        size = entry.get("size")
        if size is None:
            size = self._open().info(str(entry["name"])).get("size")
        return StoredFile(path, int(size or 0), _modified_at(entry))

    def _through_part(self, full: str, put: Callable[[str], object]) -> None:
        """Put a file beside its place and rename it, so that no reader sees half of it."""
        folder, slash, _ = full.rpartition("/")
        part = f"{folder}{slash}{part_name()}"
        try:
            if folder:
                self._open().makedirs(folder, exist_ok=True)
            put(part)
            self._open().mv(part, full)
        except BaseException:
            with suppress(Exception):  # the first error counts; that of cleaning up would hide it
                self._open().rm_file(part)
            raise

    def _open(self) -> FileSystem:
        return self._opened.get(self.__dict__, self._filesystem)

    def _full(self, path: str) -> str:
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

    def _check_write(self, probe: str) -> str:
        try:
            return self.write(probe, probe.encode())
        except BlocksError:
            with suppress(BlocksError):  # it may be there all the same, when only the answer was lost
                self.remove(probe)
            raise

    def _check_read(self, probe: str) -> str:
        found = self.read(probe)
        if found != probe.encode():
            raise StorageFailed(
                f"{self.location(probe)} does not read as it was written: {len(found)} other bytes came "
                f"back. Look for a cache or a proxy in between."
            )
        return f"{len(found)} bytes"

    def _check_delete(self, probe: str) -> str:
        self.remove(probe)
        if self.exists(probe):
            raise StorageFailed(f"{self.location(probe)} was removed and is still there. Remove it by hand.")
        return self.location(probe)

    def __copy__(self) -> Self:
        """Copy the fields; the copy opens a filesystem of its own, as it may be given other fields."""
        copied = super().__copy__()
        copied._opened = OpenedFileSystem()
        return copied


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


def _modified_at(entry: Mapping[str, Any]) -> datetime | None:
    """Return when a file was written: each filesystem has a name and a form of its own for it."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "modified"):
        value: object = entry.get(key)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
