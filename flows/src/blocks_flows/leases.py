"""Leases: of several processes and threads that want to make one thing, one makes it, and the others wait.

A lease is a row in the registry's database, taken by compare-and-set and renewed by a thread while it is held. One
whose holder died is over when nobody has renewed it for its time: by the clock, or, as clocks differ and jump, by
having watched it for that long.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from threading import Event, Thread
from time import monotonic, time
from types import TracebackType
from typing import Final, Self

from blocks_core.errors import BlocksError
from blocks_flows.ids import new_id
from blocks_registry.database import Database
from blocks_registry.opening import open_database
from blocks_registry.settings import Settings

LEASE_SECONDS: Final = 30.0
_PURPOSE: Final = "leases"
_WAIT_SECONDS: Final = 5.0
_RENEWALS: Final = 6
"""In the time of a lease, so that a busy machine does not lose it."""
_FORGOTTEN_SECONDS: Final = 86_400.0

_TAKE: Final = (
    "INSERT INTO leases (key, owner, expires_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
    "SET owner = excluded.owner, expires_at = excluded.expires_at WHERE leases.expires_at <= ?"
)
_TAKE_OVER: Final = (
    "UPDATE leases SET owner = ?, expires_at = ? WHERE key = ? AND owner = ? AND expires_at = ?"
)
_RENEW: Final = "UPDATE leases SET expires_at = ? WHERE key = ? AND owner = ?"
_RELEASE: Final = "DELETE FROM leases WHERE (key = ? AND owner = ?) OR expires_at < ?"
_SEE: Final = "SELECT owner, expires_at FROM leases WHERE key = ?"


class Leases:
    """The leases of one database.

    Args:    lease_seconds: how long one lasts that is not renewed.
    """

    def __init__(self, database: Database, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self.lease_seconds = lease_seconds
        self._database = database

    def take(self, key: str, seen: Sighting | None = None) -> Lease | None:
        """Take a lease that nobody has, or that is over; None: somebody has it.

        Args:    seen: what `look` said before; where that has not changed for the time of a lease, it is over.
        Raises:  DatabaseLocked, DatabaseUnavailable and what else opening a database raises.
        """
        owner, now = f"{socket.gethostname()}:{os.getpid()}:{new_id()}", time()
        expires_at = now + self.lease_seconds
        is_stale = seen is not None and monotonic() - seen.since > self.lease_seconds
        self._migrate()
        with self._database.transaction() as connection:
            taken = connection.execute(_TAKE, (key, owner, expires_at, now)).rowcount
            if not taken and is_stale and seen is not None:
                values = (owner, expires_at, key, seen.owner, seen.expires_at)
                taken = connection.execute(_TAKE_OVER, values).rowcount
        return Lease(self, key, owner) if taken else None

    def look(self, key: str, seen: Sighting | None = None) -> Sighting | None:
        """Return who has a lease, or None; a `Sighting` that still holds is returned as it is.

        Raises:  DatabaseLocked, DatabaseUnavailable and what else opening a database raises.
        """
        self._migrate()
        with self._database.reading() as connection:
            row = connection.execute(_SEE, (key,)).fetchone()
        if row is None:
            return None
        owner, expires_at = row
        if seen is not None and (seen.owner, seen.expires_at) == (owner, expires_at):
            return seen
        return Sighting(owner, expires_at, monotonic())

    def renew(self, key: str, owner: str) -> bool:
        """Make a lease last from now on; False: somebody else has it."""
        with self._database.transaction() as connection:
            return connection.execute(_RENEW, (time() + self.lease_seconds, key, owner)).rowcount == 1

    def release(self, key: str, owner: str) -> None:
        """Let somebody else have it; those whose holders died long ago go, too."""
        with self._database.transaction() as connection:
            connection.execute(_RELEASE, (key, owner, time() - _FORGOTTEN_SECONDS))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _migrate(self) -> None:
        self._database.migrate("flows", "blocks_flows.migrations")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A lease that somebody has, as it was seen."""

    owner: str
    expires_at: float
    since: float
    """When it was first seen so, by the monotonic clock."""

    def is_over(self, lease_seconds: float) -> bool:
        """Tell whether it may be taken."""
        return self.expires_at <= time() or monotonic() - self.since > lease_seconds

    def holder(self) -> str:
        """Return who has it, for people."""
        host, process, _ = self.owner.split(":", 2)
        return f"process {process} on {host}"


class Lease:
    """A lease that is held, for a `with` statement; a thread renews it meanwhile."""

    def __init__(self, leases: Leases, key: str, owner: str) -> None:
        self._leases = leases
        self._key = key
        self._owner = owner
        self._done = Event()
        self._thread = Thread(target=self._keep, name="blocks-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        with suppress(BlocksError):  # else it is over by itself
            self._leases.release(self._key, self._owner)

    def _keep(self) -> None:
        while not self._done.wait(self._leases.lease_seconds / _RENEWALS):
            with suppress(BlocksError):  # as long as it is not over, the next time may do
                if not self._leases.renew(self._key, self._owner):
                    return


@lru_cache(maxsize=4)
def leases_of(settings: Settings) -> Leases:
    """Return the leases in the settings' database, one object for a process.

    Raises:  AddressInvalid; DatabaseUnavailable: there is no driver for the database.
    """
    return Leases(open_database(settings, purpose=_PURPOSE, durable=False, wait_seconds=_WAIT_SECONDS))
