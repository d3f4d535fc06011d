"""How far a run is: a live table where standard output is a terminal, a line now and then elsewhere.

    flow.run(progress=True)

For a display of one's own, `flow.run(progress=Display(show, every_seconds=1.0))`: `show` is called with the
counts of each task, at most that often and once at the end.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import fields
from threading import Lock
from time import monotonic
from typing import Final, TextIO

from blocks_flows.failures import describe
from blocks_flows.nodes import Node
from blocks_flows.progress_counts import Counts, duration, notes
from blocks_flows.run_logs import bare_stdout
from blocks_flows.states import FINISHED, State, StateType

_LOGGER: Final = logging.getLogger("blocks_flows.Progress")
LIVE_SECONDS: Final = 0.1
PLAIN_SECONDS: Final = 2.0


class Display:
    """Counts task runs by their task and shows the counts."""

    def __init__(self, show: Callable[[dict[str, Counts]], None], every_seconds: float) -> None:
        self.counts: dict[str, Counts] = {}
        self._show = show
        self._every_seconds = every_seconds
        self._shown_at = monotonic()
        self._is_broken = False
        self._open: dict[Node, str] = {}
        """Of each run that has begun and is not over, where it was counted last."""
        self._lock = Lock()

    def changed(self, node: Node, state: State, task_name: str) -> None:
        """Count a change; called by the driver, on any thread."""
        with self._lock:
            counts = self.counts.get(task_name)
            if counts is None:
                place = node.number if node.parent is None else node.parent.number
                counts = self.counts[task_name] = Counts(place=place)
            if node.children is not None:  # its children are counted, one by one
                counts.expected = max(counts.expected, len(node.children))
            else:
                self._count(counts, node, state)
            if monotonic() - self._shown_at < self._every_seconds:
                return
            self._shown_at = monotonic()
            self._draw()

    def end(self) -> None:
        """Show the last counts."""
        with self._lock:
            self._draw()

    def _draw(self) -> None:
        """Show the counts; where that fails, as on a closed output, show nothing more: it ends no flow."""
        if self._is_broken:
            return
        try:
            self._show(dict(sorted(self.counts.items(), key=lambda item: item[1].place)))
        except Exception as error:  # noqa: BLE001 - what shows them is the user's code
            self._is_broken = True
            _LOGGER.warning("The progress cannot be shown, and the flow goes on: %s", describe(error))

    def _count(self, counts: Counts, node: Node, state: State) -> None:
        before = self._open.pop(node, None)
        if before is not None:
            setattr(counts, before, getattr(counts, before) - 1)
        kind = _BY_TYPE[state.type] if state.name != "TriggerFailed" else "not_run"
        setattr(counts, kind, getattr(counts, kind) + 1)
        if state.type not in FINISHED:
            self._open[node] = kind
        counts.retried += state.type is StateType.RETRYING
        counts.skipped += state.type is StateType.SKIPPED
        counts.cached += state.is_cached()
        counts.expected = max(counts.expected, counts.ended + counts.open)


_BY_TYPE: Final = {
    StateType.SCHEDULED: "running",
    StateType.PENDING: "running",
    StateType.RUNNING: "running",
    StateType.RETRYING: "retrying",
    StateType.PAUSED: "paused",
    StateType.CANCELLING: "running",
    StateType.CANCELLED: "cancelled",
    StateType.SUCCESS: "done",
    StateType.SKIPPED: "done",
    StateType.FAILED: "failed",
    StateType.CRASHED: "failed",
}


@contextmanager
def shown_progress(flow_name: str, wanted: bool | Display) -> Generator[tuple[Display, ...]]:
    """Show the progress of a run on standard output as suits it, in a given display, or not at all."""
    if wanted is False:
        yield ()
        return
    if isinstance(wanted, Display):
        try:
            yield (wanted,)
        finally:
            wanted.end()
        return
    stdout = bare_stdout()
    if stdout is None:
        yield ()
        return
    began_at = monotonic()
    opened = _live if stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") else _plain
    display: Display | None = None
    try:
        with opened(flow_name, stdout) as display:
            try:
                yield (display,)
            finally:
                display.end()
    finally:
        if display is not None:
            with suppress(OSError, ValueError):  # closed, as by `| head`: that ends no flow
                print(summary(flow_name, display.counts, monotonic() - began_at), file=stdout)


@contextmanager
def _live(flow_name: str, stdout: TextIO) -> Generator[Display]:
    from blocks_flows.progress_table import live_table  # late: start-up time; only terminals need rich

    with live_table(flow_name, stdout) as show:
        yield Display(show, LIVE_SECONDS)


@contextmanager
def _plain(flow_name: str, stdout: TextIO) -> Generator[Display]:
    yield Display(lambda counts: print(line(flow_name, counts), file=stdout), PLAIN_SECONDS)


def line(flow_name: str, counts: dict[str, Counts]) -> str:
    """Return how far each task is, on one line."""
    parts: list[str] = []
    for task, each in counts.items():
        more = notes(each)
        parts.append(f"{task} {each.done}/{each.expected}" + (f" ({', '.join(more)})" if more else ""))
    return f"Progress of '{flow_name}': {', '.join(parts) or 'nothing has begun'}"


def summary(flow_name: str, counts: dict[str, Counts], seconds: float) -> str:
    """Return the last line: how all task runs together ended, and after how long."""
    total = Counts()
    for name in [each.name for each in fields(Counts) if each.compare]:
        setattr(total, name, sum(getattr(each, name) for each in counts.values()))
    parts = [f"{total.done} of {total.expected} task runs done", *notes(total)]
    if total.retried:
        parts.append(f"{total.retried} tried again")
    return f"Flow '{flow_name}' took {duration(seconds)}: {', '.join(parts)}"
