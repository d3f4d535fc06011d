"""One run of a flow: its facts, its record, its log, and who is told how it ends."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from threading import RLock
from time import time
from typing import Any

from blocks_core.current import Actor, acting_as, process_actor
from blocks_core.masking import SECRETS_IN_USE, secret_texts
from blocks_flows.alerts import Occasion, send_alerts
from blocks_flows.context import FRAME, RunFacts
from blocks_flows.driver import Driver
from blocks_flows.entries import Surroundings, Watcher
from blocks_flows.entry_points import entry_point_of, working_directory
from blocks_flows.errors import FlowInvalid, FlowTimedOut, RunStopped
from blocks_flows.executors import Executor
from blocks_flows.failures import describe
from blocks_flows.flow_options import FlowOptions
from blocks_flows.journal import current_journal
from blocks_flows.journal_rows import FLOW_RUNS, STATES
from blocks_flows.lineages import Lineage
from blocks_flows.liveness import own_mark
from blocks_flows.parameters import describe_values
from blocks_flows.results import StoredResult
from blocks_flows.run_logs import FLOW_LOGGER, RunLog, finish_showing, prepare_logging, traceback_of
from blocks_flows.run_names import make_run_name
from blocks_flows.source_versions import version_of
from blocks_flows.states import FINISHED, State, StateType


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
        if frame is not None and getattr(frame.host, "is_stopped", False):
            raise RunStopped(f"Flow '{name}' is not run, as the flow run that calls it was stopped.")
        self.lineage = Lineage(flow, keeps=options.persist_result is not False)
        again, run_id = self.lineage.again, self.lineage.run_id
        now = time()
        self._flow = flow
        self._options = options
        self._watchers = wanted.watchers
        self._journal = current_journal()
        self.log = RunLog(self._journal, run_id)
        scheduled = wanted.scheduled_start if again is None else again.scheduled_start
        self.facts = RunFacts(
            flow_run_id=run_id,
            flow_run_name=again.name if again else f"{name}-{run_id[:6]}",
            flow_name=name,
            parameters=wanted.parameters,
            scheduled_start=now if scheduled is None else scheduled,
            sink=self.log,
            tags=options.tags,
            parent_flow_run_id=None if parent is None else parent.flow_run_id,
            lineage=self.lineage,
        )
        if options.flow_run_name is not None and again is None:
            self.facts = replace(self.facts, flow_run_name=make_run_name(options.flow_run_name, self.facts))
        parent_task_run_id = None if parent is None or frame is None else frame.task_run_id
        self._about = (
            *(run_id, name, self.facts.flow_run_name, options.version or version_of(flow)),
            *(self.facts.parent_flow_run_id, parent_task_run_id),
            *(describe_values(wanted.parameters), json.dumps([*map(SECRETS_IN_USE.hide, options.tags)])),
            self.facts.scheduled_start,
            *(socket.gethostname(), os.getpid()),
            *(own_mark(), entry_point_of(flow), working_directory(), self.lineage.slug),
        )
        self._driver: Driver | None = None
        self._moving = RLock()
        self._count = 0 if again is None else again.run_count
        self._tries_before = self._count
        self._revision = 0 if again is None else again.revision
        self._started_at = None if again is None else again.started_at
        self.lineage.open(self.log, self._known)
        self.state = State(StateType.PENDING, "Pending", now)

    def begin(self) -> None:
        """Record that the run goes on, for the first time or again."""
        now = time()
        if self._count == self._tries_before:
            self.lineage.begin(self.facts.parameters)
            if self.lineage.again is not None:
                text = self.lineage.again.begin_text()
                self.log.say(FLOW_LOGGER, logging.INFO, text)
                self._move(State(StateType.SCHEDULED, "Restarted", now, text))
        self._count += 1
        if self._started_at is None:
            self._started_at = now
            self.log.say(FLOW_LOGGER, logging.INFO, f"Beginning Flow run for '{self.facts.flow_name}'")
        if self._move(State(StateType.RUNNING, "Running", now, f"Try {self._count}.")):
            self._tell(self.state, None)

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
        given = Surroundings(
            self._facts_of_try(),
            self._journal,
            executor,
            storage,
            self._options.serializer,
            watchers=self._watchers,
            checkpoint=self.lineage.checkpoint,
            earlier=None if self.lineage.again is None else self.lineage.again.earlier,
        )
        self._driver = Driver(given)
        return self._driver

    def kept_state(self) -> State | None:
        """Return how the run had ended, where it need not be run again: a child of one that is restarted."""
        return self.lineage.kept_state(self._options.result_storage)

    def retries_left(self) -> bool:
        """Tell whether a failure is to be followed by another try."""
        return self._tries <= self._options.retry.retries

    def retry_later(self, error: BaseException, message: str) -> float:
        """Record that the run will be tried again and return in how many seconds."""
        text = f"Try {self._tries} of {self._options.retry.retries + 1} failed: {message}"
        self.log.say(FLOW_LOGGER, logging.WARNING, f"Flow run RETRYING: {text}")
        self._move(State(StateType.RETRYING, "Retrying", time(), text, error))
        return self._options.retry.delay_seconds(self._tries)

    def end(
        self, state: State, said: str, driver: Driver | None, stored: StoredResult | None = None
    ) -> State:
        """Record how the run ended, tell who asked for it, and return its state."""
        if self.state.is_finished():
            return self.state
        level = logging.ERROR if state.is_crashed() else logging.INFO
        self.log.say(FLOW_LOGGER, level, said)
        if not self._move(state, stored):
            return self.state
        self._tell(state, driver)
        if self.facts.parent_flow_run_id is None:
            self._journal.flush()
        self.lineage.end(state, stored)
        finish_showing()
        return state

    def interrupted(self, driver: Driver, error: BaseException) -> None:
        """Record that the run was stopped: by the user, or by something that the engine did not foresee."""
        if self.state.is_finished():
            return
        kind, text = _stopped_by(error)
        try:
            driver.stop(text)
        finally:
            state = State(kind, kind.value, time(), text, error)
            self.end(state, f"Flow run {kind.value.upper()}: {text}", driver)

    def time_out(self) -> None:
        """Record that the run's time is over, and begin nothing more; called by its deadline."""
        text = f"The flow run took longer than {self._options.timeout_seconds:g} seconds."
        if self._driver is not None:
            self._driver.stop(text)
        state = State(StateType.FAILED, "TimedOut", time(), text, FlowTimedOut(text))
        self.end(state, f"Flow run TIMEDOUT: {text}", self._driver)

    def _tell(self, state: State, driver: Driver | None) -> None:
        entries = self._options.hooks.get(state.type, ())
        if entries:
            failures = () if driver is None else tuple((n.name, n.state) for n in driver.failures())
            send_alerts(entries, Occasion(self._flow, self.facts, state, failures), self._journal)

    def _facts_of_try(self) -> RunFacts:
        if self._count:
            self.facts = replace(self.facts, run_count=self._count + 1)
        return self.facts

    @property
    def _tries(self) -> int:
        """Return how often this process has tried."""
        return self._count - self._tries_before

    def _known(self) -> dict[str, Any]:
        """Return what is kept of the run for a restart, besides what it did."""
        known = dict(zip(FLOW_RUNS.columns, self._about, strict=False))
        known |= {"parameters": self.facts.parameters, "started_at": self._started_at}
        return {**known, "run_count": self._count, "executable": sys.executable}

    def _move(self, state: State, stored: StoredResult | None = None) -> bool:
        """Record a new state and tell the handlers; not once the run has ended, as by its deadline."""
        with self._moving:
            old = self.state
            if old.is_finished():
                return False
            self._record(state, stored)
            self.state = state  # once it is recorded: an interrupt before that records another end
        for handler in self._options.state_handlers:
            try:
                handler(self._flow, old, state)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - what a handler does must not change the run
                text = f"A state handler of the flow raised.\n{traceback_of(error)}"
                self.log.say(FLOW_LOGGER, logging.ERROR, text)
        return True

    def _record(self, state: State, stored: StoredResult | None) -> None:
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
        self._journal.append(STATES, (run_id, None, state.at, kind, state.name, message, 0))


def run_by_schedule(flow: Any, given: Mapping[str, Any], **how: Any) -> State:
    """Run a flow of either form at each time of its schedule, and return how it ended the last time.

    Args:    given: parameters; they go before what the schedule gives. how: what else its `run` takes.
    Raises:  ScheduleEnded, ScheduleInvalid, ParametersInvalid.
    """
    from blocks_flows.scheduled_runs import run_on_schedule  # late: start-up time; few flows have a schedule

    return run_on_schedule(
        lambda start, defaults: flow.run({**defaults, **given}, scheduled_start_time=start, **how),
        flow.options.schedule,
    )


def start_seconds(moment: datetime | None) -> float | None:
    """Return a scheduled start as a Unix time in seconds.

    Raises:  FlowInvalid: it has no time zone.
    """
    if moment is not None and moment.tzinfo is None:
        raise FlowInvalid(
            f"scheduled_start_time {moment} has no time zone, so it names no moment. Give one: "
            f"datetime(…, tzinfo=UTC), or pendulum.datetime(…)."
        )
    return None if moment is None else moment.timestamp()


def _stopped_by(error: BaseException) -> tuple[StateType, str]:
    if isinstance(error, KeyboardInterrupt):
        return StateType.CANCELLED, "Interrupted."
    if type(error).__module__ == "asyncio.exceptions":  # CancelledError: whoever awaits the run gave it up
        return StateType.CANCELLED, "Cancelled."
    if isinstance(error, SystemExit):
        return StateType.FAILED, f"The flow function ends the program: {describe(error)}"
    return StateType.CRASHED, f"The engine stopped: {describe(error)}"
