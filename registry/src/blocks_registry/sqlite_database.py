"""The embedded database: one SQLite file.

Source: SQLite's pages on WAL (https://sqlite.org/wal.html) and on PRAGMA synchronous
(https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from blocks_core.errors import ValueNotStorable
from blocks_registry.database import WAIT_SECONDS, Database, Pool
from blocks_registry.errors import DatabaseCorrupt, DatabaseLocked, DatabaseUnavailable
from blocks_registry.migrating import Dialect, Host, migrate

_DIALECT: Final = Dialect("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'", {})


class SqliteConnection(sqlite3.Connection):
    """A connection that knows which file it opened."""

    _path: Path | None = None
    _file: tuple[int, int] | None = None

    def execute(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run one statement; `Connection.execute` says more."""
        try:
            return super().execute(statement, parameters)
        except (UnicodeEncodeError, OverflowError):
            raise _not_storable() from None  # the cause shows the text

    def executemany(self, statement: str, parameters: Any, /) -> sqlite3.Cursor:
        """Run one statement for each of several rows of parameters; `Connection.executemany` says more."""
        try:
            return super().executemany(statement, parameters)
        except (UnicodeEncodeError, OverflowError):
            raise _not_storable() from None

    def is_idle(self) -> bool:
        """Tell whether it was left without a transaction; one that cannot be rolled back is of no more use."""
        return not self.in_transaction

    def is_current(self) -> bool:
        """Tell whether its file is still there: what is written to one that was removed or replaced is lost."""
        return self._path is not None and self._file == _identity(self._path)

    def remember(self, path: Path) -> None:
        """Take note of the file that was opened."""
        self._path, self._file = path, _identity(path)


class SqliteDatabase(Database):
    """One SQLite file.

    Args:    durable: wait for the disk at each commit, so that no power cut loses it. Without, a commit
             still outlives the process.
    """

    is_near = True

    def __init__(self, path: Path, *, durable: bool = True, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self.place = str(path)
        self._durable = durable
        self._wait_seconds = wait_seconds
        self._pool = Pool[SqliteConnection]()
        self._migrated: dict[str, str] = {}
        """Component -> package of the migrations that were applied."""

    @contextmanager
    def transaction(self) -> Generator[SqliteConnection]:
        """Give a connection that holds the write lock; `Database.transaction` says more."""
        with self._connection() as connection, _within(connection, "BEGIN IMMEDIATE"):
            yield connection

    @contextmanager
    def reading(self) -> Generator[SqliteConnection]:
        """Give a connection for SELECTs; `Database.reading` says more."""
        with self._connection() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Generator[SqliteConnection]:
        """Give a connection that sees one state; `Database.snapshot` says more."""
        with self._connection() as connection, _within(connection, "BEGIN"):
            yield connection

    def relaxed(self, *, wait_seconds: float) -> SqliteDatabase:
        """Return another way into the same file; `Database.relaxed` says more."""
        found = SqliteDatabase(self.path, durable=False, wait_seconds=wait_seconds)
        found._migrated = self._migrated
        return found

    def migrate(self, component: str, package: str) -> None:
        """Bring a component's tables up to date; `Database.migrate` says more."""
        if component not in self._migrated:
            with self._connection() as connection:
                self._migrate(connection, component, package)
            self._migrated[component] = package

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()

    @contextmanager
    def _connection(self) -> Generator[SqliteConnection]:
        try:
            with self._pool.connection(self._open, self._wait_seconds) as connection:
                yield connection
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _open(self) -> SqliteConnection:
        self._prepare_file()
        connection = sqlite3.connect(
            self.path,
            timeout=self._wait_seconds,
            isolation_level=None,
            check_same_thread=False,
            factory=SqliteConnection,
        )
        try:
            self._choose_wal(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.remember(self.path)
            for component, package in self._migrated.items():  # of another file of the same name, perhaps
                self._migrate(connection, component, package)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: SqliteConnection, component: str, package: str) -> None:
        locking = partial(_within, connection, "BEGIN IMMEDIATE")
        migrate(connection, component, package, Host(self.place, _DIALECT, locking))

    def _choose_wal(self, connection: SqliteConnection) -> None:
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

    def _translated(self, error: sqlite3.Error) -> Exception:
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


@contextmanager
def _within(connection: SqliteConnection, begin: str) -> Generator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _not_storable() -> ValueNotStorable:
    return ValueNotStorable(
        "The database cannot hold a value that it was given: a text with half a surrogate pair, or a number beyond "
        "64 bits. Nothing was changed."
    )


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
