"""A connection to PostgreSQL as the registry's SQL expects one."""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import Any, Final

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from blocks_registry.errors import DatabaseUnavailable
from blocks_registry.postgres_errors import (
    is_cut,
    is_worth_repeating,
    locked,
    not_storable,
    translated,
    unknown_outcome,
)

_TOKEN: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\?""")


class PostgresConnection:
    """The driver's connection behind the registry's interface. It commits each statement outside of a transaction.

    Args:    connect: opens a connection of the driver: at once, and where one that lay unused turns out to be cut.
             place: what errors call the database.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection], place: str) -> None:
        self._connect = connect
        self._place = place
        self._driver = connect()
        self._is_within = False

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor:
        """Run one statement; a SELECT outside of a transaction is run again where the connection was cut."""
        try:
            return self._run(statement, parameters)
        except psycopg.Error as error:
            if self._is_within or not is_worth_repeating(error):
                raise translated(error, self._place) from error
        self._renew()
        try:
            return self._run(statement, parameters)
        except psycopg.Error as error:
            raise translated(error, self._place) from error

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each of several rows of parameters, without waiting for each answer."""
        try:
            with self._driver.cursor() as cursor:
                cursor.executemany(_numbered(statement), parameters)
        except UnicodeEncodeError:
            raise not_storable() from None  # the cause shows the text
        except psycopg.Error as error:
            raise translated(error, self._place) from error

    @contextmanager
    def transaction(self, begin: str, wait_seconds: float) -> Generator[None]:
        """Commit at the end what is done meanwhile, or roll it back on any error.

        Args:    begin: the statements that begin it. wait_seconds: how long they may wait for a lock.
        """
        try:
            self._begin(begin)
        except psycopg.Error as error:
            self._roll_back()
            raise locked(self._place, wait_seconds, error) from error
        self._is_within = True
        try:
            yield
            self._commit()
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._is_within = False

    def _begin(self, statements: str) -> None:
        try:
            self._run(statements)
        except psycopg.Error as error:
            if not is_cut(error):
                raise
            self._renew()  # as nothing was sent of what is to be done
            self._run(statements)

    def _commit(self) -> None:
        try:
            done = self._run("COMMIT")
        except psycopg.Error as error:
            if is_cut(error):
                raise unknown_outcome(error, self._place) from error
            raise translated(error, self._place) from error
        if done.statusmessage != "COMMIT":  # a statement had failed, and who sent it went on
            raise DatabaseUnavailable(
                f"The database {self._place} did not commit, as a statement before had failed. Nothing was changed."
            )

    def _roll_back(self) -> None:
        """Undo what was done; where the server cannot be told, it does so by itself."""
        try:
            if self._driver.pgconn.transaction_status != TransactionStatus.IDLE:
                self._run("ROLLBACK")
        except psycopg.Error:
            self._driver.close()

    def is_idle(self) -> bool:
        """Tell whether it was left open and without a transaction."""
        found = self._driver.pgconn
        return found.status == ConnStatus.OK and found.transaction_status == TransactionStatus.IDLE

    def is_current(self) -> bool:
        """Tell whether the server said nothing while it lay unused: what it would say is farewell."""
        return self.is_idle() and not _has_input(self._driver.fileno())

    def close(self) -> None:
        """Close it."""
        self._driver.close()

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor:
        try:
            return self._driver.execute(_numbered(statement), parameters)
        except UnicodeEncodeError:
            raise not_storable() from None  # the cause shows the text

    def _renew(self) -> None:
        self._driver.close()
        self._driver = self._connect()


@lru_cache(maxsize=512)
def _numbered(statement: str) -> bytes:
    """Return a statement with `$1`, `$2`, … for each `?` that stands outside of quotes and comments."""
    numbers = count(1)
    return _TOKEN.sub(lambda found: f"${next(numbers)}" if found[0] == "?" else found[0], statement).encode()


def _has_input(descriptor: int) -> bool:
    if hasattr(select, "poll"):  # which takes descriptors of any number, and is not on Windows
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        return bool(waiting.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])
