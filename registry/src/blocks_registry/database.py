"""The embedded database: connections, transactions, typed errors and numbered migrations.

Source: SQLite's pages on WAL (https://sqlite.org/wal.html) and on PRAGMA synchronous
(https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any, Final, Protocol
from weakref import finalize

from blocks_registry.errors import DatabaseCorrupt, DatabaseLocked, DatabaseUnavailable
from blocks_registry.migrating import migrate

WAIT_SECONDS: Final = 20.0

_inherited: Final[list[sqlite3.Connection]] = []
"""Connections of a parent process, kept for good: SQLite forbids a forked child even to close them."""


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

    @property
    def rowcount(self) -> int:
        """Return how many rows were changed."""
        ...


class Connection(Protocol):
    """A connection to a database, its statements written with `?` for each parameter."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""
        ...

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each of several rows of parameters."""
        ...


class _Connection(sqlite3.Connection):
    """A connection that knows which file it opened, and in which process."""

    file: tuple[int, int] | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._process = os.getpid()

    def is_of_parent(self) -> bool:
        """Tell whether it was opened before this process was forked."""
        return self._process != os.getpid()


class Database:
    """One SQLite file, used by any number of threads and processes; a forked child opens it anew.

    Args:    durable: wait for the disk at each commit, so that no power cut loses it. Without, a commit
             still outlives the process.
    """

    def __init__(self, path: Path, *, durable: bool = True, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self._durable = durable
        self._wait_seconds = wait_seconds
        self._free: list[_Connection] = []
        self._lock = Lock()
        self._migrated: dict[str, str] = {}
        """Component -> package of the migrations that were applied."""
        finalize(self, _close_unused, self._free)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Give a connection that holds the write lock; commit at the end, roll back on any error.

        Raises:  DatabaseLocked, DatabaseCorrupt, DatabaseUnavailable.
        """
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Give a connection for one or more SELECTs, each of which sees a consistent state.

        Raises:  DatabaseLocked, DatabaseCorrupt, DatabaseUnavailable.
        """
        with self._connection() as connection:
            yield connection

    def relaxed(self, purpose: str, *, wait_seconds: float) -> Database:
        """Return another way into the same database, which waits for no disk and not long for a lock.

        Args:    purpose: a word for what is written; writers of different purposes need not wait for each other.
        """
        found = Database(self.path, durable=False, wait_seconds=wait_seconds)
        found._migrated = self._migrated
        return found

    def migrate(self, component: str, package: str) -> None:
        """Bring a component's tables up to date with the numbered SQL files of a package's folder.

        Raises:  DatabaseTooNew, DatabaseUnavailable.
        """
        if component not in self._migrated:
            with self._connection() as connection:
                migrate(connection, component, package, self.path)
            self._migrated[component] = package

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            _close_unused(self._free)

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise self._translated(error) from error

    def _take(self) -> _Connection:
        with self._lock:
            file = _identity(self.path)
            while self._free:
                connection = self._free.pop()
                if connection.is_of_parent():
                    _inherited.append(connection)
                elif connection.file != file:  # removed or replaced: what is written there is lost
                    connection.close()
                else:
                    return connection
        return self._open()

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            if connection.in_transaction and not connection.is_of_parent():
                connection.close()  # it could not be rolled back, so it is of no more use
            else:
                self._free.append(connection)

    def _open(self) -> _Connection:
        self._prepare_file()
        connection = sqlite3.connect(
            self.path,
            timeout=self._wait_seconds,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            self._choose_wal(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.file = _identity(self.path)
            for component, package in self._migrated.items():  # of another file of the same name, perhaps
                migrate(connection, component, package, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _choose_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL; where two processes do so at once, SQLite refuses one of them without waiting."""
        end = monotonic() + self._wait_seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                    raise
                sleep(0.01)
            else:
                return

    def _prepare_file(self) -> None:
        """Make the file readable by its owner only: it holds everything but the keys."""
        if self.path.exists():
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise DatabaseUnavailable(
                f"The database {self.path} cannot be made ({error.strerror}). Make its folder writable, or "
                f"choose another with BLOCKS_HOME."
            ) from error

    def _translated(self, error: sqlite3.DatabaseError) -> Exception:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return DatabaseLocked(
                f"The database {self.path} was locked by another process for {self._wait_seconds:g} seconds. "
                f"Nothing was changed; try again when that process is done."
            )
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return DatabaseCorrupt(
                f"The file {self.path} is no SQLite database or is damaged ({error}). Nothing was changed: "
                f"restore it from a backup, or choose another with BLOCKS_URL."
            )
        if code in (
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_AUTH,
        ):
            return DatabaseUnavailable(
                f"The database {self.path} cannot be written ({error}). Make the file and its folder "
                f"writable, or choose another with BLOCKS_HOME."
            )
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return DatabaseUnavailable(
                f"The database {self.path} could not be written ({error}). Nothing was changed: see whether "
                f"its disk is full."
            )
        return DatabaseUnavailable(
            f"The database {self.path} does not answer as it should ({error}). Restore it from a backup, or choose "
            f"another with BLOCKS_URL."
        )


def _close_unused(connections: list[_Connection]) -> None:
    """Close the connections that nobody holds; those of a parent process are kept."""
    while connections:
        connection = connections.pop()
        if connection.is_of_parent():
            _inherited.append(connection)
        else:
            connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
