"""Numbered migrations with checksums: `0001_types.sql`, `0002_….sql` in a package's folder.

Each runs once, in order, in one transaction under the write lock; a file that was changed after it ran
is refused, as the tables would not be what the code believes. The files are the same for every kind of database:
they are written in SQLite's words, and `Dialect` has those of another.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from time import time

from blocks_registry.database import Connection
from blocks_registry.errors import DatabaseTooNew, RegistryError

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    component TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at REAL NOT NULL,
    PRIMARY KEY (component, number)
)
"""
_ADD = "INSERT INTO migrations (component, number, name, checksum, applied_at) VALUES (?, ?, ?, ?, ?)"
_APPLIED = "SELECT number, name, checksum FROM migrations WHERE component = ?"


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return the digest of the file's text."""
        return sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True)
class Dialect:
    """How a kind of database differs from SQLite in what migrations say."""

    has_migrations: str
    """A SELECT that gives a row where the table `migrations` is there."""
    types: Mapping[str, str]
    """Type of a column in the files -> what it is called here."""

    def translated(self, sql: str) -> str:
        """Return the SQL of a migration in this dialect."""
        return re.sub(r"\b[A-Z]+\b", lambda word: self.types.get(word[0], word[0]), sql)


@dataclass(frozen=True)
class Host:
    """The database that is migrated."""

    place: str
    dialect: Dialect
    writing: Callable[[], AbstractContextManager[object]]
    """Opens a transaction on the connection, which no other writer nor another migration runs beside."""


def migrate(connection: Connection, component: str, package: str, host: Host) -> None:
    """Apply what of a component's migrations was not applied yet.

    Raises:  DatabaseTooNew: the database has migrations that this version does not know.
             RegistryError: a migration was changed after it ran.
    """
    migrations = _read(package)
    is_new = connection.execute(host.dialect.has_migrations).fetchone() is None
    if is_new or _pending(connection, component, migrations, host.place):
        with host.writing():
            connection.execute(host.dialect.translated(_TABLE))
            for migration in _pending(connection, component, migrations, host.place):
                for statement in _statements(migration.sql):
                    connection.execute(host.dialect.translated(statement))
                connection.execute(
                    _ADD, (component, migration.number, migration.name, migration.checksum, time())
                )


def _pending(
    connection: Connection, component: str, migrations: list[Migration], place: str
) -> list[Migration]:
    applied: dict[int, tuple[str, str]] = {
        number: (name, checksum)
        for number, name, checksum in connection.execute(_APPLIED, (component,)).fetchall()
    }
    known = {migration.number for migration in migrations}
    for number, (name, _) in sorted(applied.items()):
        if number not in known:
            raise DatabaseTooNew(
                f"The database {place} was changed by a newer version of Blocks (migration {component} "
                f"{number}, '{name}'). Upgrade blocks-{component}, or choose another database with BLOCKS_URL."
            )
    for migration in migrations:
        _, checksum = applied.get(migration.number, ("", migration.checksum))
        if checksum != migration.checksum:
            raise RegistryError(
                f"Migration {component} {migration.number} ('{migration.name}') was changed after it ran on "
                f"{place}. Reinstall blocks-{component}; a change of tables needs a new number."
            )
    return [migration for migration in migrations if migration.number not in applied]


def _read(package: str) -> list[Migration]:
    folder = Path(str(import_module(package).__file__)).parent
    found: list[Migration] = []
    for file in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql")):
        number, _, name = file.stem.partition("_")
        found.append(Migration(int(number), name, file.read_text("utf-8")))
    return found


def _statements(sql: str) -> Iterator[str]:
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
