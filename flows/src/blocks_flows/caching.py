"""Cached values: found where they were kept by an earlier run, else made once for all who want them at the same time.

A value is a file of results in the task's storage, at a path that is made of its task's name and its key. What is no
such file, is damaged or over counts as not there.

Who finds none takes a lease, and who finds that taken waits until the value is there or the lease is free. Two do not
wait and make the value as well, as a line in the log says: whoever cannot reach the database, and a task that is run
inside of another one whose value others may wait for, since those might wait for each other for ever.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from blocks_core.capabilities import Storage
from blocks_core.errors import BlocksError, PathNotFound
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.errors import ResultInvalid
from blocks_flows.failures import describe
from blocks_flows.leases import Lease, leases_of
from blocks_flows.results import StoredResult, open_result, stored_at, write_result
from blocks_flows.run_logs import TASK_LOGGER
from blocks_flows.stacks import HERE
from blocks_registry.settings import Settings

_FOLDER: Final = "cache"
_FIRST_WAIT_SECONDS: Final = 0.02
_LONGEST_WAIT_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Where the value of a key is kept, and for whom it is looked for."""

    call: TaskCall
    storage: Storage
    key: str

    @property
    def path(self) -> str:
        """Return the path in the storage; the key is not in it, as it may be anything."""
        name = self.call.task.name
        digest = hashlib.sha256(f"{len(name)}:{name}:{self.key}".encode(errors="surrogatepass")).hexdigest()
        return f"{_FOLDER}/{digest[:2]}/{digest}.result"

    @property
    def lifetime_seconds(self) -> float | None:
        """Return how long a value is good; None: for ever."""
        cache = self.call.task.options.cache
        return None if cache is None else cache.expiration_seconds

    def look(self, now: datetime | None = None) -> Outcome | None:
        """Return the value that is there, or None: there is none, or none that is good."""
        path = self.path
        try:
            found = open_result(self.storage, path)
            if found.header.is_over(now or datetime.now(UTC), self.lifetime_seconds):
                return None
            return Outcome(found.value(), None, stored_at(self.storage, path), is_cached=True)
        except PathNotFound:
            return None
        except (BlocksError, OSError) as error:
            why = "is not used" if isinstance(error, ResultInvalid) else "cannot be looked for"
            self.say(logging.WARNING, f"its cached value {why}, so it is run. {describe(error)}")
            return None

    def keep(self, value: Any, now: datetime | None = None) -> StoredResult:
        """Keep a value for as long as it is good.

        Raises:  ResultNotStorable, StorageFailed.
        """
        now, seconds = now or datetime.now(UTC), self.lifetime_seconds
        return write_result(
            self.storage,
            value,
            serializer=self.call.serializer,
            path=self.path,
            expires=None if seconds is None else now + timedelta(seconds=seconds),
            now=now,
        )

    def turn(self) -> Generator[float, None, Lease | Outcome | None]:
        """Wait for one's turn to make the value; yield how many seconds to wait, again and again.

        Returns: a lease; or the value, which somebody else made meanwhile; or None: make it without a lease.
        """
        place = hashlib.sha256(self.storage.location(self.path).encode(errors="surrogatepass")).hexdigest()
        try:
            return (yield from self._wait_for(place))
        except (BlocksError, OSError) as error:
            text = (
                "nobody else is kept from making its value at the same time, as the database cannot be used."
            )
            self.say(logging.WARNING, f"{text} {describe(error)}")
            return None

    def _wait_for(self, place: str) -> Generator[float, None, Lease | Outcome | None]:
        leases = leases_of(Settings.from_environment())
        lease = leases.take(place)
        if lease is not None:
            return lease
        if HERE.holds:
            text = (
                "its value is being made elsewhere, and is made here as well: a task that others may wait for"
            )
            self.say(logging.INFO, f"{text} does not wait itself.")
            return None
        seen, seconds = leases.look(place), _FIRST_WAIT_SECONDS
        if seen is not None:
            self.say(logging.INFO, f"waits for its value, which {seen.holder()} makes.")
        while True:
            if seen is None:  # whoever had the lease is done, maybe with the value
                found = self.look()
                if found is not None:
                    return found
            if seen is None or seen.is_over(leases.lease_seconds):
                lease = leases.take(place, seen)
                if lease is not None:
                    return lease
            yield seconds
            seconds = min(2 * seconds, _LONGEST_WAIT_SECONDS)
            seen = leases.look(place, seen)

    def say(self, level: int, text: str) -> None:
        """Log a line about the task run."""
        frame = self.call.frame
        line = f"Task '{frame.task_run_name or frame.task_name}': {text}"
        if frame.run is None:
            TASK_LOGGER.log(level, "%s", line)
        else:
            frame.run.sink.say(TASK_LOGGER, level, line, frame.task_run_id)


def steps_of_cached(entry: CacheEntry) -> Generator[float | None, Any, tuple[Outcome, bool]]:
    """Find a value, or have it made and keep it; `keeping.steps_around` says what is yielded and sent.

    Returns: the outcome, and whether the value was made now.
    """
    cache = entry.call.task.options.cache
    if cache is not None and cache.refresh:
        value = yield None
        return Outcome(value, None, _kept(entry, value)), True
    found = entry.look()
    if found is not None:
        return found, False
    turn = yield from entry.turn()
    if isinstance(turn, Outcome):
        return turn, False
    with turn or nullcontext():
        found = entry.look() if turn is not None else None  # it may have come just before the lease was taken
        if found is not None:
            return found, False
        value = yield None
        return Outcome(value, None, _kept(entry, value)), True


def _kept(entry: CacheEntry, value: Any) -> StoredResult | None:
    """Keep a value; where the cache alone wants it, a failure is told and is none of the task's."""
    try:
        return entry.keep(value)
    except (BlocksError, OSError) as error:
        if not entry.call.is_cached_only:
            raise
        entry.say(
            logging.WARNING, f"its value cannot be cached, so that it is run the next time. {describe(error)}"
        )
        return None
