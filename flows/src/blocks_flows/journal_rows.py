"""The rows of the journal: their tables, and how many of them are written at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from blocks_registry.database import Connection

Row = tuple[Any, ...]

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


def insert_rows(connection: Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    """Write rows, with their ids; of a run the newest one."""
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


def storable(row: Row) -> Row:
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
