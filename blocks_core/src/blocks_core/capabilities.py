"""What blocks can do for others: abstract classes that a type implements and a field or a flow asks for.

| capability | asks of a block |
|---|---|
| `ReadableStorage` | give files at paths |
| `Storage` | keep files at paths, and give them |
| `Notifier` | deliver a message to people, or say why not |
| `Credentials` | prove who one is to a service |
| `SecretSource` | look up secrets kept elsewhere |
| `Infrastructure` | run a command somewhere |
| `ContainerRegistry` | let an engine pull images |
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import SecretBytes, SecretStr

from blocks_core import storage_defaults
from blocks_core.block import Block
from blocks_core.errors import PackageMissing
from blocks_core.jobs import Job, JobHandle
from blocks_core.messages import Message
from blocks_core.storage_paths import StoragePath
from blocks_core.transfers import OnProgress, Transferred, download_all, upload_all


@dataclass(frozen=True)
class StoredFile:
    """A file in a storage."""

    path: str
    """Relative to the block, `/` between parts: what `read` takes."""
    size_bytes: int
    modified_at: datetime | None = None


class ReadableStorage(Block, capability="readable-storage"):
    """Gives files at paths, `/` between their parts, relative to the block; `..` is refused.

    What is not abstract follows from what is, by whole files in memory: override it where there is a better way.
    """

    @abstractmethod
    def read(self, path: StoragePath, *, start: int = 0, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them.

        Args:    start, end: byte offsets, end exclusive; None reads to the end.
        Raises:  PathNotFound, PathRefused, StorageFailed.
        Source:  RFC 9110 section 14 (range requests).
        """

    def open_read(self, path: StoragePath) -> BinaryIO:
        """Open a file to read it piece by piece, for a `with` statement; it can seek.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        return storage_defaults.open_to_read(self.read(path))

    @abstractmethod
    def exists(self, path: StoragePath) -> bool:
        """Tell whether a file is there, without reading it.

        Raises:  PathRefused, StorageFailed.
        """

    @abstractmethod
    def list_files(self, prefix: StoragePath = "") -> Iterator[StoredFile]:
        """Yield the files below a folder, at any depth, sorted by path; none where there is no folder.

        Raises:  PathRefused, StorageFailed.
        """

    @abstractmethod
    def location(self, path: StoragePath) -> str:
        """Return where a file is for people and logs, such as `s3://bucket/key`; never with a secret.

        Raises:  PathRefused.
        """

    def download_to_path(self, from_path: StoragePath, to_path: str | os.PathLike[str]) -> Path:
        """Write a local file from a stored one, piece by piece, and return its path.

        Folders are made as needed; the local file is there whole or as it was before.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        location, data = self.location(from_path), self.read(from_path)
        return storage_defaults.put_in_place(location, to_path, lambda part: part.write_bytes(data))

    def download_folder(
        self,
        from_path: StoragePath,
        to_path: str | os.PathLike[str],
        *,
        workers: int = 8,
        on_progress: OnProgress | None = None,
    ) -> Transferred:
        """Write the files below a folder into a local one, several at once; what else is there stays.

        Args:    from_path: "" for all that the storage has.
                 on_progress: called after each file, by one thread at a time.
        Raises:  PathNotFound: no file is below the folder; PathRefused, StorageFailed: the first error; no
                 further file is begun, and what is there already stays.
        """
        return download_all(self, from_path, to_path, workers=workers, on_progress=on_progress)

    def filesystem(self) -> Any:
        """Return the block as a filesystem of fsspec, for what takes one, such as pandas, pyarrow and Dask.

        Its paths are the block's own; so are its refusals, its errors and its whole writes.

        Raises:  PackageMissing: fsspec is not installed.
        """
        try:
            from blocks_core.storage_view import StorageView, Viewed  # late: it imports fsspec
        except ModuleNotFoundError as error:
            raise PackageMissing(
                "A view of a storage needs the package fsspec: pip install fsspec."
            ) from error
        return StorageView(Viewed(self, self._entries_in, self._entry_at))

    def _entries_in(self, folder: str) -> Iterable[Mapping[str, Any]]:
        """Yield what is in a folder, one level, for the view: `name`, `size`, `type`, `mtime`."""
        return storage_defaults.entries_in(self, folder)

    def _entry_at(self, path: str) -> Mapping[str, Any] | None:
        """Return what is at a path for the view, or None."""
        return storage_defaults.entry_at(self, path)


class Storage(ReadableStorage, capability="storage"):
    """Keeps files at paths, `/` between their parts, relative to the block; `..` is refused.

    What is not abstract follows from what is, by whole files in memory: override it where there is a better way.
    `blocks_core.storage.FileSystemStorage` does, over any filesystem with the interface of fsspec.
    """

    @abstractmethod
    def write(self, path: StoragePath, data: bytes) -> str:
        """Write a file whole, in place of what was there, and return its location.

        No reader sees half a file.

        Raises:  PathRefused, StorageFailed.
        """

    def open_write(self, path: StoragePath) -> BinaryIO:
        """Open a file to write it piece by piece, for a `with` statement.

        The file takes the place of what was there when it is closed; not where the `with` statement ends
        with an error.

        Raises:  PathRefused, StorageFailed: here, while writing, or when it is closed.
        """
        return storage_defaults.open_to_write(self, path)

    def copy_file(self, from_path: StoragePath, to_path: StoragePath) -> str:
        """Copy a file inside of the storage, by the storage itself where it can, and return its location.

        Raises:  PathNotFound, PathRefused, StorageFailed.
        """
        return self.write(to_path, self.read(from_path))

    @abstractmethod
    def remove(self, path: StoragePath) -> None:
        """Remove a file; one that is not there is no error.

        Raises:  PathRefused, StorageFailed.
        """

    def upload_from_path(self, from_path: str | os.PathLike[str], to_path: StoragePath) -> str:
        """Write a file from a local one, piece by piece, and return its location.

        Raises:  PathNotFound: no such local file; PathRefused, StorageFailed.
        """
        return self.write(to_path, storage_defaults.local_file(from_path).read_bytes())

    def upload_folder(
        self,
        from_path: str | os.PathLike[str],
        to_path: StoragePath = "",
        *,
        workers: int = 8,
        on_progress: OnProgress | None = None,
    ) -> Transferred:
        """Write the files below a local folder to a folder, several at once; what else is there stays.

        Links to files are followed, links to folders are not.

        Args:    on_progress: called after each file, by one thread at a time.
        Raises:  PathNotFound: no such local folder; PathRefused, StorageFailed: the first error; no further
                 file is begun, and what is there already stays.
        """
        return upload_all(self, from_path, to_path, workers=workers, on_progress=on_progress)


class Notifier(Block, capability="notifier"):
    """Delivers messages to people."""

    @abstractmethod
    def notify(self, message: Message) -> None:
        """Deliver a message; returns when the service has taken it.

        Raises:  NotificationFailed: not delivered; it says why, without the address's secrets.
        """


class Credentials(Block, capability="credentials"):
    """Proves who one is to a service."""

    @abstractmethod
    def identity(self) -> str:
        """Return who the service takes the bearer for, by asking it.

        Raises:  CredentialsRefused.
        """


class SecretSource(Block, capability="secret-source"):
    """Looks up secrets kept elsewhere."""

    @abstractmethod
    def read_secret(self, key: str) -> SecretBytes:
        """Return a secret's newest value.

        Raises:  NotFound, CredentialsRefused.
        """


class Infrastructure(Block, capability="infrastructure"):
    """Runs commands somewhere."""

    @abstractmethod
    def submit(self, job: Job) -> JobHandle:
        """Start a job and return at once; it goes on when this process ends.

        Raises:  JobRefused: it asks for what there is not; InfrastructureFailed.
        """

    @abstractmethod
    def attach(self, job_id: str) -> JobHandle:
        """Return the handle of a job that was submitted, by this process or another one.

        Raises:  JobNotFound, InfrastructureFailed.
        """


@dataclass(frozen=True)
class RegistryLogin:
    """What an engine needs to pull from a registry of images."""

    server: str
    """Host, and port if it has one, as it stands in the name of an image."""
    username: str
    password: SecretStr


class ContainerRegistry(Block, capability="container-registry"):
    """Lets an engine pull images from a registry."""

    @abstractmethod
    def login(self) -> RegistryLogin:
        """Return what to log in with, fresh where it expires.

        Raises:  CredentialsRefused.
        """
