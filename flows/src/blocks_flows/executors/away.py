"""A run as a worker sees it: tasks are performed there, and what they log is sent to the run's own process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from time import time
from typing import Any, NoReturn

from blocks_core.current import Actor, acting_as
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import FRAME, RunFacts
from blocks_flows.errors import FlowMissing
from blocks_flows.journal import flush_journal
from blocks_flows.performing import perform
from blocks_flows.run_logs import RunLog, fit_line, show_only

Line = tuple[float, int, str, str, str | None]
"""When (Unix time in seconds), level, logger, text, task run."""


class LineSender:
    """Takes what is logged in a run, as a `RunLog` does, and sends it away; no line holds a secret."""

    def __init__(self, send: Callable[[Line], None]) -> None:
        self._send = send

    def add(self, at: float, level: int, logger: str, text: str, task_run_id: str | None) -> None:
        """Send a line that holds no secret."""
        self._send((at, level, logger, text, task_run_id))

    def say(self, logger: logging.Logger, level: int, text: str, task_run_id: str | None = None) -> None:
        """Send a line of the engine's own."""
        self.add(time(), level, logger.name, fit_line(text), task_run_id)


class NoHost:
    """Refuses tasks that are called in a task, as the flow that would run them is in another process."""

    def call(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        """Refuse a call.

        Raises:  FlowMissing.
        """
        raise FlowMissing(
            f"Task '{task.name}' was called in a task that runs in a worker process, where its flow is not. Call "
            f"{task.name}.run(...), which is the bare function, or give the flow threads (LocalDaskExecutor())."
        )

    map = submit = call


def perform_away(call: TaskCall, facts: RunFacts, actor: Actor) -> Outcome:
    """Run a task whose run is kept elsewhere.

    A flow that it calls is a run of its own, which is recorded where the settings of this process say, before the
    task ends.
    """
    call.frame = replace(call.frame, host=_NO_HOST, run=facts)
    with acting_as(actor):
        outcome = perform(call)
    flush_journal()
    return outcome


def prepare_worker() -> None:
    """Show here none of the lines that are sent away."""
    show_only(lambda _record: not _is_sent())


def take_line(line: Line, log: RunLog) -> None:
    """Keep and show a line that a worker sent."""
    at, level, logger, text, task_run_id = line
    log.pass_on(at, level, logging.getLogger(logger), SECRETS_IN_USE.hide(text), task_run_id)


def _is_sent() -> bool:
    frame = FRAME.get()
    return frame is not None and frame.run is not None and isinstance(frame.run.sink, LineSender)


_NO_HOST = NoHost()
