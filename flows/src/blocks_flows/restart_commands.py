"""`block run restart`, `block run resume` and `block run cancel`."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import click

from blocks_flows.claiming import OPEN, cancel_paused, end_dead, record_lost
from blocks_flows.errors import RunRefused
from blocks_flows.given_values import parameter_options, read_given
from blocks_flows.liveness import Life, life_of_run
from blocks_flows.loading import load_flow, split_entry_point
from blocks_flows.restarting import find_stopped, go_on, load_stopped, working_folder
from blocks_flows.run_ends import aside, end_with, is_terminal
from blocks_flows.runs import RunRecords
from blocks_flows.states import StateType
from blocks_registry.output import emit_note, examples, output_option

_WAIT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.2

_flow_option = click.option(
    "--flow", "entry_point", metavar="FILE:NAME", help="Where the flow is now, if not where it was."
)
_force_option = click.option(
    "--force",
    is_flag=True,
    help="Though nobody can tell from here that the run's process is gone. It runs twice if it is not.",
)


@click.command("restart", epilog=examples("block run restart 3f2a", "block run restart 3f2a -p token=..."))
@click.argument("run_id", metavar="ID")
@parameter_options
@_flow_option
@_force_option
@output_option
@click.pass_context
def restart(ctx: click.Context, run_id: str, entry_point: str | None, force: bool, **given: Any) -> None:
    """Let a flow run go on that failed, was cancelled, or whose process died.

    It goes on as the same run, in the folder where it was begun, with the same parameters. What had succeeded in it
    is not run again, children of mapped tasks and child runs neither. A value that holds a secret was not kept: its
    task is run again, and such a parameter is asked for (-p). ID as in `block run inspect`.

    The exit code is 0 if the run succeeded, 1 if it failed, 4 if it is paused.
    """
    _restart(ctx, run_id, None, entry_point, force, given)


@click.command("resume", epilog=examples("block run resume 3f2a", "block run resume 3f2a --task approve"))
@click.argument("run_id", metavar="ID")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME",
    help="Approve only these paused tasks; may be given again.",
)
@parameter_options
@_flow_option
@_force_option
@output_option
@click.pass_context
def resume(
    ctx: click.Context,
    run_id: str,
    tasks: tuple[str, ...],
    entry_point: str | None,
    force: bool,
    **given: Any,
) -> None:
    """Approve the paused tasks of a flow run, and let it go on.

    A task that paused itself is run again, and context.get("resume") is true in it. Exit codes as of `restart`.
    """
    _restart(ctx, run_id, tasks, entry_point, force, given)


@click.command("cancel", epilog=examples("block run cancel 3f2a"))
@click.argument("run_id", metavar="ID")
def cancel(run_id: str) -> None:
    """End a flow run of this machine, as Ctrl-C in its terminal does.

    What its tasks are at is waited for. Where the run's process is gone already, the run is recorded as crashed; one
    that is paused has none, and is recorded as cancelled.
    """
    records = RunRecords()
    try:
        record_lost(records, run_id)
        row = records.find_run(run_id)
        if end_dead(records, row):
            emit_note(f"The process of flow run {row['id']} was gone: it is recorded as crashed.")
            return
        if row["state_type"] == StateType.PAUSED and cancel_paused(records.database, row):
            emit_note(f"Flow run {row['id']}, which was paused, is cancelled.")
            return
        _interrupt(row)
        _wait_for_end(records, row["id"])
    finally:
        records.close()


def _restart(
    ctx: click.Context,
    run_id: str,
    approve: Sequence[str] | None,
    entry_point: str | None,
    force: bool,
    given: dict[str, Any],
) -> None:
    stopped = find_stopped(run_id, force=force, approve=approve)
    if entry_point is not None:
        entry_point = _absolute(entry_point)
    output: str = given.pop("output")
    with chdir(working_folder(stopped)):
        with aside():
            flow = load_flow(entry_point) if entry_point else load_stopped(stopped)
        values = read_given(flow, **given)
        end_with(ctx, output, lambda: go_on(stopped, flow, values, progress=is_terminal(output)))


def _absolute(entry_point: str) -> str:
    place, name = split_entry_point(entry_point)
    place = str(Path(place).absolute()) if Path(place).exists() else place
    return f"{place}:{name}" if name else place


def _interrupt(row: dict[str, Any]) -> None:
    if row["state_type"] not in OPEN:
        raise RunRefused(
            f"Flow run {row['id']} has ended, as {row['state_name']}: there is nothing to cancel."
        )
    where = f"process {row['process_id']} on '{row['host']}'"
    if life_of_run(row) is not Life.ALIVE:
        raise RunRefused(
            f"Flow run {row['id']} is in {where}, which cannot be reached from here. Run this command there, or end "
            f"that process there."
        )
    try:
        os.kill(row["process_id"], signal.SIGINT)
    except PermissionError as error:
        raise RunRefused(
            f"Flow run {row['id']} is in {where}, which belongs to another user. Ask that user, or become it."
        ) from error


def _wait_for_end(records: RunRecords, run_id: str) -> None:
    until = monotonic() + _WAIT_SECONDS
    while monotonic() < until:
        row = records.find_run(run_id)
        if row["state_type"] not in OPEN or end_dead(records, row):
            emit_note(f"Flow run {run_id} has ended as {records.find_run(run_id)['state_name']}.")
            return
        sleep(_LOOK_SECONDS)
    raise RunRefused(
        f"Flow run {run_id} was interrupted and has not ended after {_WAIT_SECONDS:g} seconds. Its tasks are waited "
        f"for, or its program ignores interrupts, as those do that a shell started with `&`. To kill it: "
        f"kill -9 {records.find_run(run_id)['process_id']}; then a restart runs again what was not finished."
    )
