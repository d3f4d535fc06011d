"""Restart: a flow run that did not succeed goes on as the same run, and what had succeeded in it is not run again.

    restart_run("3f2a")                       # as "block run restart 3f2a" does, in this process
    restart_run("3f2a", flow=etl)             # with a flow that is at hand

What is run again gets the same inputs. Task runs are known by their names and numbers (`train-2`), and calls in a
flow function are numbered as they come: so it must call its tasks and flows in the same order each time.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import chdir, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from blocks_core.errors import BlocksError
from blocks_core.mask import HIDDEN
from blocks_flows.checkpoint_reading import KeptForm, Notes, decode
from blocks_flows.checkpoints import Place, checkpoint_home
from blocks_flows.claiming import OPEN, claim, end_dead, record_lost, release
from blocks_flows.context import FRAME
from blocks_flows.errors import CheckpointInvalid, FlowNotLoaded, RunRefused
from blocks_flows.function_flows import FunctionFlow
from blocks_flows.lineages import Again, Starting, gather, telling
from blocks_flows.liveness import Life, life_of_run
from blocks_flows.loading import load_flow
from blocks_flows.progress import Display
from blocks_flows.run_logs import FLOW_LOGGER, prepare_logging
from blocks_flows.runs import RunRecords
from blocks_flows.starting import AnyFlow, run_once
from blocks_flows.states import State, StateType

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stopped:
    """A flow run that may go on."""

    row: _Row
    place: Place
    is_approved: Callable[[_Row], bool] | None = None
    """Of a resume: whether a paused task may run."""


def find_stopped(run_id: str, *, force: bool = False, approve: Collection[str] | None = None) -> Stopped:
    """Return a flow run that may be restarted, or resumed.

    Args:    run_id: as much of the id as tells it from others.
             force: though nobody can tell from here whether its process still lives.
             approve: names of paused tasks that may run; empty for all; None: none was asked about.
    Raises:  RunNotFound; RunRefused.
    """
    records = RunRecords()
    try:
        record_lost(records, run_id)
        row = records.find_run(run_id)
        if end_dead(records, row):
            row = records.find_run(row["id"])
        _check_stopped(row, force)
        if approve is not None:
            _check_paused(records, row, approve)
    finally:
        records.close()
    place = Place(checkpoint_home(), row["id"], row["id"])
    return Stopped(row, place, None if approve is None else lambda task: _is_meant(task, approve))


def load_stopped(stopped: Stopped, entry_point: str | None = None) -> AnyFlow:
    """Return the flow of a run, from where it was declared or where it is now.

    Raises:  FlowNotLoaded.
    """
    entry_point = entry_point or stopped.row["entry_point"]
    if not entry_point:
        raise FlowNotLoaded(
            f"It is not known where the flow '{stopped.row['flow_name']}' of this run is declared: it was in no "
            f"file. Say where it is now: --flow FILE:NAME."
        )
    return load_flow(entry_point)


def working_folder(stopped: Stopped) -> Path:
    """Return the folder that a run was begun in.

    Raises:  RunRefused: it is not there.
    """
    folder = Path(stopped.row["working_directory"] or ".")
    if not folder.is_dir():
        raise RunRefused(
            f"Flow run {stopped.row['id']} was begun in the folder {folder}, which is not on this machine. Make it, "
            f"or restart the run where it ran: on '{stopped.row['host']}'."
        )
    return folder


def restart_run(
    run_id: str,
    *,
    flow: AnyFlow | None = None,
    parameters: Mapping[str, Any] | None = None,
    approve: Collection[str] | None = None,
    force: bool = False,
    progress: bool | Display = False,
) -> State:
    """Let a flow run go on, and return how it ended.

    Args:    flow: None: it is loaded from where it was declared, and run in the folder where it was begun.
             parameters: values of those that were not kept, as they hold secrets, or cannot be pickled.
             approve: see `find_stopped`: the run is resumed.
             force: see `find_stopped`.
    Raises:  RunNotFound, RunRefused, FlowNotLoaded, ParametersInvalid.
    """
    stopped = find_stopped(run_id, force=force, approve=approve)
    with nullcontext() if flow is not None else chdir(working_folder(stopped)):
        return go_on(stopped, flow or load_stopped(stopped), parameters or {}, progress=progress)


def go_on(
    stopped: Stopped, flow: AnyFlow, given: Mapping[str, Any], *, progress: bool | Display = False
) -> State:
    """Claim a run, and run its flow here as that run.

    Raises:  RunRefused: somebody else has claimed it, or a parameter is missing; ParametersInvalid.
    """
    prepare_logging()
    again = gather(stopped.place, flow.__module__, row=stopped.row, approval=stopped.is_approved)
    assert again is not None  # its row is known
    values = _parameters(stopped, flow, again.earlier.notes, given)
    _tell_of_changes(flow, again)
    records = RunRecords()
    revision = claim(records.database, stopped.row)
    frame = FRAME.get()
    if frame is not None and isinstance(frame.coming, Starting):
        frame.coming.run_id = again.run_id
    token = FRAME.set(telling(replace(again, revision=revision)))
    try:
        return run_once(flow, values, progress=progress)
    except BaseException:
        with suppress(BlocksError):
            release(records.database, stopped.row, revision)
        raise
    finally:
        FRAME.reset(token)
        records.close()


def _check_stopped(row: _Row, force: bool) -> None:
    about = f"Flow run {row['id']}"
    if row["parent_flow_run_id"] is not None:
        raise RunRefused(
            f"{about} was begun by another one. Restart that: block run restart {row['parent_flow_run_id'][:8]}"
        )
    if row["state_type"] in (StateType.SUCCESS, StateType.SKIPPED):
        raise RunRefused(
            f"{about} ended as {row['state_name']}: there is nothing to restart. Run its flow anew."
        )
    if row["state_type"] not in OPEN:
        return
    life = life_of_run(row)
    where = f"process {row['process_id']} on '{row['host']}'"
    if life is Life.ALIVE:
        raise RunRefused(
            f"{about} is {row['state_name']}, in {where}. Wait for its end, or end it: "
            f"block run cancel {row['id'][:8]}"
        )
    if life is Life.UNKNOWN and not force:
        raise RunRefused(
            f"{about} is {row['state_name']} in {where}, and from here nobody can tell whether that still lives. "
            f"Restart it there; or, if you know that it is gone, add --force: it would run twice if it were not."
        )


def _check_paused(records: RunRecords, row: _Row, approve: Collection[str]) -> None:
    paused = [each for each in _with_children(records, row["id"]) if each["state_type"] == StateType.PAUSED]
    names = sorted({name for each in paused for name in (each["name"], each["task_name"])})
    unknown = [name for name in approve if name not in names]
    if not paused:
        raise RunRefused(
            f"Flow run {row['id']} has no task that is paused. To let it go on: block run restart"
        )
    if unknown:
        raise RunRefused(
            f"Flow run {row['id']} has no paused task '{unknown[0]}'. Those that are paused: {', '.join(names)}."
        )


def _with_children(records: RunRecords, flow_run_id: str) -> Sequence[_Row]:
    """Return the task runs of a flow run and of those that it began."""
    found: list[_Row] = [*records.task_runs(flow_run_id)]
    for child in records.children(flow_run_id):
        found += _with_children(records, child["id"])
    return found


def _is_meant(task: _Row, approve: Collection[str]) -> bool:
    return not approve or task["name"] in approve or task["task_name"] in approve


def _parameters(stopped: Stopped, flow: AnyFlow, notes: Notes, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run: as they were kept, else as they are recorded, else as they are given now."""
    kept, missing = _kept_parameters(stopped, flow, notes)
    doubled = [name for name in given if name in kept]
    if doubled:
        raise RunRefused(
            f"The parameter '{doubled[0]}' of flow run {stopped.row['id']} is known, and a restart uses the same "
            f"value. Leave it out; or run the flow anew, for another value."
        )
    lacking = [name for name in missing if name not in given]
    if lacking:
        raise RunRefused(
            f"The value of the parameter '{lacking[0]}' was not kept: {missing[lacking[0]]}. Give it again, the same "
            f"as then: {' '.join(f'-p {name}=…' for name in lacking)}"
        )
    values = {**kept, **given}
    known = _known_parameters(flow)
    if known is not None:
        unknown = [name for name in kept if name not in known]
        if unknown:
            FLOW_LOGGER.warning("The flow has no parameter any more for: %s", ", ".join(unknown))
        values = {name: value for name, value in values.items() if name not in unknown}
    return values


def _kept_parameters(stopped: Stopped, flow: AnyFlow, notes: Notes) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values that are known, and why others are not."""
    kept: dict[str, Any] = {}
    missing: dict[str, str] = {}
    forms: Mapping[str, Any] | None = notes.about.get("parameters")
    if forms is None:
        forms = {name: _recorded_form(value) for name, value in stopped.row["parameters"].items()}
    for name, (form, data) in forms.items():
        try:
            kept[name] = decode(stopped.place, KeptForm("", form, data), flow.__module__)
        except CheckpointInvalid as error:
            missing[name] = str(error)
    _spread(flow, kept)
    return kept, missing


def _recorded_form(value: Any) -> tuple[str, Any]:
    """Return a parameter's form from the record, which masks secrets and names only the class of what JSON lacks."""
    text = json.dumps(value)
    if HIDDEN in text:
        return "none", "it holds a secret"
    if isinstance(value, str) and value.startswith("<") and value.endswith(">"):
        return "none", "it cannot be recorded"
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if list(fields) == ["block"]:
        return "block", fields["block"]
    return "json", cast("Any", value)


def _spread(flow: AnyFlow, kept: dict[str, Any]) -> None:
    """Make of what was given by `**more` parameters of their own.

    Raises:  RunRefused: arguments without a name were given, which no run can be given again.
    """
    if not isinstance(flow, FunctionFlow):
        return
    for name, each in inspect.signature(flow.fn).parameters.items():
        if each.kind is each.VAR_KEYWORD:
            kept |= kept.pop(name, {})
        elif each.kind is each.VAR_POSITIONAL and not kept.get(name):
            kept.pop(name, None)
        elif each.kind in (each.VAR_POSITIONAL, each.POSITIONAL_ONLY) and name in kept:
            raise RunRefused(
                f"Flow '{flow.name}' was called with arguments that have no name ({name}), so it cannot be "
                f"restarted. Declare it with parameters that have."
            )


def _known_parameters(flow: AnyFlow) -> Collection[str] | None:
    """Return the names that a flow takes; None: any."""
    if not isinstance(flow, FunctionFlow):
        return flow.graph.parameters
    found = inspect.signature(flow.fn).parameters
    return None if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in found.values()) else found


def _tell_of_changes(flow: AnyFlow, again: Again) -> None:
    if isinstance(flow, FunctionFlow):
        return
    slugs = {placement.slug for placement in flow.graph.placements.values()}
    gone = sorted({slug for slug, _index in again.earlier.notes.tasks if "/" not in slug} - slugs)
    if gone:
        FLOW_LOGGER.warning(
            "The flow has changed: there is nothing any more like %s, whose values are not used",
            ", ".join(gone[:5]),
        )
