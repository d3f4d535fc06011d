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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import chain, count
from operator import itemgetter
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, time
from typing import Any, Final

from blocks_core.errors import BlocksError
from blocks_registry.database import Connection, Database
from blocks_registry.opening import open_database
from blocks_registry.settings import Settings

Row = tuple[Any, ...]

RUNS: Final = "runs"
"""The purpose of who writes the record of runs."""

_LOGGER: Final = logging.getLogger("blocks_flows.Journal")
_GATHER_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0
_LOCKED_SECONDS: Final = 5.0
_HELP_SECONDS: Final = 1.0
_MAX_NEW_ROWS: Final = 10_000
_MAX_ROWS_IN_MEMORY: Final = 50_000
_ROWS_A_STATEMENT: Final = (256, 64, 16, 4, 1)
"""Few sizes, so that prepared statements are used again; many rows, as each statement gives up the GIL."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table of the journal; `columns` in the order of a row's values, the id first.

    The rows of an event table come without their id, which the journal gives them.
    """

    name: str
    columns: tuple[str, ...]
    is_event: bool

    @cached_property
    def revision(self) -> Callable[[Row], int]:
        """Return what reads from a row of a run how new it is: the clock may jump."""
        return itemgetter(self.columns.index("revision"))


_RESULT = ("result_storage", "result_path", "result_location")
_STATE = (
    *("run_count", "state_type", "state_name", "state_message", "state_at"),
    *("revision", "started_at", "ended_at"),
)
_EVENT = ("id", "flow_run_id", "task_run_id", "at")
_ABOUT = (
    *("id", "flow_name", "name", "version", "parent_flow_run_id", "parent_task_run_id"),
    *("parameters", "tags", "scheduled_at", "host", "process_id"),
    *("process_mark", "entry_point", "working_directory", "slug"),
)
FLOW_RUNS: Final = Table("flow_runs", (*_ABOUT, *_STATE, *_RESULT), False)
TASK_RUNS: Final = Table(
    "task_runs",
    ("id", "flow_run_id", "task_name", "task_slug", "name", "map_index", *_STATE, *_RESULT),
    False,
)
STATES: Final = Table("run_states", (*_EVENT, "type", "name", "message", "said"), True)
LOGS: Final = Table("run_logs", (*_EVENT, "level", "logger", "message"), True)
ALERTS: Final = Table("run_alerts", (*_EVENT, "target", "delivered", "error"), True)
TABLES: Final = {table.name: table for table in (FLOW_RUNS, TASK_RUNS, STATES, LOGS, ALERTS)}


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
                _insert(connection, self._pending)
        except Exception:
            storable = [(table, _storable(row)) for table, row in self._pending]
            if storable == self._pending:
                raise
            self._pending = storable
            with self._database.transaction() as connection:
                _insert(connection, self._pending)

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
                    json.dumps([table.name, *_storable(row)]) + "\n" for table, row in self._pending
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
                    _insert(connection, rows)
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


def _insert(connection: Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    of_tables: dict[Table, list[Row]] = {table: [] for table in TABLES.values()}
    for table, row in rows:
        of_tables[table].append(row)
    for table, found in of_tables.items():
        mine = found if table.is_event else _newest(table, found)
        start = 0
        for size in _ROWS_A_STATEMENT:
            while len(mine) - start >= size:
                values = list(chain.from_iterable(mine[start : start + size]))
                connection.execute(_statement(table, size), values)
                start += size


def _newest(table: Table, rows: list[Row]) -> list[Row]:
    newest: dict[str, Row] = {}
    for row in rows:
        known = newest.get(row[0])
        if known is None or table.revision(row) >= table.revision(known):
            newest[row[0]] = row
    return list(newest.values())


def _storable(row: Row) -> Row:
    """Return a row as the database can hold it, as one bad value must not keep back what comes after it.

    Such are half a surrogate pair, as in a file name that was printed, a NUL character, a name that is a path, a huge
    number.
    """
    return tuple(map(_storable_value, row))


def _storable_value(value: Any) -> Any:
    if value is None or isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    return str(value).encode(errors="backslashreplace").decode().replace("\0", "\\x00")


@lru_cache
def _statement(table: Table, rows: int) -> str:
    one = f"({', '.join('?' * len(table.columns))})"
    if table.is_event:
        conflict = "(flow_run_id, id) DO NOTHING"
    else:
        changes = ", ".join(f"{name} = excluded.{name}" for name in table.columns[1:])
        conflict = f"(id) DO UPDATE SET {changes} WHERE excluded.revision >= {table.name}.revision"
    return (
        f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES {', '.join([one] * rows)} "
        f"ON CONFLICT {conflict}"
    )


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
