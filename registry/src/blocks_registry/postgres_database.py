"""A database on a PostgreSQL server.

Writers of one purpose hold one advisory lock for a whole transaction, so they see and do what writers of one SQLite
file do: one after the other, without lost updates and without deadlocks. A SELECT of its own is one message to the
server and one back. Locks and settings last for one transaction, so a connection pooler may stand between.

Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from functools import cache, partial
from hashlib import sha256
from typing import Any, Final

import psycopg

from blocks_registry.database import DOCUMENTS, WAIT_SECONDS, Database, Pool
from blocks_registry.errors import DatabaseUnavailable
from blocks_registry.migrating import Dialect, Host, migrate
from blocks_registry.postgres_address import read_address
from blocks_registry.postgres_connection import PostgresConnection
from blocks_registry.postgres_errors import refusal_to_connect

MAX_CONNECTIONS: Final = 10
"""Of one process to one database, as a server has about a hundred for all."""

_MAX_IDLE_SECONDS: Final = 60
"""In a transaction: a program that hangs, or whose machine is gone, must not keep the lock for ever."""

_DIALECT: Final = Dialect(
    "SELECT 1 WHERE to_regclass('migrations') IS NOT NULL",
    {"BLOB": "BYTEA", "INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "TEXT": 'TEXT COLLATE "C"'},
)
"""`C` orders and compares texts as SQLite does, whatever the server's language."""


class PostgresDatabase(Database):
    """One database on a server.

    Args:    url: postgresql://USER:PASSWORD@HOST:PORT/DATABASE; libpq's variables and files hold what it lacks.
             purpose: what is written; writers of different purposes do not wait for each other, so what they write
             may not refer to each other.
             durable: wait for the server's disk at each commit, as the server is set. Without, a commit may be lost
             if the server stops suddenly.
    Raises:  AddressInvalid.
    """

    def __init__(
        self,
        url: str,
        *,
        purpose: str = DOCUMENTS,
        durable: bool = True,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._address = read_address(url)
        self.place = self._address.place
        self._purpose = purpose
        self._durable = durable
        self._wait_seconds = wait_seconds
        self._pool = Pool[PostgresConnection](limit=MAX_CONNECTIONS)
        self._migrated: dict[str, str] = {}
        """Component -> package of the migrations that were applied."""

    @contextmanager
    def transaction(self) -> Generator[PostgresConnection]:
        """Give a connection that holds the write lock; `Database.transaction` says more."""
        with self._connection() as connection, self._writing(connection, durable=self._durable):
            yield connection

    @contextmanager
    def reading(self) -> Generator[PostgresConnection]:
        """Give a connection for SELECTs, each of which is one round trip; `Database.reading` says more."""
        with self._connection() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Generator[PostgresConnection]:
        """Give a connection that sees one state; `Database.snapshot` says more."""
        with (
            self._connection() as connection,
            connection.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", self._wait_seconds),
        ):
            yield connection

    def relaxed(self, *, wait_seconds: float) -> PostgresDatabase:
        """Return another way into the same database, over the same connections; `Database.relaxed` says more."""
        found = copy(self)
        found._durable, found._wait_seconds = False, wait_seconds
        return found

    def migrate(self, component: str, package: str) -> None:
        """Bring a component's tables up to date; `Database.migrate` says more."""
        if component not in self._migrated:
            with self._connection() as connection:
                self._migrate(connection, component, package)
            self._migrated[component] = package

    def look_over(self, *tables: str) -> None:
        """Analyze tables; by itself the server does so within a minute, and plans each load wrongly till then."""
        with self._connection() as connection:
            connection.execute(f"ANALYZE {', '.join(tables)}")

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()

    def _connection(self) -> AbstractContextManager[PostgresConnection]:
        return self._pool.connection(self._open, self._wait_seconds)

    def _open(self) -> PostgresConnection:
        connection = PostgresConnection(self._connect, self.place)
        try:
            for component, package in self._migrated.items():  # of another database of the same name, perhaps
                self._migrate(connection, component, package)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> psycopg.Connection:
        options: dict[str, Any] = {
            "connect_timeout": max(2, int(self._wait_seconds)),
            "tcp_user_timeout": int(WAIT_SECONDS * 1000),
            "application_name": "blocks",
            **self._address.parameters,
            "client_encoding": "utf8",
        }
        try:
            found = psycopg.connect(**options, autocommit=True, cursor_factory=psycopg.RawCursor)
        except psycopg.Error as error:
            raise refusal_to_connect(error, self._address) from error
        encoding = found.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            found.close()
            raise DatabaseUnavailable(
                f"The database {self.place} keeps texts in {encoding}, which cannot hold all of them. Make one with "
                f"the encoding UTF8."
            )
        return found

    def _migrate(self, connection: PostgresConnection, component: str, package: str) -> None:
        writing = partial(self._writing, connection, "migrations")
        migrate(connection, component, package, Host(self.place, _DIALECT, writing))

    def _writing(
        self, connection: PostgresConnection, *locks: str, durable: bool = True
    ) -> AbstractContextManager[None]:
        """Begin a transaction that holds the locks of these purposes and of its own, in this order."""
        begin = (
            "BEGIN ISOLATION LEVEL READ COMMITTED",  # each statement sees what was committed before the lock was had
            f"SET LOCAL lock_timeout = {max(1, int(self._wait_seconds * 1000))}",
            f"SET LOCAL idle_in_transaction_session_timeout = {_MAX_IDLE_SECONDS * 1000}",
            *(() if durable else ("SET LOCAL synchronous_commit = off",)),
            *(f"SELECT pg_advisory_xact_lock({_number(purpose)})" for purpose in (*locks, self._purpose)),
        )
        return connection.transaction("; ".join(begin), self._wait_seconds)


@cache
def _number(purpose: str) -> int:
    """Return the number of the lock that writers of one purpose hold."""
    return int.from_bytes(sha256(f"blocks/{purpose}".encode()).digest()[:8], "big", signed=True)
