"""Who has a flow run: its process, until that is gone; then one that claims it, and no other.

A claim compares the run's revision and sets it in one statement, so that of two processes one gets the run, on every
kind of database.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from time import time
from typing import Any, Final

from blocks_core.errors import BlocksError
from blocks_flows.checkpoint_reading import find_checkpoint, read_checkpoint
from blocks_flows.checkpoints import Place, checkpoint_home
from blocks_flows.earlier_runs import LATER
from blocks_flows.errors import CheckpointInvalid, RunRefused
from blocks_flows.journal import event_id, new_prefix
from blocks_flows.journal_rows import FLOW_RUNS, STATES, insert_rows
from blocks_flows.liveness import Life, life_of, life_of_run, own_mark
from blocks_flows.parameters import describe_values
from blocks_flows.runs import RunRecords
from blocks_flows.states import FINISHED, StateType
from blocks_registry.database import Connection, Database

OPEN: Final = frozenset(StateType) - FINISHED - {StateType.PAUSED}
"""A run in one of these has a process, or had."""

_GONE: Final = "Its process is gone: it was killed, or its machine stopped."
_MOVE: Final = (
    "UPDATE {table} SET revision = ?, state_type = ?, state_name = ?, state_message = ?, state_at = ?, ended_at = ? "
    "WHERE id = ? AND revision = ?"
)
_TAKE: Final = "UPDATE flow_runs SET host = ?, process_id = ?, process_mark = ? WHERE id = ?"


def claim(database: Database, row: Mapping[str, Any]) -> int:
    """Take a flow run for this process and return its new revision.

    Raises:  RunRefused: it is not any more what it was when the row was read.
    """
    revision = row["revision"] + LATER
    with database.transaction() as connection:
        values = (
            revision,
            StateType.SCHEDULED.value,
            "Restarted",
            "",
            time(),
            None,
            row["id"],
            row["revision"],
        )
        if connection.execute(_MOVE.format(table="flow_runs"), values).rowcount != 1:
            raise RunRefused(
                f"Flow run {row['id']} was changed meanwhile: somebody else has restarted it, it seems. Nothing was "
                f'run here; see "block run inspect {row["id"][:8]}".'
            )
        connection.execute(_TAKE, (socket.gethostname(), os.getpid(), own_mark(), row["id"]))
        _end_open_parts(connection, row["id"])
    return revision


def release(database: Database, row: Mapping[str, Any], revision: int) -> None:
    """Give a claimed run back as it was, unless it has begun."""
    was = (row["state_type"], row["state_name"], row["state_message"], row["state_at"], row["ended_at"])
    with database.transaction() as connection:
        connection.execute(_MOVE.format(table="flow_runs"), (revision, *was, row["id"], revision))


def end_dead(records: RunRecords, row: Mapping[str, Any]) -> bool:
    """Record a run as crashed, if its process is gone, with all that it had begun; tell whether it was so."""
    if row["state_type"] not in OPEN or life_of_run(row) is not Life.GONE:
        return False
    with records.database.transaction() as connection:
        if _crash(connection, "flow_runs", row, row["id"], None):
            _end_open_parts(connection, row["id"])
    return True


def cancel_paused(database: Database, row: Mapping[str, Any]) -> bool:
    """Cancel a paused run, which has no process; tell whether it still was as its row says."""
    kind, text = StateType.CANCELLED.value, "Cancelled while it was paused."
    with database.transaction() as connection:
        if not _end(connection, "flow_runs", row, (row["id"], None), kind, text):
            return False
        tasks = "SELECT id, revision FROM task_runs WHERE flow_run_id = ? AND state_type = ?"
        for run_id, revision in connection.execute(tasks, [row["id"], StateType.PAUSED.value]).fetchall():
            part = {"id": run_id, "revision": revision}
            _end(connection, "task_runs", part, (row["id"], run_id), kind, text)
    return True


def end_all_dead(records: RunRecords) -> None:
    """Record as crashed what runs of this host had no time to say; where that cannot be written, do nothing."""
    with suppress(BlocksError):
        for row in records.open_runs(socket.gethostname(), [each.value for each in OPEN]):
            end_dead(records, row)


def record_lost(records: RunRecords, prefix: str = "") -> None:
    """Record runs that were killed before they were: their checkpoints are there."""
    home = checkpoint_home()
    lost = find_checkpoint(home, prefix)
    if not lost:
        return
    lost = sorted(set(lost) - {row["id"] for row in records.flow_runs(lost)})
    for run_id in lost:
        with suppress(CheckpointInvalid, OSError, KeyError, BlocksError):
            about = read_checkpoint(Place(home, run_id, run_id)).about
            if life_of_run(about) is Life.GONE:
                _insert(records.database, about)


def _insert(database: Database, about: Mapping[str, Any]) -> None:
    now = time()
    row: dict[str, Any] = {
        **about,
        "parameters": _described(about["parameters"]),
        "run_count": 1,
        "revision": LATER,
        "state_type": StateType.CRASHED.value,
        "state_name": "Crashed",
        "state_message": _GONE,
        "state_at": now,
        "ended_at": now,
    }
    columns = ", ".join(FLOW_RUNS.columns)
    marks = ", ".join("?" * len(FLOW_RUNS.columns))
    with database.transaction() as connection:
        connection.execute(
            f"INSERT INTO flow_runs ({columns}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING",
            [row.get(name) for name in FLOW_RUNS.columns],
        )


def _described(forms: Mapping[str, Any]) -> str:
    values = {name: data if form == "json" else f"<{form}>" for name, (form, data) in forms.items()}
    return describe_values({name: json.loads(json.dumps(value)) for name, value in values.items()})


def _end_open_parts(connection: Connection, flow_run_id: str) -> None:
    """End what of a dead run still looks as if it went on: its task runs, and the flow runs that it had begun."""
    marks = ", ".join("?" * len(OPEN))
    kinds = [each.value for each in OPEN]
    tasks = f"SELECT id, revision FROM task_runs WHERE flow_run_id = ? AND state_type IN ({marks})"
    for run_id, revision in connection.execute(tasks, [flow_run_id, *kinds]).fetchall():
        _crash(connection, "task_runs", {"id": run_id, "revision": revision}, flow_run_id, run_id)
    children = (
        f"SELECT id, revision, host, process_id, process_mark FROM flow_runs WHERE parent_flow_run_id = ? "
        f"AND state_type IN ({marks})"
    )
    for run_id, revision, *process in connection.execute(children, [flow_run_id, *kinds]).fetchall():
        if life_of(*process) is not Life.ALIVE and _crash(
            connection, "flow_runs", {"id": run_id, "revision": revision}, run_id, None
        ):
            _end_open_parts(connection, run_id)


def _crash(
    connection: Connection, table: str, row: Mapping[str, Any], flow_run_id: str, task_run_id: str | None
) -> bool:
    return _end(connection, table, row, (flow_run_id, task_run_id), StateType.CRASHED.value, _GONE)


def _end(
    connection: Connection,
    table: str,
    row: Mapping[str, Any],
    ids: tuple[str, str | None],
    kind: str,
    text: str,
) -> bool:
    """End a run, unless it is not any more what it was when its row was read; its ids are those of an event."""
    now = time()
    values = (row["revision"] + LATER, kind, kind, text, now, now, row["id"], row["revision"])
    if connection.execute(_MOVE.format(table=table), values).rowcount != 1:
        return False
    insert_rows(connection, [(STATES, (event_id(new_prefix(), 0), *ids, now, kind, kind, text, 0))])
    return True
