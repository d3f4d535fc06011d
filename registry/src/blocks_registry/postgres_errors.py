"""What PostgreSQL's errors mean to the registry. No message shows a value or a password.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from typing import Final

import psycopg

from blocks_core.errors import BlocksError, ValueNotStorable
from blocks_registry.errors import CommitUnanswered, DatabaseCorrupt, DatabaseLocked, DatabaseUnavailable
from blocks_registry.postgres_address import PostgresAddress

_AGAIN: Final = {"40P01", "40001"}
_BUSY: Final = {"55P03", "57014", *_AGAIN}
_DAMAGED: Final = {"XX001", "XX002"}
_NOT_ALLOWED: Final = {"42501", "25006"}
_FULL: Final = {"53100", "53200", "58030"}
_VALUE: Final = {"22001", "22003", "22021", "22P02", "22P05"}


def is_cut(error: psycopg.Error) -> bool:
    """Tell whether the connection is gone, so that nothing more can be asked of it."""
    code = error.sqlstate or ""
    if code:
        return code.startswith("08") or code in ("57P01", "57P02", "57P05", "25P03", "25P04")
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def is_worth_repeating(error: psycopg.Error) -> bool:
    """Tell whether a SELECT of its own may give an answer when it is asked again.

    A plan that was prepared before a migration is no more valid (0A000); a migration may also be the other side of
    a deadlock.
    """
    return is_cut(error) or error.sqlstate in ("0A000", *_AGAIN)


def refusal_to_connect(error: psycopg.Error, address: PostgresAddress) -> DatabaseUnavailable:
    """Return the error for a connection that was not made; the driver gives no code for it, only words."""
    said = _words(error)
    remedies = (
        (
            r"authentication failed|no password|role .* does not exist|pg_hba",
            f"refuses the user '{address.user}'",
            "Correct user and password in BLOCKS_URL, or give the password in PGPASSWORD or ~/.pgpass.",
        ),
        (
            r"database .* does not exist",
            f"has no database '{address.database}'",
            f"Make it: createdb {address.database}, or correct BLOCKS_URL.",
        ),
        (
            r"too many|remaining connection slots",
            "takes no more connections",
            "Stop programs that hold some, or raise its max_connections.",
        ),
        (r"starting up|shutting down|recovery", "is starting or stopping", "Try again in a moment."),
    )
    for pattern, what, remedy in remedies:
        if re.search(pattern, said):
            return DatabaseUnavailable(f"The server of {address.place} {what} ({said}). {remedy}")
    return DatabaseUnavailable(
        f"The server of {address.place} cannot be reached ({said}). See that it runs and that this machine may "
        f"connect to it, or correct BLOCKS_URL."
    )


def locked(place: str, wait_seconds: float, error: psycopg.Error) -> BlocksError:
    """Return the error for a transaction that did not begin; where the server ends it sooner, that is its limit."""
    if error.sqlstate not in ("55P03", "57014"):
        return translated(error, place)
    return DatabaseLocked(
        f"The database {place} was locked by another process for {wait_seconds:g} seconds, or for as long as its "
        f"server lets one wait. Nothing was changed; try again when that process is done."
    )


def translated(error: psycopg.Error, place: str) -> BlocksError:
    """Return the error for a statement that failed."""
    code, said = error.sqlstate or "", _words(error)
    if is_cut(error):
        return DatabaseUnavailable(
            f"The connection to {place} was cut ({said}). Nothing was changed; try again."
        )
    if code in _BUSY:
        return DatabaseLocked(
            f"Something else on {place} was in the way ({said}). Nothing was changed; try again."
        )
    if code in _NOT_ALLOWED:
        return DatabaseUnavailable(
            f"The database {place} may not be written or read so ({said}). Give the user in BLOCKS_URL the right to "
            f"do it, or name a server there that takes writes."
        )
    if code in _FULL:
        return DatabaseUnavailable(
            f"The database {place} could not be written ({said}). Nothing was changed: see whether the server's disk "
            f"is full."
        )
    if code in _DAMAGED:
        return DatabaseCorrupt(
            f"The database {place} is damaged ({said}). Nothing was changed: restore it from a backup, or choose "
            f"another with BLOCKS_URL."
        )
    if code in _VALUE or (not code and isinstance(error, psycopg.DataError)):
        return not_storable()
    return DatabaseUnavailable(
        f"The database {place} does not answer as it should ({said}). Restore it from a backup, or choose another "
        f"with BLOCKS_URL."
    )


def not_storable() -> ValueNotStorable:
    """Return the error for a value that no column can hold; it shows nothing of the value."""
    return ValueNotStorable(
        "The database cannot hold a value that it was given: a text with a NUL character or half a surrogate pair, "
        "or a number beyond 64 bits. Nothing was changed."
    )


def unknown_outcome(error: psycopg.Error, place: str) -> CommitUnanswered:
    """Return the error for a connection that was cut while it committed."""
    return CommitUnanswered(
        f"The connection to {place} was cut ({_words(error)}) while a change was being committed, so it is not known "
        f"whether it was made. See what is stored before you try again."
    )


def _words(error: psycopg.Error) -> str:
    """Return what the server or the driver said, in one line, without details that may show a row."""
    said = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(said.removeprefix("connection failed: ").split())
