"""What blocks can do for others: abstract classes that a type implements and a field or a flow asks for.

| capability | asks of a block |
|---|---|
| `Storage` | keep files at paths |
| `Notifier` | deliver a message to people, or say why not |
| `Credentials` | prove who one is to a service |
| `SecretSource` | look up secrets kept elsewhere |
| `Infrastructure` | run a command somewhere |
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pydantic import SecretBytes

from blocks_core.block import Block

Level = Literal["info", "warning", "error"]
JobStatus = Literal["pending", "running", "completed", "failed", "crashed", "cancelled"]


@dataclass(frozen=True)
class StoredFile:
    """A file in a storage."""

    path: str
    """Relative to the block, `/` between parts: what `read` takes."""
    size_bytes: int
    modified_at: datetime | None = None


class Storage(Block, capability="storage"):
    """Keeps files at paths, `/` between their parts, relative to the block; `..` is refused."""

    @abstractmethod
    def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them.

        Args:    start, end: byte offsets, end exclusive; None reads to the end.
        Raises:  PathNotFound, PathRefused, StorageFailed.
        Source:  RFC 9110 section 14 (range requests).
        """

    @abstractmethod
    def write(self, path: str, data: bytes) -> str:
        """Write a file whole, in place of what was there, and return its location.

        No reader sees half a file.

        Raises:  PathRefused, StorageFailed.
        """

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Tell whether a file is there, without reading it.

        Raises:  PathRefused, StorageFailed.
        """

    @abstractmethod
    def list_files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the files below a folder, at any depth, sorted by path; none where there is no folder.

        Raises:  PathRefused, StorageFailed.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error.

        Raises:  PathRefused, StorageFailed.
        """

    @abstractmethod
    def location(self, path: str) -> str:
        """Return where a file is for people and logs, such as `s3://bucket/key`; never with a secret.

        Raises:  PathRefused.
        """


@dataclass(frozen=True)
class Message:
    """Something to tell people."""

    title: str
    text: str = ""
    level: Level = "info"
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Short labelled values, shown in their order."""
    detail: str = ""
    """Text as a machine wrote it, such as the end of a log: shown in a fixed-width font."""
    link: str | None = None


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


@dataclass(frozen=True)
class Job:
    """A command to run somewhere."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    working_directory: str | None = None
    name: str = "job"
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


class JobHandle(Protocol):
    """A job that was submitted; found again from another process by its id."""

    @property
    def id(self) -> str:
        """Return what `attach` takes."""
        ...

    def status(self) -> JobStatus:
        """Return where the job stands."""
        ...

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:  TimeoutError.
        """
        ...

    def logs(self) -> Iterator[str]:
        """Yield the lines that the job printed, following it to its end."""
        ...

    def cancel(self) -> None:
        """Stop the job; one that has ended is no error."""
        ...


class Infrastructure(Block, capability="infrastructure"):
    """Runs commands somewhere."""

    @abstractmethod
    def submit(self, job: Job) -> JobHandle:
        """Start a job and return at once."""

    @abstractmethod
    def attach(self, job_id: str) -> JobHandle:
        """Return the handle of a job that another process submitted.

        Raises:  NotFound.
        """
