"""`block run`: `ls`, `inspect` and `logs`, and what `restart_commands` has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import click

from blocks_core.errors import BlocksError
from blocks_flows.claiming import OPEN, end_all_dead, end_dead, record_lost
from blocks_flows.liveness import Life, life_of_run
from blocks_flows.restart_commands import cancel, restart, resume
from blocks_flows.run_logs import level_name
from blocks_flows.runs import RunFilter, RunRecords
from blocks_registry.output import emit_note, emit_record, emit_rows, emit_text, examples, output_option

_RUN_COLUMNS = (
    ("id", "Id"),
    ("flow", "Flow"),
    ("name", "Name"),
    ("state", "State"),
    ("started", "Started"),
    ("seconds", "Seconds"),
)
_TIMES = {"scheduled_at", "state_at", "started_at", "ended_at", "at"}


@click.group("run", epilog=examples("block run ls", "block run inspect 3f2a", "block run restart 3f2a"))
def run() -> None:
    """See the runs of flows: how they went, what their tasks did, what they logged; restart them."""


@run.command(
    "ls", epilog=examples("block run ls", "block run ls --flow etl --state failed", "block run ls -o json")
)
@click.option("--flow", help="Only runs of this flow.")
@click.option("--state", help="Only runs in this state, such as failed or running.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="How many runs, the newest first.",
)
@output_option
def list_runs(flow: str | None, state: str | None, limit: int, output: str) -> None:
    """List flow runs, the newest first."""
    with _records() as records:
        with suppress(BlocksError):  # a database that cannot be written can be read all the same
            record_lost(records)
            end_all_dead(records)
        found = records.list_runs(RunFilter(flow, state, limit))
    rows = [_dated(row) for row in found] if output == "json" else [_summary(row) for row in found]
    emit_rows(output, rows, _RUN_COLUMNS, empty="No flow runs are recorded here, or none fits the filters.")


@run.command("inspect", epilog=examples("block run inspect 3f2a", "block run inspect 3f2a -o json"))
@click.argument("run_id", metavar="ID")
@output_option
def inspect_run(run_id: str, output: str) -> None:
    """Show a flow run: its parameters, states, task runs, where results are, who was told.

    ID is the run's id, or as much of its beginning as tells it from others.
    """
    with _records() as records:
        with suppress(BlocksError):
            record_lost(records, run_id)
        found = records.find_run(run_id)
        with suppress(BlocksError):
            if end_dead(records, found):
                found = records.find_run(found["id"])
        key = found["id"]
        parts = {
            "states": [row for row in records.states(key) if output == "json" or row["task_run_id"] is None],
            "task_runs": records.task_runs(key),
            "child_runs": records.children(key),
            "alerts": records.alerts(key),
        }
    if output == "json":
        whole = {name: [_dated(row) for row in rows] for name, rows in parts.items()}
        emit_record(output, {**_dated(found), **whole})
        return
    emit_record(output, _record(found))
    _emit_part("States", parts["states"], (("at", "When"), ("name", "State"), ("message", "Message")))
    columns = (
        *(("name", "Task run"), ("state", "State"), ("run_count", "Tries"), ("seconds", "Seconds")),
        ("result_location", "Result"),
    )
    _emit_part("Task runs", [_summary(row) for row in parts["task_runs"]], columns)
    _emit_part("Child runs", [_summary(row) for row in parts["child_runs"]], _RUN_COLUMNS)
    columns = (("at", "When"), ("target", "To"), ("delivered", "Delivered"), ("error", "Error"))
    told = [{**row, "delivered": bool(row["delivered"])} for row in parts["alerts"]]
    _emit_part("Alerts", told, columns)


@run.command("logs", epilog=examples("block run logs 3f2a", "block run logs 3f2a -o json"))
@click.argument("run_id", metavar="ID")
@output_option
def show_logs(run_id: str, output: str) -> None:
    """Print what a flow run logged; ID as in `block run inspect`."""
    with _records() as records:
        lines = records.logs(records.find_run(run_id)["id"])
    if output == "json":
        emit_rows(output, [_dated({**row, "level": level_name(row["level"])}) for row in lines], ())
    elif not lines:
        emit_note("This run logged nothing.")
    for row in lines if output != "json" else ():
        when = _moment(row["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S%z")
        emit_text(f"[{when}] {level_name(row['level'])} - {row['logger']} | {row['message']}")


for _command in (restart, resume, cancel):
    run.add_command(_command)


@contextmanager
def _records() -> Generator[RunRecords]:
    records = RunRecords()
    try:
        yield records
    finally:
        records.close()


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    shown = _dated(row)
    ended = row["ended_at"] or row["state_at"]
    seconds = f"{ended - row['started_at']:.3f}" if row["started_at"] and row["ended_at"] else None
    return {
        **shown,
        "id": row["id"][:8],
        "flow": row.get("flow_name"),
        "state": _state_of(row),
        "started": shown["started_at"],
        "seconds": seconds,
    }


def _state_of(row: dict[str, Any]) -> str:
    """Return a state's name, with a hint where nobody can tell whether that still holds."""
    is_open_flow_run = "process_mark" in row and row["state_type"] in OPEN
    if is_open_flow_run and life_of_run(row) is Life.UNKNOWN:
        return f"{row['state_name']} (on '{row['host']}')"
    return row["state_name"]


def _record(row: dict[str, Any]) -> dict[str, Any]:
    shown = _dated(row)
    keys = (
        "id",
        "name",
        "flow_name",
        "version",
        "tags",
        "parameters",
        "scheduled_at",
        "started_at",
        "ended_at",
    )
    more = {"state": row["state_name"], "message": row["state_message"], "tries": row["run_count"]}
    where = {"parent_run": row["parent_flow_run_id"], "result": row["result_location"], "host": row["host"]}
    return {**{key: shown[key] for key in keys}, **more, **where}


def _emit_part(title: str, rows: list[dict[str, Any]], columns: tuple[tuple[str, str], ...]) -> None:
    if rows:
        emit_text(f"\n{title}")
        emit_rows("table", [_dated(row) for row in rows], columns)


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its times as such."""
    return {
        key: _moment(value) if key in _TIMES and isinstance(value, (int, float)) else value
        for key, value in row.items()
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
