"""What a flow run has to do with others: with the one that began it, and with what it did before a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from time import monotonic, time
from typing import Any, Final
from uuid import uuid4

from blocks_core.block import Block
from blocks_flows.checkpoint_reading import read_checkpoint, sweep
from blocks_flows.checkpoints import CheckpointFile, Place, checkpoint_home, kept_days
from blocks_flows.context import FRAME, Frame
from blocks_flows.earlier_runs import LATER, EarlierRun
from blocks_flows.kept_values import ValueNotKept, as_json
from blocks_flows.results import StoredResult
from blocks_flows.run_logs import FLOW_LOGGER, RunLog
from blocks_flows.runs import RunRecords
from blocks_flows.states import State, StateType

_SWEEP_SECONDS: Final = 3600.0
_counting = Lock()
_swept_at: float | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """A flow run that goes on where it ended."""

    run_id: str
    name: str
    run_count: int
    revision: int
    started_at: float | None
    scheduled_start: float
    """Unix times in seconds."""
    earlier: EarlierRun
    children: Mapping[str, Mapping[str, Any]]
    """Recorded flow runs that it had begun, by their slug; of several the last."""

    def begin_text(self) -> str:
        """Return what is said of it."""
        done, known = self.earlier.count()
        damaged = self.earlier.notes.damaged
        text = f"Restarting flow run: {done} of {known} task runs had succeeded and are not run again."
        return text + (f" What was kept is damaged in {damaged} places." if damaged else "")


@dataclass(slots=True)
class Loading:
    """A file that is being loaded: the flows that it runs are passed over."""

    place: str
    passed_over: int = 0


@dataclass(slots=True)
class Starting:
    """Told the id of the flow run that begins."""

    run_id: str | None = None


class Lineage:
    """The place of one flow run among others, and its checkpoint.

    Args:    keeps: whether the values of its tasks may be kept for a restart.
    """

    def __init__(self, flow: Any, keeps: bool) -> None:
        frame = FRAME.get()
        facts = None if frame is None else frame.run
        self.parent: Lineage | None = None if facts is None else facts.lineage
        self.slug = None
        self.again: Again | None = None
        if frame is not None and self.parent is not None:
            with _counting:
                self.slug = frame.number(flow.name)
            self.again = self.parent.again_of(self.slug)
        elif frame is not None and isinstance(frame.coming, Again):
            self.again, frame.coming = frame.coming, None
        self.run_id = str(uuid4()) if self.again is None else self.again.run_id
        if frame is not None and self.parent is None and isinstance(frame.coming, Starting):
            frame.coming.run_id, frame.coming = self.run_id, None
        self.root_id = self.run_id if self.parent is None else self.parent.root_id
        self.checkpoint: CheckpointFile | None = None
        self._flow = flow
        orphan = facts is not None and (self.parent is None or self.parent.checkpoint is None)
        self._keeps = keeps and not orphan and kept_days() > 0

    def __reduce__(self) -> Any:
        """Be nothing in another process: only this one keeps the checkpoint."""
        return type(None), ()

    def open(self, log: RunLog, about: Callable[[], dict[str, Any]]) -> None:
        """Make the checkpoint ready; its file is written when there is something to keep."""
        if self.again is not None:
            self.again.earlier.say = lambda text: log.say(FLOW_LOGGER, logging.INFO, text)
        if self._keeps:
            place = Place(checkpoint_home(), self.root_id, self.run_id)
            self.checkpoint = CheckpointFile(
                place, about, lambda text: log.say(FLOW_LOGGER, logging.WARNING, text)
            )

    def begin(self, parameters: Mapping[str, Any]) -> None:
        """Keep what the record cannot say, now that the run begins."""
        if self.checkpoint is None:
            return
        if self.parent is None:
            _sweep_sometimes()
        elif self.parent.checkpoint is not None and self.slug is not None:
            self.parent.checkpoint.note_child(self.slug, self.run_id)
        if self.again is not None or not all(map(_is_recorded_whole, parameters.values())):
            self.checkpoint.note_run()

    def kept_state(self, storage: Any) -> State | None:
        """Return how this run had ended, where it need not be run again: a child of one that is restarted."""
        if self.parent is None or self.parent.again is None or self.again is None or self.slug is None:
            return None
        above = self.parent.again
        kept = above.earlier.value_of_child(self.slug, above.children.get(self.slug), storage)
        if kept is None:
            return None
        text = "It had succeeded before the run was restarted."
        return State(StateType.SUCCESS, "Success", time(), text, kept.value)

    def end(self, state: State, stored: StoredResult | None) -> None:
        """Let go of what is not needed any more, or of the file only; called when the end is recorded."""
        if self.checkpoint is None:
            return
        if state.is_successful() and self.parent is None:
            self.checkpoint.discard()
            return
        above = None if self.parent is None else self.parent.checkpoint
        is_graph = hasattr(self._flow, "graph")  # whose result are the states of its tasks
        if state.is_successful() and above is not None and self.slug is not None and not is_graph:
            above.keep_child(self.slug, self.run_id, state.result, stored)
        if state.type not in (StateType.CANCELLED, StateType.CRASHED):  # tasks of these may still be at work
            self.checkpoint.close()

    def again_of(self, slug: str) -> Again | None:
        """Return what a child of this run goes on with, if this one is restarted and had begun it."""
        if self.again is None:
            return None
        row = self.again.children.get(slug)
        run_id = self.again.earlier.notes.children.get(slug) or (None if row is None else row["id"])
        if run_id is None:
            return None
        above = self.again.earlier
        place = Place(above.notes.place.home, self.root_id, run_id)
        return gather(place, above.main, approval=above.approval)


def gather(
    place: Place,
    main: str,
    *,
    row: Mapping[str, Any] | None = None,
    approval: Callable[[Mapping[str, Any]], bool] | None = None,
) -> Again | None:
    """Return what is known of a run that is to go on; None: nothing, as it was killed at its very beginning.

    Args:    row: its record; None: it is looked for. main, approval: see `EarlierRun`.
    Raises:  CheckpointInvalid: somebody else can write the checkpoint.
    """
    notes = read_checkpoint(place)
    records = RunRecords()
    try:
        row = row or next(iter(records.flow_runs([place.run_id])), None)
        earlier = EarlierRun(notes, records.task_runs(place.run_id), main, approval)
        children = {each["slug"]: each for each in records.children(place.run_id) if each["slug"]}
    finally:
        records.close()
    about = row or notes.about
    if not about:
        return None
    return Again(
        run_id=place.run_id,
        name=about["name"],
        run_count=about.get("run_count", 1),
        revision=about.get("revision", 0) + (0 if place.run_id == place.root_id else LATER),
        started_at=about.get("started_at"),
        scheduled_start=about["scheduled_at"],
        earlier=earlier,
        children=children,
    )


def is_passed_over(flow_name: str) -> bool:
    """Tell whether a flow is not to run, as its file is only being loaded; say so."""
    frame = FRAME.get()
    if frame is None or not isinstance(frame.coming, Loading):
        return False
    frame.coming.passed_over += 1
    FLOW_LOGGER.warning(
        "Flow '%s' is not run, as %s is only being loaded: put what is to run in a program under "
        "if __name__ == '__main__'.",
        flow_name,
        frame.coming.place,
    )
    return True


def telling(coming: Again | Loading | Starting) -> Frame:
    """Return a frame in which a flow is told what is to become of its run."""
    return Frame(coming=coming)


def _is_recorded_whole(value: Any) -> bool:
    """Tell whether the record of a run says a parameter's value as it is."""
    if isinstance(value, Block):
        return value.saved_as is not None
    try:
        return as_json(value) is not None
    except ValueNotKept:
        return False


def _sweep_sometimes() -> None:
    global _swept_at
    now = monotonic()
    if _swept_at is None or now - _swept_at > _SWEEP_SECONDS:
        _swept_at = now
        sweep(checkpoint_home(), kept_days())
