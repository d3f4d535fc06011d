"""One run of a flow: its facts, its record, its log, and who is told how it ends."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import time
from typing import Any
from uuid import uuid4

from blocks_core.current import Actor, acting_as, process_actor
from blocks_core.masking import SECRETS_IN_USE, secret_texts
from blocks_flows.alerts import Occasion, send_alerts
from blocks_flows.context import FRAME, RunFacts
from blocks_flows.driver import Driver
from blocks_flows.entries import Surroundings, Watcher
from blocks_flows.errors import FlowInvalid
from blocks_flows.executors import Executor
from blocks_flows.failures import describe
from blocks_flows.journal import FLOW_RUNS, STATES, current_journal
from blocks_flows.nodes import NO_RETRY, RetryPolicy
from blocks_flows.options import StateHandler
from blocks_flows.parameters import describe_values
from blocks_flows.results import StoredResult
from blocks_flows.run_logs import FLOW_LOGGER, RunLog, finish_showing, prepare_logging, traceback_of
from blocks_flows.states import FINISHED, State, StateType


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """How a flow is to be run."""

    description: str = ""
    version: str | None = None
    tags: tuple[str, ...] = ()
    executor: Executor | None = None
    """None: what suits the form of the flow."""
    result_storage: Any = None
    on_failure: tuple[Any, ...] = ()
    on_completion: tuple[Any, ...] = ()
    state_handlers: tuple[StateHandler, ...] = ()
    flow_run_name: str | None = None
    """A template over the parameters, such as `etl-{day}`."""
    retry: RetryPolicy = NO_RETRY
    validate_parameters: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one run."""

    parameters: Mapping[str, Any]
    scheduled_start: float | None = None
    """Unix time in seconds; None is now."""
    watchers: tuple[Watcher, ...] = ()


class FlowRun:
    """Keeps the record of one run."""

    def __init__(self, flow: Any, name: str, options: FlowOptions, wanted: Wanted) -> None:
        prepare_logging()
        SECRETS_IN_USE.add(secret_texts(wanted.parameters))
        frame = FRAME.get()
        parent = None if frame is None else frame.run
        run_id = str(uuid4())
        now = time()
        self._flow = flow
        self._options = options
        self._watchers = wanted.watchers
        self._journal = current_journal()
        self.log = RunLog(self._journal, run_id)
        self.facts = RunFacts(
            flow_run_id=run_id,
            flow_run_name=_run_name(options, name, run_id, wanted.parameters),
            flow_name=name,
            parameters=wanted.parameters,
            scheduled_start=now if wanted.scheduled_start is None else wanted.scheduled_start,
            sink=self.log,
            tags=options.tags,
            parent_flow_run_id=None if parent is None else parent.flow_run_id,
        )
        parent_task_run_id = None if parent is None or frame is None else frame.task_run_id
        self._about = (
            *(run_id, name, self.facts.flow_run_name, options.version),
            *(self.facts.parent_flow_run_id, parent_task_run_id),
            *(describe_values(wanted.parameters), json.dumps([*map(SECRETS_IN_USE.hide, options.tags)])),
            self.facts.scheduled_start,
            *(socket.gethostname(), os.getpid()),
        )
        self._count = 0
        self._revision = 0
        self._started_at: float | None = None
        self.state = State(StateType.PENDING, "Pending", now)

    def begin(self) -> None:
        """Record that the run goes on, for the first time or again."""
        self._count += 1
        now = time()
        if self._started_at is None:
            self._started_at = now
            self.log.say(FLOW_LOGGER, logging.INFO, f"Beginning Flow run for '{self.facts.flow_name}'")
        self._move(State(StateType.RUNNING, "Running", now, f"Try {self._count}."))

    def acting(self) -> AbstractContextManager[object]:
        """Let this run, or the task in it that asks, answer for the blocks that are loaded meanwhile.

        The runs of one task count as one, under the flow run's id: a mapped task has as many as it likes.
        """
        return acting_as(self._actor)

    def _actor(self) -> Actor:
        frame, facts, user = FRAME.get(), self.facts, process_actor().user
        if frame is not None and frame.run is facts and frame.task_run_id is not None:
            return Actor("task", frame.task_name, facts.flow_run_id, user)
        return Actor("flow run", facts.flow_name, facts.flow_run_id, user)

    def driver(self, executor: Executor) -> Driver:
        """Return a driver for one try."""
        storage = self._options.result_storage
        return Driver(Surroundings(self.facts, self._journal, executor, storage, watchers=self._watchers))

    def retries_left(self) -> bool:
        """Tell whether a failure is to be followed by another try."""
        return self._count <= self._options.retry.retries

    def retry_later(self, error: BaseException, message: str) -> float:
        """Record that the run will be tried again and return in how many seconds."""
        text = f"Try {self._count} of {self._options.retry.retries + 1} failed: {message}"
        self.log.say(FLOW_LOGGER, logging.WARNING, f"Flow run RETRYING: {text}")
        self._move(State(StateType.RETRYING, "Retrying", time(), text, error))
        return self._options.retry.delay_seconds(self._count)

    def end(
        self, state: State, said: str, driver: Driver | None, stored: StoredResult | None = None
    ) -> State:
        """Record how the run ended, tell who asked for it, and return its state."""
        level = logging.ERROR if state.is_crashed() else logging.INFO
        self.log.say(FLOW_LOGGER, level, said)
        self._move(state, stored)
        entries = self._options.on_failure if state.is_failed() else ()
        if state.is_successful():
            entries = self._options.on_completion
        if entries:
            failures = () if driver is None else tuple((n.name, n.state) for n in driver.failures())
            send_alerts(entries, Occasion(self._flow, self.facts, state, failures), self._journal)
        if self.facts.parent_flow_run_id is None:
            self._journal.flush()
        finish_showing()
        return state

    def _move(self, state: State, stored: StoredResult | None = None) -> None:
        old = self.state
        self._revision += 1
        run_id, kind, message = self.facts.flow_run_id, state.type.value, SECRETS_IN_USE.hide(state.message)
        self._journal.append(
            FLOW_RUNS,
            (
                *self._about,
                *(self._count, kind, state.name, message, state.at, self._revision, self._started_at),
                state.at if state.type in FINISHED else None,
                *((stored.storage, stored.path, stored.location) if stored else (None, None, None)),
            ),
        )
        self._journal.append(STATES, (run_id, None, state.at, kind, state.name, message))
        self.state = state  # once it is recorded: an interrupt before that records another end
        for handler in self._options.state_handlers:
            try:
                handler(self._flow, old, state)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - what a handler does must not change the run
                text = f"A state handler of the flow raised.\n{traceback_of(error)}"
                self.log.say(FLOW_LOGGER, logging.ERROR, text)


def _run_name(options: FlowOptions, flow: str, run_id: str, parameters: Mapping[str, Any]) -> str:
    if options.flow_run_name is None:
        return f"{flow}-{run_id[:6]}"
    try:
        return SECRETS_IN_USE.hide(options.flow_run_name.format(**parameters))
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise FlowInvalid(
            f"The run name '{options.flow_run_name}' of flow '{flow}' cannot be made: {describe(error)}. Name "
            f"parameters in braces; there are: {', '.join(parameters) or 'none'}."
        ) from error
