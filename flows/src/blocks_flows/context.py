"""What a running flow or task can ask about its run.

`context.get("scheduled_start_time")` is a pendulum `DateTime`; `context.flow_run_id` is an error outside of
a run, `context.get("flow_run_id")` is None there.

| | |
|---|---|
| `flow_name`, `flow_run_id`, `flow_run_name`, `parameters`, `parent_flow_run_id`, `tags` | of the flow run |
| `task_name`, `task_run_id`, `task_run_name`, `task_slug`, `map_index` | of the task run, if it is one |
| `flow_run_count`, `task_run_count` | which try it is, counted from 1 |
| `resume` | True where somebody approved the task, which had been paused |
| `scheduled_start_time`, `date` | when the run was to begin; what time it is, in UTC |
| `today`, `yesterday`, `tomorrow` | as `2021-10-04`, in UTC; with `_nodash` behind it as `20211004` |
| `logger` | as `get_run_logger()` returns it |
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from blocks_flows.errors import RunMissing


class Host(Protocol):
    """Whoever a called task turns to: a flow that is being declared, or a flow that runs.

    The task is a `blocks_flows.tasks.Task`, which stands above this module.
    """

    def call(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Take the call of a task."""
        ...

    def map(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Take the call of a task for each element."""
        ...

    def submit(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Take a call that is not waited for."""
        ...


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is the same for all tasks of a flow run."""

    flow_run_id: str
    flow_run_name: str
    flow_name: str
    parameters: Mapping[str, Any]
    scheduled_start: float
    """Unix time in seconds."""
    sink: Any
    """Takes what is logged: a `run_logs.RunLog`."""
    tags: tuple[str, ...] = ()
    parent_flow_run_id: str | None = None
    run_count: int = 1
    """Which try this is, counted from 1."""
    lineage: Any = field(default=None, repr=False, compare=False)
    """What child runs turn to: a `lineages.Lineage`; None in another process."""


@dataclass(slots=True)
class Frame:
    """What holds in a stretch of code: whom tasks turn to, and, where something runs, its run."""

    host: Host | None = None
    run: RunFacts | None = None
    task_name: str = ""
    task_run_id: str | None = None
    task_run_name: str = ""
    map_index: int = -1
    tags: tuple[str, ...] = ()
    is_async: bool = False
    """The code is awaited, so that it can await in turn."""
    stdout: Any = field(default=None, repr=False)
    """Takes what a task prints, if it asked for that."""
    slug: str = ""
    """Of the task that runs here."""
    run_count: int = 1
    """Which try at the task this is, counted from 1."""
    coming: Any = field(default=None, repr=False)
    """What a flow that is run here is told: a `lineages.Again` or `Loading`."""
    resume: bool = False
    """Somebody approved the task, which had been paused."""
    counts: dict[str, int] | None = field(default=None, repr=False)
    """How many tasks and flows of each name were called here."""

    def number(self, name: str) -> str:
        """Return the slug of what is called here: the same in a restarted run, if all is called in the same order."""
        if self.counts is None:
            self.counts = {}
        count = self.counts[name] = self.counts.get(name, 0) + 1
        if not self.slug:
            return f"{name}-{count}"
        place = "" if self.map_index < 0 else f"[{self.map_index}]"
        return f"{self.slug}{place}/{name}-{count}"


FRAME: ContextVar[Frame | None] = ContextVar("blocks_flows.frame", default=None)


def running_loop() -> Any:
    """Return the event loop that runs in this thread, or None."""
    events = sys.modules.get("asyncio.events")  # where nobody has imported it, none runs
    return None if events is None else events._get_running_loop()  # pyright: ignore[reportPrivateUsage]


def loop_to_await() -> Any:
    """Return the event loop of the calling code, if that can await; None: it cannot, even if a loop waits for it.

    So it is with a plain function that an async one called: a loop runs in its thread, and it cannot await.
    """
    loop, frame = running_loop(), FRAME.get()
    if frame is None or frame.is_async or frame.host is None:
        return loop
    return None if getattr(frame.host, "loop", None) is loop else loop


def is_in_a_run() -> bool:
    """Tell whether the calling code is that of a flow run."""
    frame = FRAME.get()
    return frame is not None and frame.run is not None


class RunContext:
    """Reads the run of the calling code; knows nothing outside of one."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a fact of the run, or the default where there is none."""
        frame = FRAME.get()
        reader = _READERS.get(key)
        if frame is None or frame.run is None or reader is None:
            return default
        found = reader(frame, frame.run)
        return default if found is None else found

    def __getattr__(self, key: str) -> Any:
        if key not in _READERS:
            raise AttributeError(f"A run's context has no '{key}'. It has: {', '.join(sorted(_READERS))}.")
        frame = FRAME.get()
        if frame is None or frame.run is None:
            raise RunMissing(
                f"context.{key} was asked for outside of a run. Ask inside a task or a flow, "
                f'or use context.get("{key}"), which returns None here.'
            )
        return _READERS[key](frame, frame.run)

    def __repr__(self) -> str:
        frame = FRAME.get()
        if frame is None or frame.run is None:
            return "<context: no run>"
        return f"<context: flow run '{frame.run.flow_run_name}', task run '{frame.task_run_name}'>"


def logger_of(frame: Frame, run: RunFacts) -> logging.Logger:
    """Return the logger of what runs in a frame."""
    return logging.getLogger("blocks_flows").getChild(frame.task_name or run.flow_name)


def _scheduled_start_time(_frame: Frame, run: RunFacts) -> Any:
    import pendulum  # late: start-up time; only flows that ask for times need it

    return pendulum.from_timestamp(run.scheduled_start)


def _date(_frame: Frame, _run: RunFacts) -> Any:
    import pendulum  # late: as above

    return pendulum.now("UTC")


def _day(days: int, form: str) -> Callable[[Frame, RunFacts], str]:
    return lambda frame, run: _date(frame, run).add(days=days).strftime(form)


_DAY, _NO_DASH = "%Y-%m-%d", "%Y%m%d"
_READERS: dict[str, Callable[[Frame, RunFacts], Any]] = {
    "date": _date,
    "flow_name": lambda _frame, run: run.flow_name,
    "flow_run_count": lambda _frame, run: run.run_count,
    "flow_run_id": lambda _frame, run: run.flow_run_id,
    "flow_run_name": lambda _frame, run: run.flow_run_name,
    "logger": logger_of,
    "map_index": lambda frame, _run: None if frame.map_index < 0 else frame.map_index,
    "parameters": lambda _frame, run: run.parameters,
    "parent_flow_run_id": lambda _frame, run: run.parent_flow_run_id,
    "resume": lambda frame, _run: frame.resume or None,
    "scheduled_start_time": _scheduled_start_time,
    "tags": lambda frame, run: (*run.tags, *frame.tags),
    "task_name": lambda frame, _run: frame.task_name or None,
    "task_run_count": lambda frame, _run: frame.run_count if frame.task_run_id else None,
    "task_run_id": lambda frame, _run: frame.task_run_id,
    "task_run_name": lambda frame, _run: frame.task_run_name or None,
    "task_slug": lambda frame, _run: frame.slug or None,
    "today": _day(0, _DAY),
    "today_nodash": _day(0, _NO_DASH),
    "tomorrow": _day(1, _DAY),
    "tomorrow_nodash": _day(1, _NO_DASH),
    "yesterday": _day(-1, _DAY),
    "yesterday_nodash": _day(-1, _NO_DASH),
}

context = RunContext()
"""The context of whatever runs where it is read."""
