"""Numbered migrations with checksums: `0001_types.sql`, `0002_….sql` in a package's folder.

Each runs once, in order, in one transaction under the write lock; a file that was changed after it ran
is refused, as the tables would not be what the code believes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from time import time

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


def migrate(connection: sqlite3.Connection, component: str, package: str, where: Path) -> None:
    """Apply what of a component's migrations was not applied yet.

    Raises:  DatabaseTooNew: the database has migrations that this version does not know.
             RegistryError: a migration was changed after it ran.
    """
    migrations = _read(package)
    if _pending(connection, component, migrations, where):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(_TABLE)
            for migration in _pending(connection, component, migrations, where):
                for statement in _statements(migration.sql):
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO migrations (component, number, name, checksum, applied_at) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (component, migration.number, migration.name, migration.checksum, time()),
                )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _pending(
    connection: sqlite3.Connection, component: str, migrations: list[Migration], where: Path
) -> list[Migration]:
    try:
        rows = connection.execute(
            "SELECT number, name, checksum FROM migrations WHERE component = ?", (component,)
        ).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        rows = []
    applied: dict[int, tuple[str, str]] = {number: (name, checksum) for number, name, checksum in rows}
    known = {migration.number for migration in migrations}
    for number, (name, _) in sorted(applied.items()):
        if number not in known:
            raise DatabaseTooNew(
                f"The database {where} was changed by a newer version of Blocks (migration {component} "
                f"{number}, '{name}'). Upgrade blocks-{component}, or choose another database with BLOCKS_URL."
            )
    for migration in migrations:
        _, checksum = applied.get(migration.number, ("", migration.checksum))
        if checksum != migration.checksum:
            raise RegistryError(
                f"Migration {component} {migration.number} ('{migration.name}') was changed after it ran on "
                f"{where}. Reinstall blocks-{component}; a change of tables needs a new number."
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
