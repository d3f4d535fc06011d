"""Reads of secrets in the audit: a row is there before a secret leaves, and those that follow soon are counted.

A row costs a write to the disk, a load does not, and a busy flow loads the same block a thousand times a second. So
the first read of a version by a token is written before it is answered; further ones within a minute are counted in
memory, and written as one row with their number. A process that is killed loses such a count, never the first row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from blocks_core.current import Actor, acting_as
from blocks_core.document import Document, Json
from blocks_core.registry import Registry
from blocks_registry.access.batches import Batches
from blocks_registry.access.holders import Holder
from blocks_registry.audit import Audit
from blocks_registry.database import Database
from blocks_registry.errors import RegistryError

COUNTED_SECONDS: Final = 60.0
"""How long after its row further reads of the same are only counted."""

RESOLVED: Final = "block.resolved"

_MAX_COUNTED = 10_000


class _Key(NamedTuple):
    token_id: str
    actor: Actor
    document_id: str
    version: int


@dataclass(frozen=True)
class SecretRead:
    """What a row of the audit says: who was given the secrets of which version of a block."""

    actor: Actor
    token: str
    token_id: str
    address: str
    document_id: str
    version: int
    times: int = 1
    since: datetime | None = None
    """Of the first of several."""

    @property
    def detail(self) -> dict[str, Json]:
        """Return what the row holds beside who and what."""
        found: dict[str, Json] = {"version": self.version, "token": self.token, "token_id": self.token_id}
        if self.since is not None:
            found |= {"times": self.times, "since": self.since.isoformat(timespec="seconds")}
        return found


NewRead = tuple[_Key, SecretRead]
WriteReads = Callable[[Sequence[SecretRead]], None]


@dataclass
class _Count:
    """Reads of the same since its row was written."""

    row: SecretRead
    until: float
    times: int = 0
    since: datetime | None = None


class SecretReads:
    """Sees that each read of secrets is recorded.

    Args:    write: writes rows, durably, or raises. clock: gives seconds that only grow.
    """

    def __init__(
        self,
        write: WriteReads,
        *,
        counted_seconds: float = COUNTED_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._write = write
        self._counted_seconds = counted_seconds
        self._clock = clock
        self._lock = Lock()
        self._counts: dict[_Key, _Count] = {}
        self._batches = Batches(self.flush, pause_seconds=counted_seconds, name="blocks secret reads")

    def note(self, holder: Holder, actor: Actor, documents: Iterable[Document]) -> None:
        """Record that a holder is given these documents, of which those without secrets need no row.

        Raises:  RegistryError: it cannot be recorded, so nothing may be given.
        """
        self.record(self.count(holder, actor, documents))

    def count(self, holder: Holder, actor: Actor, documents: Iterable[Document]) -> list[NewRead]:
        """Count the reads that have their rows, and return those that need one first: they are for `record`."""
        new: list[NewRead] = []
        with self._lock:
            for document in documents:
                if not document.content.secrets:
                    continue
                key = _Key(holder.token_id, actor, str(document.id), document.version)
                count = self._counts.get(key)
                if count is not None and self._clock() < count.until:
                    count.times += 1
                    count.since = count.since or datetime.now(UTC)
                else:
                    new.append((key, _read(holder, actor, document)))
        return new

    def record(self, new: Sequence[NewRead]) -> None:
        """Write the rows of reads, and count further ones of the same from now on.

        Raises:  RegistryError: it cannot be recorded, so nothing may be given.
        """
        if new:
            self._write([row for _, row in new])
            if self._counted_seconds:
                self._count_from_now(new)

    def flush(self) -> None:
        """Write what was counted; what cannot be written is kept for the next time."""
        now = self._clock()
        with self._lock:
            rows = {
                key: replace(count.row, times=count.times, since=count.since)
                for key, count in self._counts.items()
                if count.times
            }
            self._counts = {key: count for key, count in self._counts.items() if now < count.until}
            for count in self._counts.values():
                count.times, count.since = 0, None
            if self._counts:
                self._batches.ask()
        if not rows:
            return
        try:
            self._write(list(rows.values()))
        except RegistryError:  # locked or read-only: these were given already, and each has its row
            self._take_back(rows)

    def close(self) -> None:
        """Write what was counted, and end the thread."""
        self._batches.close()

    def _count_from_now(self, new: Sequence[NewRead]) -> None:
        until = self._clock() + self._counted_seconds
        with self._lock:
            for key, row in new:
                known = self._counts.get(key)
                if known is not None:
                    known.until = until
                elif len(self._counts) < _MAX_COUNTED:  # beyond it, each read has a row of its own
                    self._counts[key] = _Count(row, until)
        self._batches.ask()

    def _take_back(self, rows: dict[_Key, SecretRead]) -> None:
        with self._lock:
            for key, row in rows.items():
                count = self._counts.setdefault(key, _Count(row, 0.0))
                count.times, count.since = count.times + row.times, row.since
        self._batches.ask()


def in_audit(database: Database, audit: Audit) -> WriteReads:
    """Return what writes reads into the audit of a database, several in one transaction."""

    def write(reads: Sequence[SecretRead]) -> None:
        database.migrate("registry", "blocks_registry.migrations")
        with database.transaction() as connection:
            for read in reads:
                with acting_as(read.actor):
                    audit.record(
                        connection, RESOLVED, read.address, subject_id=read.document_id, detail=read.detail
                    )

    return write


def by_notes(registry: Registry) -> WriteReads:
    """Return what writes reads as notes of a registry, whatever it is kept in."""

    def write(reads: Sequence[SecretRead]) -> None:
        for read in reads:
            with acting_as(read.actor):
                registry.note(RESOLVED, read.address, read.detail)

    return write


def _read(holder: Holder, actor: Actor, document: Document) -> SecretRead:
    return SecretRead(
        actor=actor,
        token=holder.name,
        token_id=holder.token_id,
        address=document.address,
        document_id=str(document.id),
        version=document.version,
    )
