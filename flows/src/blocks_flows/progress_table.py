"""The table that shows the progress of a run on a terminal, below what is logged and printed meanwhile."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import Lock
from time import monotonic
from typing import Any, Final, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text  # names are no markup

from blocks_flows.progress_counts import Counts, duration, notes

_BAR_WIDTH: Final = 24
_OTHER_LINES: Final = 4
"""Of a terminal: the title, the headings, the line of what is not shown, and the one that is written to."""


@contextmanager
def live_table(flow_name: str, stdout: TextIO) -> Generator[Callable[[dict[str, Counts]], None]]:
    """Keep a table at the bottom of a terminal; what is called shows new counts in it."""
    console = Console(file=stdout)
    began_at = monotonic()
    with Live(console=console, refresh_per_second=10, redirect_stdout=False, redirect_stderr=True) as live:

        def show(counts: dict[str, Counts]) -> None:
            most = max(1, console.size.height - _OTHER_LINES)
            live.update(make_table(flow_name, counts, monotonic() - began_at, most))

        with _above(console):
            yield show


def make_table(flow_name: str, counts: dict[str, Counts], seconds: float, most: int) -> Table:
    """Return the table.

    Args:    seconds: since the run began.
             most: how many tasks there is room for; those that something happens to come first.
    """
    table = Table(
        title=Text(f"Flow '{flow_name}', {duration(seconds)}"), title_justify="left", box=None, pad_edge=False
    )
    for heading in ("Task", "", "Done", "Running", ""):
        table.add_column(heading, justify="right" if heading in ("Done", "Running") else "left", no_wrap=True)
    table.columns[0].overflow = "ellipsis"
    shown = _most_telling(counts, most)
    for task in shown:
        table.add_row(*_row(task, counts[task]))
    hidden = len(counts) - len(shown)
    if hidden:
        over = sum(each.ended >= each.expected for task, each in counts.items() if task not in shown)
        table.add_row(Text(f"and {hidden} more tasks, of which {over} are over", style="dim"))
    return table


def _row(task: str, counts: Counts) -> tuple[Any, ...]:
    bar = ProgressBar(
        total=max(1, counts.expected),
        completed=counts.ended,
        width=_BAR_WIDTH,
        complete_style="bar.complete" if counts.failed + counts.not_run == 0 else "red",
        finished_style="bar.finished" if counts.failed + counts.not_run == 0 else "red",
    )
    more = notes(counts)
    left = counts.seconds_left(monotonic())
    if left is not None:
        more.append(f"about {duration(left)} left")
    style = "red" if counts.failed + counts.not_run else "yellow" if counts.retrying + counts.paused else ""
    running = str(counts.running) if counts.running else ""
    return Text(task), bar, f"{counts.done}/{counts.expected}", running, Text(", ".join(more), style=style)


def _most_telling(counts: dict[str, Counts], most: int) -> list[str]:
    """Return the tasks that there is room for, in their order: what runs, then what failed, then what began last."""
    if len(counts) <= most:
        return list(counts)
    ranked = sorted(
        counts,
        key=lambda task: (counts[task].open == 0, counts[task].failed == 0, -counts[task].began_at),
    )
    chosen = set(ranked[:most])
    return [task for task in counts if task in chosen]


class _Above(io.TextIOBase):
    """Stands in for `sys.stdout`: whole lines go above the table, as long as they are.

    Rich's own stand-in breaks lines at the terminal's width, so that a copied line is two.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: list[str] = []
        """The pieces of the line that has not ended."""
        self._lock = Lock()

    def write(self, text: str) -> int:
        """Take text; it is shown when its line ends."""
        with self._lock:
            ended, newline, begun = text.rpartition("\n")
            if newline:
                whole = "".join((*self._begun, ended))
                self._begun = []
                self._console.print(Text.from_ansi(whole), soft_wrap=True)
            if begun:
                self._begun.append(begun)
        return len(text)

    def end(self) -> None:
        """Show what was written without an end of line."""
        if self._begun:
            self.write("\n")

    def isatty(self) -> bool:
        """Tell that it ends in a terminal."""
        return True

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the terminal's number."""
        return self._console.file.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Return the terminal's encoding."""
        return self._console.encoding


@contextmanager
def _above(console: Console) -> Generator[None]:
    """Let what is printed meanwhile go above the table."""
    before, above = sys.stdout, _Above(console)
    sys.stdout = cast("TextIO", above)
    try:
        yield
    finally:
        if cast("Any", sys.stdout) is above:
            sys.stdout = before
        with suppress(OSError, ValueError):  # closed
            above.end()
