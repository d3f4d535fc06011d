"""Who resolved which document: noted in memory at each load, and written in batches by a thread of its own.

A load never waits for it and never fails by it: what cannot be written, such as on a read-only database, is tried
again later. A process that is killed loses what it noted in the last moments.
"""

from __future__ import annotations

import os
from atexit import register as at_exit
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition, Lock, Thread
from time import time
from typing import Any, Final
from weakref import WeakMethod

from blocks_core.current import Actor
from blocks_core.records import Usage
from blocks_registry.database import Connection, Database
from blocks_registry.errors import RegistryError

KEPT_DAYS: Final = 90
"""How long a usage is kept after the last time."""

_PAUSE_SECONDS = 1.0
_MAX_NOTED = 10_000
"""Beyond it, a database that cannot be written would fill the memory."""

_PUT = """
INSERT INTO usages
    (document_id, version, actor_kind, actor_name, actor_id, actor_user, uses, first_used_at, last_used_at)
SELECT d.id, ?, ?, ?, ?, ?, ?, ?, ? FROM documents AS d WHERE d.id = ?
ON CONFLICT (document_id, version, actor_kind, actor_name, actor_id, actor_user) DO UPDATE SET
    uses = usages.uses + excluded.uses, last_used_at = excluded.last_used_at
"""
_FORGET_OLD = "DELETE FROM usages WHERE last_used_at < ?"
_OF_DOCUMENT = """
SELECT version, actor_kind, actor_name, actor_id, actor_user, uses, first_used_at, last_used_at FROM usages
WHERE document_id = ? ORDER BY last_used_at DESC, version DESC
LIMIT ?
"""


@dataclass
class _Count:
    uses: int
    first: float
    last: float


class UsageRecorder:
    """Takes notes of what this process resolves. A forked child takes its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._start_anew()

    def note(self, documents: Iterable[tuple[str, int]], actor: Actor) -> None:
        """Note that an actor resolved these documents, each given by id and version."""
        if self._process != os.getpid():
            self._start_anew()
        now = time()
        with self._changed:
            for document_id, version in documents:
                found = self._noted.get((document_id, version, actor))
                if found is not None:
                    found.uses, found.last = found.uses + 1, now
                elif len(self._noted) < _MAX_NOTED:
                    self._noted[document_id, version, actor] = _Count(1, now, now)
            if self._thread is None:
                self._start()
            elif not self._is_due:
                self._is_due = True
                self._changed.notify()

    def flush(self) -> None:
        """Write what was noted; what cannot be written is kept for the next time."""
        if self._process != os.getpid():
            return
        with self._writing:  # so that who returns from here finds all that was noted before
            with self._changed:
                taken, self._noted = self._noted, {}
                self._is_due = False
            if not taken:
                return
            try:
                with self._database.transaction() as connection:
                    _write(connection, taken)
            except RegistryError:  # locked or read-only: a load must not fail by it
                self._take_back(taken)

    def close(self) -> None:
        """Write what was noted, and end the thread."""
        if self._process != os.getpid():
            return
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify()
        self.flush()
        if thread is not None:
            thread.join(timeout=_PAUSE_SECONDS)
        self._database.close()

    def _take_back(self, taken: dict[tuple[str, int, Actor], _Count]) -> None:
        with self._changed:
            for key, count in list(taken.items())[: _MAX_NOTED - len(self._noted)]:
                later = self._noted.setdefault(key, _Count(0, count.first, count.last))
                later.uses, later.first = later.uses + count.uses, count.first

    def _start_anew(self) -> None:
        self._process = os.getpid()
        self._changed = Condition()
        self._writing = Lock()
        self._noted: dict[tuple[str, int, Actor], _Count] = {}
        self._is_due = False
        self._thread: Thread | None = None

    def _start(self) -> None:
        self._is_due = True
        self._thread = Thread(target=self._run, name="blocks usages", daemon=True)
        self._thread.start()
        flush = WeakMethod(self.flush)
        at_exit(lambda: (found := flush()) is not None and found())

    def _run(self) -> None:
        mine, condition = self._thread, self._changed
        while True:
            with condition:
                condition.wait_for(lambda: self._is_due or self._thread is not mine)
                if self._thread is not mine:
                    return
            self.flush()
            with condition:
                condition.wait_for(lambda: self._thread is not mine, timeout=_PAUSE_SECONDS)


def usages_of(connection: Connection, document_id: str, limit: int = 2**31 - 1) -> list[Usage]:
    """Return who resolved a document, the last one first, and no more than so many."""
    return [_usage(row) for row in connection.execute(_OF_DOCUMENT, (document_id, limit)).fetchall()]


def _write(connection: Connection, noted: dict[tuple[str, int, Actor], _Count]) -> None:
    rows = [
        (
            version,
            actor.kind,
            actor.name,
            actor.id,
            actor.user,
            count.uses,
            count.first,
            count.last,
            document_id,
        )
        for (document_id, version, actor), count in noted.items()
    ]
    connection.executemany(_PUT, rows)
    connection.execute(_FORGET_OLD, (time() - KEPT_DAYS * 86400,))


def _usage(row: tuple[Any, ...]) -> Usage:
    version, kind, name, actor_id, user, uses, first, last = row
    return Usage(
        version=version,
        actor=Actor(kind, name, actor_id, user),
        uses=uses,
        first_used_at=datetime.fromtimestamp(first, UTC),
        last_used_at=datetime.fromtimestamp(last, UTC),
    )
