"""Alerts: tell people of a failure through notifier blocks, or call a function.

An entry of `on_failure` is a notifier block, the address of one such as `slack-webhook/alerts`, which is
loaded when it is needed, or a function that is called with the flow or task, the run's facts and the state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any, Final

from blocks_core.capabilities import Notifier
from blocks_core.masking import SECRETS_IN_USE
from blocks_core.messages import Message
from blocks_flows.context import RunFacts
from blocks_flows.failures import describe
from blocks_flows.journal import Journal
from blocks_flows.journal_rows import ALERTS
from blocks_flows.run_logs import FLOW_LOGGER, RunLog
from blocks_flows.states import State

_MAX_TASKS: Final = 10


@dataclass(frozen=True, slots=True)
class Occasion:
    """What an alert is about."""

    subject: Any
    """The flow or the task, as declared."""
    run: RunFacts
    state: State
    failed_tasks: tuple[tuple[str, State], ...] = ()
    """Names and states of the task runs that failed by themselves."""
    task_run_id: str | None = None
    task_run_name: str | None = None


def send_alerts(entries: tuple[Any, ...], occasion: Occasion, journal: Journal) -> None:
    """Deliver to each entry; a failure to is logged as an error and recorded, and hinders none of the others."""
    log: RunLog = occasion.run.sink
    for entry in entries:
        target = _name_of(entry)
        error = ""
        try:
            _deliver(entry, occasion)
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever it is must not hide the run's own failure
            error = SECRETS_IN_USE.hide(describe(raised))
            text = f"The alert to {target} was not delivered: {error}"
            log.say(FLOW_LOGGER, logging.ERROR, text, occasion.task_run_id)
        row = (occasion.run.flow_run_id, occasion.task_run_id, time(), target, int(not error), error)
        journal.append(ALERTS, row)


def make_message(occasion: Occasion) -> Message:
    """Return what people are told."""
    run, state = occasion.run, occasion.state
    log: RunLog = run.sink
    failed = state.is_failed()
    what = f"task '{occasion.task_run_name}' of flow" if occasion.task_run_name else "flow"
    hide = SECRETS_IN_USE.hide
    facts = {"flow": run.flow_name, "run": f"{run.flow_run_name} ({run.flow_run_id})", "state": state.name}
    shown, hidden = occasion.failed_tasks[:_MAX_TASKS], len(occasion.failed_tasks) - _MAX_TASKS
    more = [f"and {hidden} more"] if hidden > 0 else []
    if shown:
        facts["failed task"] = ", ".join([*(name for name, _state in shown), *more])
    lines = [state.message, *(f"{name}: {failure.message}" for name, failure in shown), *more]
    return Message(
        title=hide(f"{what[0].upper()}{what[1:]} '{run.flow_name}': {state.name}"),
        text=hide("\n".join(lines)),
        level="error" if failed else "info",
        facts={name: hide(fact) for name, fact in facts.items()},
        detail=log.tail(),
    )


def _deliver(entry: Any, occasion: Occasion) -> None:
    if isinstance(entry, str):
        entry = Notifier.load(entry)
    if isinstance(entry, Notifier):
        entry.notify(make_message(occasion))
    else:
        call: Callable[[Any, RunFacts, State], object] = entry
        call(occasion.subject, occasion.run, occasion.state)


def _name_of(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Notifier):
        return entry.saved_as.address if entry.saved_as else f"{entry.type_info.slug} (not saved)"
    return getattr(entry, "__qualname__", type(entry).__name__)
