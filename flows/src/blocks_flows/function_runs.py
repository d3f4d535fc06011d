"""One run of a flow function, with its further tries."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from inspect import BoundArguments
from time import time
from typing import Any, cast

from blocks_flows.arguments import resolve
from blocks_flows.context import FRAME, Frame
from blocks_flows.deadlines import Deadline
from blocks_flows.driver import Driver
from blocks_flows.errors import EngineFailed, FlowFailed, RunPaused, TasksFailed
from blocks_flows.executors import Executor
from blocks_flows.failures import describe
from blocks_flows.flow_options import FlowOptions
from blocks_flows.flow_run import FlowRun
from blocks_flows.futures import resolve_value
from blocks_flows.hosts import FunctionHost
from blocks_flows.results import StoredResult, load_storage, write_result
from blocks_flows.run_logs import FLOW_LOGGER, captured_prints, traceback_of
from blocks_flows.states import State, StateType
from blocks_flows.waits import Steps


@dataclass(frozen=True, slots=True)
class _Ending:
    """What a call of the function came to."""

    value: Any = None
    stored: StoredResult | None = None
    error: Exception | None = None


class FunctionRun:
    """Calls the function until it succeeds, or its tries or its time are used up."""

    def __init__(self, flow: Any, run: FlowRun, bound: BoundArguments, executor: Executor) -> None:
        self._flow = flow
        self._options: FlowOptions = flow.options
        self._run = run
        self._bound = bound
        self._executor = executor
        self._deadline: Deadline | None = None

    def steps(self) -> Steps[State]:
        """Run to the end and return the state."""
        seconds = self._options.timeout_seconds
        if seconds is not None:
            self._deadline = Deadline(seconds, self._run.time_out)
        try:
            state = None
            while state is None:
                state = yield from self._try()
            return state
        finally:
            if self._deadline is not None:
                self._deadline.close()

    def _try(self) -> Steps[State | None]:
        """Try once and return how the run ended; None: it is to be tried again now."""
        run = self._run
        driver = run.driver(self._executor)
        try:
            run.begin()
            state = yield from self._decide(driver, (yield from self._call(driver)))
        except GeneratorExit:
            run.interrupted(driver, KeyboardInterrupt())
            driver.close()
            raise
        except BaseException as error:
            run.interrupted(driver, error)
            yield lambda waits: waits.close(driver)
            raise
        yield lambda waits: waits.close(driver)
        return state

    def _decide(self, driver: Driver, ending: _Ending) -> Steps[State | None]:
        run, error = self._run, ending.error
        is_last = error is None or isinstance(error, RunPaused) or not run.retries_left()
        if self._is_timed_out(is_last):
            return run.state
        if error is None:
            state = State(StateType.SUCCESS, "Success", time(), "The flow function returned.", ending.value)
            return run.end(state, "Flow run SUCCESS: the flow function returned", driver, ending.stored)
        if isinstance(error, RunPaused):
            state = State(StateType.PAUSED, "Paused", time(), str(error), error)
            return run.end(state, f"Flow run PAUSED: {state.message}", driver)
        if is_last:
            state = State(StateType.FAILED, "Failed", time(), describe(error), error)
            run.log.say(FLOW_LOGGER, logging.ERROR, traceback_of(error))
            return run.end(state, f"Flow run FAILED: {state.message}", driver)
        seconds = run.retry_later(error, describe(error))
        if self._deadline is not None:
            seconds = min(seconds, self._deadline.seconds_left())
        yield lambda waits: waits.pause(seconds)
        return run.state if self._is_timed_out(False) else None

    def _is_timed_out(self, is_last: bool) -> bool:
        """Tell whether the run has ended as its time is over; after the last try it cannot any more."""
        if self._deadline is None or not (is_last or self._deadline.is_over()):
            return False
        self._deadline.close()
        return self._run.state.is_finished()

    def _call(self, driver: Driver) -> Steps[_Ending]:
        """Call the function once, wait for its tasks and keep its value."""
        driver.host = host = FunctionHost(driver, is_async=self._flow.is_async)
        frame = Frame(host=host, run=self._run.facts, is_async=self._flow.is_async)
        token = FRAME.set(frame)
        try:
            try:
                with captured_prints(frame) if self._options.log_prints else nullcontext():
                    value = yield lambda waits: waits.call(self._flow.fn, self._bound, self._deadline)
                yield lambda waits: waits.settle(driver)
                value = _judged(resolve(value, resolve_value))
                _raise_unseen(host)
                stored = None
                if self._is_kept():
                    stored = yield lambda waits: waits.work(lambda: self._keep(value))
                return _Ending(value, stored)
            except EngineFailed:
                raise
            except Exception as error:  # noqa: BLE001 - a flow may raise anything; it is in the state, and raised
                yield lambda waits: waits.settle(driver)
                return _Ending(error=error)
        finally:
            FRAME.reset(token)

    def _is_kept(self) -> bool:
        wanted = self._options.persist_result
        return self._options.result_storage is not None if wanted is None else wanted

    def _keep(self, value: Any) -> StoredResult:
        options = self._options
        return write_result(load_storage(options.result_storage), value, serializer=options.serializer)


def _judged(value: Any) -> Any:
    """Return what a flow function returned, of a state its value.

    Raises:  FlowFailed, or what is in the state: it is the state of what failed, or one in a list is.
    """
    if isinstance(value, State):
        _raise_failed([value])
        return value.result
    if isinstance(value, Mapping):
        states: list[Any] = list(cast("Mapping[Any, Any]", value).values())
    elif isinstance(value, (list, tuple, set)):
        states = list(cast("list[Any]", value))
    else:
        return value
    if all(isinstance(state, State) for state in states):
        _raise_failed(states)
    return cast("Any", value)


def _raise_failed(states: list[State]) -> None:
    failed = [state for state in states if state.is_failed() or state.is_cancelled()]
    if not failed:
        return
    error = failed[0].result
    if len(states) == 1 and isinstance(error, Exception):
        raise error
    text = f"{len(failed)} of {len(states)} states" if len(states) > 1 else "The state"
    message = failed[0].message or failed[0].name
    raise FlowFailed(f"{text} that the flow function returned did not succeed: {message}") from (
        error if isinstance(error, BaseException) else None
    )


def _raise_unseen(host: FunctionHost) -> None:
    for future in host.futures:
        if future.is_held:
            future.result()
    failed = [future for future in host.futures if not future.is_seen and future.state.is_failed()]
    if failed:
        names = ", ".join(future.name for future in failed[:5])
        what = "A submitted task run" if len(failed) == 1 else f"{len(failed)} submitted task runs"
        raise TasksFailed(
            f"{what} failed and the flow did not look at the results ({names}). Call result() or wait() on futures "
            f"to handle that."
        )
