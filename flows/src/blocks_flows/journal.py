"""The journal: writes what happens in runs to the database, in batches, from a thread of its own.

A run never waits for it, but at its end. What cannot be written is kept in memory, then in files beside
the embedded database, or in the home folder where the database is on a server, and written as soon as it can be.
Each row has an id, so writing it twice changes nothing.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
from collections import deque
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, time
from typing import Final

from blocks_core.errors import BlocksError
from blocks_flows.journal_rows import TABLES, Row, Table, insert_rows, storable
from blocks_registry.database import Database
from blocks_registry.opening import open_database
from blocks_registry.settings import Settings

RUNS: Final = "runs"
"""The purpose of who writes the record of runs."""

_LOGGER: Final = logging.getLogger("blocks_flows.Journal")
_GATHER_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0
_LOCKED_SECONDS: Final = 5.0
_HELP_SECONDS: Final = 1.0
_MAX_NEW_ROWS: Final = 10_000
_MAX_ROWS_IN_MEMORY: Final = 50_000


class Journal:
    """Writes rows to one database.

    Args:    spool: where files of rows lie that wait to be written, without the end of their names.
    """

    def __init__(self, database: Database, spool: Path) -> None:
        self._database = database
        self._spool_path = spool
        self._is_held = False
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing; a forked child does so too, as it has neither the thread nor its own locks."""
        self._new: deque[tuple[Table, Row]] = deque()
        self._pending: list[tuple[Table, Row]] = []
        """Rows with their ids that are to be written next; only with the lock."""
        self._writing = Lock()
        self._wake = Event()
        self._woken = False
        self._thread: Thread | None = None
        self._closing = Event()
        self._failed_at: float | None = None
        self._dropped = 0
        self._looked_for_spool = False
        self._prefix = new_prefix()
        self._numbers = count()

    def append(self, table: Table, row: Row) -> None:
        """Take a row and return at once, unless the thread lags far behind and has to be waited for."""
        self._new.append((table, row))
        if not self._woken:
            self._woken = True
            self._wake.set()
            if self._thread is None:
                self._start()
        if len(self._new) > _MAX_NEW_ROWS and self._failed_at is None:
            self._help()

    def flush(self) -> bool:
        """Write all that was taken so far; tell whether that went well. What did not is kept."""
        with self._writing:
            self._number_new_rows()
            failed_just_now = self._failed_at is not None and monotonic() - self._failed_at < _RETRY_SECONDS
            if failed_just_now or not self._write():
                self._spool()
                return False
            return True

    def close(self) -> None:
        """Write what is left and stop the thread."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
        if not self.flush() and self._pending:
            _LOGGER.error(
                "The records of runs are lost in part: %d rows.", self._dropped + len(self._pending)
            )
        self._database.close()

    def _help(self) -> None:
        """Write here, or wait for who does: what is to be written must not fill the memory."""
        if self._writing.acquire(timeout=_HELP_SECONDS):
            try:
                if len(self._new) > _MAX_NEW_ROWS:
                    self._number_new_rows()
                    self._write()
            finally:
                self._writing.release()

    def _start(self) -> None:
        with self._writing:
            if self._thread is None and not self._closing.is_set():
                self._thread = Thread(target=self._run, name="blocks-journal", daemon=True)
                self._thread.start()
                processes = sys.modules.get("multiprocessing.util")
                if processes is not None:  # whose processes end without what is registered with atexit
                    processes.Finalize(self, self.flush, exitpriority=0)

    def hold(self) -> None:
        """Write nothing while the process is forked: a child that is made meanwhile finds the database locked."""
        self._is_held = self._writing.acquire(timeout=2 * _LOCKED_SECONDS)

    def let_go(self) -> None:
        """Write again, in the parent."""
        if self._is_held:
            self._is_held = False
            self._writing.release()

    def renew_after_fork(self) -> None:
        """Forget, in a forked child, what is the parent's: its rows, its numbers and its connections."""
        self._is_held = False
        self._begin()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._woken = False  # before the rows are taken: one that comes now wakes again
            with self._writing:
                self._number_new_rows()
                if not self._write() and len(self._pending) > _MAX_ROWS_IN_MEMORY:
                    self._spool()
                failing = self._failed_at is not None
            self._closing.wait(_RETRY_SECONDS if failing else _GATHER_SECONDS)
            if failing:
                self._wake.set()

    def _number_new_rows(self) -> None:
        new = self._new
        for _ in range(len(new)):
            table, row = new.popleft()
            if table.is_event:
                row = (event_id(self._prefix, next(self._numbers)), *row)
            self._pending.append((table, row))

    def _write(self) -> bool:
        if not self._pending and (self._failed_at is None):
            return True
        try:
            self._database.migrate("flows", "blocks_flows.migrations")
            self._insert_pending()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop a flow
            is_first, self._failed_at = self._failed_at is None, monotonic()
            if is_first:
                _LOGGER.warning(
                    "Runs go on, but what happens in them cannot be recorded now: %s It is kept, and recorded "
                    "when that is mended.",
                    error,
                )
            return False
        self._failed_at = None
        self._pending.clear()
        self._load_spool()
        return True

    def _insert_pending(self) -> None:
        try:
            with self._database.transaction() as connection:
                insert_rows(connection, self._pending)
        except Exception:
            mended = [(table, storable(row)) for table, row in self._pending]
            if mended == self._pending:
                raise
            self._pending = mended
            with self._database.transaction() as connection:
                insert_rows(connection, self._pending)

    def _spool(self) -> None:
        """Move the pending rows to a file, which is never changed once it is there."""
        if not self._pending:
            return
        path = self._spool_path.with_name(f"{self._spool_path.name}-{self._prefix}-{time():.6f}.spool")
        unfinished = path.with_suffix(".unfinished")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.writelines(
                    json.dumps([table.name, *storable(row)]) + "\n" for table, row in self._pending
                )
            unfinished.rename(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            self._drop_oldest(error)
        else:
            self._pending.clear()
            self._looked_for_spool = False

    def _drop_oldest(self, error: OSError) -> None:
        excess = len(self._pending) - _MAX_ROWS_IN_MEMORY
        if excess > 0:
            del self._pending[:excess]
            self._dropped += excess
            _LOGGER.error("The records of runs are lost in part: %d rows so far (%s).", self._dropped, error)

    def _load_spool(self) -> None:
        """Write what this or another process had to put into files."""
        if self._looked_for_spool:
            return
        self._looked_for_spool = True
        path = self._spool_path
        for spooled in sorted(path.parent.glob(f"{path.name}-*.spool")):
            try:
                lines = spooled.read_text().splitlines()
                rows = [(TABLES[name], tuple(values)) for name, *values in map(json.loads, lines)]
                with self._database.transaction() as connection:
                    insert_rows(connection, rows)
                spooled.unlink(missing_ok=True)
            except FileNotFoundError:  # another process has written it
                continue
            except (BlocksError, OSError, ValueError, KeyError) as error:
                _LOGGER.warning("The spooled records in %s could not be written: %s", spooled, error)


def new_prefix() -> str:
    """Return what the ids of one writer's events begin with: it sorts by the time, and no other writer has it."""
    return f"{int(time() * 1000):012x}{os.urandom(4).hex()}"


def event_id(prefix: str, number: int) -> str:
    """Return the id of an event: they sort by the order in which their writer took them."""
    return f"{prefix}{number:010x}"


_lock = Lock()
_current: tuple[tuple[int, Settings], Journal] | None = None
_at_exit = False


def current_journal() -> Journal:
    """Return the journal of the settings' database: one for a process, anew after a fork.

    Raises:  AddressInvalid; DatabaseUnavailable: there is no driver for the database.
    """
    global _current, _at_exit
    settings = Settings.from_environment()
    with _lock:
        if _current is None or _current[0] != (os.getpid(), settings):
            if _current is not None and _current[0][0] == os.getpid():
                _current[1].close()
            _current = (os.getpid(), settings), _open(settings)
            if not _at_exit:
                _at_exit = True
                atexit.register(close_journal)
                os.register_at_fork(
                    before=_hold_at_fork, after_in_parent=_let_go_after_fork, after_in_child=_renew_after_fork
                )
        return _current[1]


def _open(settings: Settings) -> Journal:
    database = open_database(settings, purpose=RUNS, durable=False, wait_seconds=_LOCKED_SECONDS)
    if not settings.is_postgresql:
        return Journal(database, settings.database_file)
    return Journal(database, settings.home / f"runs-{sha256(database.place.encode()).hexdigest()[:16]}")


def _hold_at_fork() -> None:
    if _current is not None:
        _current[1].hold()


def _let_go_after_fork() -> None:
    if _current is not None:
        _current[1].let_go()


def _renew_after_fork() -> None:
    global _current, _lock
    _lock = Lock()
    if _current is not None:
        (_process_id, settings), journal = _current
        journal.renew_after_fork()
        _current = (os.getpid(), settings), journal


def flush_journal() -> None:
    """Write what the journal has taken so far, where this process has one."""
    current = _current
    if current is not None and current[0][0] == os.getpid():
        current[1].flush()


def close_journal() -> None:
    """Write what is left and close the database; the next run opens it again."""
    global _current
    with _lock:
        closing, _current = _current, None
    if closing is not None and closing[0][0] == os.getpid():
        closing[1].close()
