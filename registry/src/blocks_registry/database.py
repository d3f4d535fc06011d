"""What the registry asks of a database, and the pool of connections that every kind of database has.

`sqlite_database` and `postgres_database` are the kinds; all SQL is written against `Connection`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Semaphore
from typing import Any, Final, Generic, Protocol, TypeVar
from weakref import finalize

from blocks_registry.errors import DatabaseLocked

DOCUMENTS: Final = "documents"
"""The purpose of who writes the registry's tables, all of which may refer to each other."""

WAIT_SECONDS: Final = 20.0

_inherited: Final[list[object]] = []
"""Connections of a parent process, kept for good: to close one in a forked child harms the parent's."""


class Cursor(Protocol):
    """What a statement gave."""

    def fetchone(self) -> Any:
        """Return the next row as a tuple, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left, as tuples."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left, as tuples."""
        ...

    @property
    def rowcount(self) -> int:
        """Return how many rows were changed."""
        ...

    @property
    def description(self) -> Sequence[Any] | None:
        """Return for each column something whose first item is its name."""
        ...


class Connection(Protocol):
    """A connection to a database, its statements written with `?` for each parameter."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run one statement.

        Raises:  ValueNotStorable: a parameter that no column can hold, such as a text with half a surrogate pair.
        """
        ...

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each of several rows of parameters."""
        ...


class Database(ABC):
    """Tables that any number of threads and processes use; a forked child opens its own connections."""

    place: str
    """What errors call it: a file, or an address without its password."""

    is_near: bool = False
    """Whether it is in this process, so that two statements take no longer than their work."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Connection]:
        """Give a connection that holds the write lock; commit at the end, roll back on any error.

        Raises:  DatabaseLocked, DatabaseCorrupt, DatabaseUnavailable.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection for one or more SELECTs, each of which sees a consistent state.

        Raises:  DatabaseLocked, DatabaseCorrupt, DatabaseUnavailable.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Connection]:
        """Give a connection for several SELECTs that all see one state, and that no writer waits for.

        Raises:  DatabaseLocked, DatabaseCorrupt, DatabaseUnavailable.
        """

    @abstractmethod
    def relaxed(self, *, wait_seconds: float) -> Database:
        """Return another way into the same database, which waits for no disk and not long for a lock."""

    @abstractmethod
    def migrate(self, component: str, package: str) -> None:
        """Bring a component's tables up to date with the numbered SQL files of a package's folder.

        Raises:  DatabaseTooNew, DatabaseUnavailable.
        """

    def look_over(self, *tables: str) -> None:  # noqa: B027 most databases need nothing
        """Let the database learn how much its tables hold, after much was written at once."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections that are not in use."""


class Pooled(Protocol):
    """A connection as the pool sees it."""

    def is_idle(self) -> bool:
        """Tell whether it was left open and without a transaction."""
        ...

    def is_current(self) -> bool:
        """Tell whether it still leads to where it should, after it lay unused."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


C = TypeVar("C", bound=Pooled)


class Pool(Generic[C]):
    """Connections that are open and not in use; more are opened as they are needed.

    It has no lock that a fork could find held: to append to a list and to pop from it are one step each.

    Args:    limit: how many connections may be in use at once; None for any number.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        self._limit = limit
        self._free: list[tuple[int, C]] = []
        self._slots = self._new_slots()
        finalize(self, _close_all, self._free)

    @contextmanager
    def connection(self, open_one: Callable[[], C], wait_seconds: float) -> Generator[C]:
        """Give a connection for a while, a new one where none is free.

        Raises:  DatabaseLocked: all that may be used at once are in use.
        """
        process, slots = self._slots
        if process != os.getpid():  # those that the parent's other threads had taken come back to nobody
            process, slots = self._slots = self._new_slots()
        if slots is not None and not slots.acquire(timeout=wait_seconds):
            raise DatabaseLocked(
                f"All {self._limit} connections that this process may have to its database were in use for "
                f"{wait_seconds:g} seconds. Nothing was changed; try again."
            )
        try:
            connection = self._free_one() or open_one()
            try:
                yield connection
            finally:
                self._give_back(process, connection)
        finally:
            if slots is not None:
                slots.release()

    def close(self) -> None:
        """Close the connections that are not in use."""
        _close_all(self._free)

    def _free_one(self) -> C | None:
        while self._free:
            with suppress(IndexError):  # another thread took the last one
                process, connection = self._free.pop()
                if process != os.getpid():
                    _inherited.append(connection)
                elif connection.is_current():
                    return connection
                else:
                    connection.close()
        return None

    def _give_back(self, process: int, connection: C) -> None:
        if process != os.getpid():
            _inherited.append(connection)
        elif connection.is_idle():
            self._free.append((process, connection))
        else:
            connection.close()

    def _new_slots(self) -> tuple[int, Semaphore | None]:
        return os.getpid(), None if self._limit is None else Semaphore(self._limit)


def _close_all(free: list[tuple[int, C]]) -> None:
    """Close the connections that nobody holds; those of a parent process are kept."""
    while free:
        with suppress(IndexError):
            process, connection = free.pop()
            if process != os.getpid():
                _inherited.append(connection)
            else:
                connection.close()
