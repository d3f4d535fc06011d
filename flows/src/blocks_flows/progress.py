"""How far a run is: a live table where standard output is a terminal, a line now and then elsewhere.

    flow.run(progress=True)

For a display of one's own, `flow.run(progress=Display(show, every_seconds=1.0))`: `show` is called with the
counts of each task, at most that often and once at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, Final

from blocks_flows.failures import describe
from blocks_flows.nodes import Node
from blocks_flows.run_logs import bare_stdout
from blocks_flows.states import FAILED, FINISHED, State

_LOGGER: Final = logging.getLogger("blocks_flows.Progress")
LIVE_SECONDS: Final = 0.1
PLAIN_SECONDS: Final = 2.0


@dataclass(slots=True)
class Counts:
    """How many runs of one task are where."""

    running: int = 0
    done: int = 0
    failed: int = 0
    expected: int = 0
    """Known to come, all told: of a mapped task its children, from its expansion on."""
    place: int = field(default=0, compare=False)
    """Among the tasks, in the order in which they were placed."""


class Display:
    """Counts task runs by their task and shows the counts."""

    def __init__(self, show: Callable[[dict[str, Counts]], None], every_seconds: float) -> None:
        self.counts: dict[str, Counts] = {}
        self._show = show
        self._every_seconds = every_seconds
        self._shown_at = monotonic()
        self._is_broken = False
        self._running: set[Node] = set()
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
        if state.type in FINISHED:
            if node in self._running:
                self._running.discard(node)
                counts.running -= 1
            counts.failed += state.type in FAILED
            counts.done += state.type not in FAILED
        elif node not in self._running:
            self._running.add(node)
            counts.running += 1
        counts.expected = max(counts.expected, counts.done + counts.failed + counts.running)


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
    if not stdout.isatty():
        display = Display(lambda counts: print(_line(flow_name, counts), file=stdout), PLAIN_SECONDS)
        try:
            yield (display,)
        finally:
            display.end()
        return
    from rich.live import Live  # late: start-up time; only terminals need it

    with Live(refresh_per_second=10) as live:
        display = Display(lambda counts: live.update(_table(flow_name, counts)), LIVE_SECONDS)
        try:
            yield (display,)
        finally:
            display.end()


def _line(flow_name: str, counts: dict[str, Counts]) -> str:
    parts = [
        f"{task} {each.done}/{each.expected}" + (f" ({each.failed} failed)" if each.failed else "")
        for task, each in counts.items()
    ]
    return f"Progress of '{flow_name}': {', '.join(parts) or 'nothing has begun'}"


def _table(flow_name: str, counts: dict[str, Counts]) -> Any:
    from rich.progress_bar import ProgressBar  # late: as above
    from rich.table import Table
    from rich.text import Text  # names are no markup

    table = Table(title=Text(f"Flow '{flow_name}'"), box=None, pad_edge=False)
    for heading in ("Task", "", "Done", "Running", "Failed"):
        table.add_column(heading, justify="left" if heading in ("Task", "") else "right")
    for task, each in counts.items():
        bar = ProgressBar(total=max(1, each.expected), completed=each.done + each.failed, width=30)
        failed = f"[red]{each.failed}[/red]" if each.failed else "0"
        table.add_row(Text(task), bar, f"{each.done}/{each.expected}", str(each.running), failed)
    return table
