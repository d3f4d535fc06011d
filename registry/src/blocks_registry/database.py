"""The embedded database: connections, transactions, typed errors and numbered migrations.

Source: SQLite's pages on WAL (https://sqlite.org/wal.html) and on PRAGMA synchronous
(https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final
from weakref import finalize

from blocks_registry.errors import DatabaseCorrupt, DatabaseLocked, DatabaseUnavailable
from blocks_registry.migrating import migrate

WAIT_SECONDS: Final = 20.0


class Database:
    """One SQLite file, used by any number of threads and processes; a forked child opens it anew.

    Args:    durable: wait for the disk at each commit, so that no power cut loses it. Without, a commit
             still outlives the process.
    """

    def __init__(self, path: Path, *, durable: bool = True, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self._durable = durable
        self._wait_seconds = wait_seconds
        self._free: list[sqlite3.Connection] = []
        self._owner = os.getpid()
        self._lock = Lock()
        self._migrated: set[str] = set()
        finalize(self, _close_unused, self._free, self._owner)

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

    def migrate(self, component: str, package: str) -> None:
        """Bring a component's tables up to date with the numbered SQL files of a package's folder.

        Raises:  DatabaseTooNew, DatabaseUnavailable.
        """
        if component not in self._migrated:
            with self._connection() as connection:
                migrate(connection, component, package, self.path)
            self._migrated.add(component)

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            _close_unused(self._free, self._owner)

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

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._owner != os.getpid():  # a connection must not be used by a forked child
                self._owner, self._free = os.getpid(), []
            if self._free:
                return self._free.pop()
        return self._open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._owner == os.getpid():
                self._free.append(connection)

    def _open(self) -> sqlite3.Connection:
        self._prepare_file()
        connection = sqlite3.connect(
            self.path, timeout=self._wait_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection

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
        return error


def _close_unused(connections: list[sqlite3.Connection], owner: int) -> None:
    """Close the connections that nobody holds, unless they are those of a parent process."""
    while connections and owner == os.getpid():
        connections.pop().close()
