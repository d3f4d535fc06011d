"""Flows: graphs that are declared and then run, and functions that run as Python runs them."""

from __future__ import annotations

import copy
import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Token
from datetime import datetime
from time import sleep, time
from types import MethodType, TracebackType
from typing import Any, Self, TypedDict, Unpack, cast, overload

from blocks_flows.arguments import Reference, resolve
from blocks_flows.context import FRAME, Frame
from blocks_flows.driver import Driver
from blocks_flows.entries import Entry, Watcher
from blocks_flows.errors import EngineFailed, FlowInvalid, RunPaused, TasksFailed
from blocks_flows.executors import Executor, LocalDaskExecutor, LocalExecutor
from blocks_flows.failures import describe
from blocks_flows.flow_run import FlowOptions, FlowRun, Wanted
from blocks_flows.futures import FunctionHost, resolve_value
from blocks_flows.graph import Graph
from blocks_flows.machine import final_state
from blocks_flows.nodes import Node
from blocks_flows.options import (
    Delay,
    StateHandler,
    check_options,
    one_of,
    read_alerts,
    read_retry,
    read_storage,
    several,
)
from blocks_flows.parameters import Parameter, SignatureParameters, choose_values
from blocks_flows.progress import Display, shown_progress
from blocks_flows.results import StoredResult, load_storage, write_result
from blocks_flows.run_logs import FLOW_LOGGER, traceback_of
from blocks_flows.states import State, StateType
from blocks_flows.tasks import Task


class GraphArguments(TypedDict, total=False):
    """What `Flow` takes besides its name."""

    description: str
    version: str
    tags: Sequence[str]
    executor: Executor
    result_storage: Any
    """A storage block, or the address of one such as `s3/results`."""
    on_failure: Any
    """A notifier block, an address such as `slack-webhook/alerts`, a function (flow, run, state), or a list."""
    on_completion: Any
    """The same, of a success."""
    state_handlers: Sequence[StateHandler]
    """Each is called with the flow, the old and the new state; what it returns does not count."""
    flow_run_name: str


class FunctionArguments(GraphArguments, total=False):
    """What `@flow` takes."""

    name: str
    task_runner: Executor
    """The same as executor."""
    retries: int
    retry_delay_seconds: Delay
    validate_parameters: bool


class Flow:
    """A graph of tasks: `with Flow("train") as f:` declares it, `f.run()` runs it.

    The executor is by default `LocalExecutor()`: one task after another.
    """

    def __init__(self, name: str, **arguments: Unpack[GraphArguments]) -> None:
        self.name = name
        self.options = _read_options(f"Flow '{name}'", arguments, tuple(GraphArguments.__annotations__), "")
        self.graph = Graph(name)
        self._reference: list[Task] | None = None
        self._tokens: list[Token[Frame | None]] = []

    def __enter__(self) -> Self:
        outer = FRAME.get()
        self._tokens.append(FRAME.set(Frame(host=self.graph, run=None if outer is None else outer.run)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        FRAME.reset(self._tokens.pop())

    def __repr__(self) -> str:
        return f"<Flow: {self.name}>"

    @property
    def tasks(self) -> list[Task]:
        """Return the tasks in the order they were placed."""
        return list(self.graph.placements)

    def parameters(self) -> list[Parameter]:
        """Return the declared parameters."""
        return list(self.graph.parameters.values())

    @property
    def reference_tasks(self) -> list[Task]:
        """Return the tasks that decide how a run ends: those that none waits for, unless others were set."""
        return self.graph.leaves() if self._reference is None else list(self._reference)

    @reference_tasks.setter
    def reference_tasks(self, tasks: Iterable[Task]) -> None:
        chosen = list(tasks)
        for task in chosen:
            if task not in self.graph.placements:
                raise FlowInvalid(
                    f"{task!r} is no task of flow '{self.name}', so it cannot decide how it ends."
                )
        self._reference = chosen

    def set_reference_tasks(self, tasks: Iterable[Task]) -> None:
        """Do what setting `reference_tasks` does."""
        self.reference_tasks = tasks

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        executor: Executor | None = None,
        scheduled_start_time: datetime | None = None,
        progress: bool | Display = False,
        **more: Any,
    ) -> State:
        """Run the graph and return how it ended; `state.result[task]` is the state of a task.

        Args:    parameters, more: the parameters' values.
                 progress: show how far the tasks are.
        Raises:  ParametersInvalid.
        """
        given = {**(parameters or {}), **more}
        values = choose_values(self.name, self.graph.parameters, given)
        with shown_progress(self.name, progress) as watchers:
            run = FlowRun(
                self, self.name, self.options, Wanted(values, _seconds(scheduled_start_time), watchers)
            )
            driver = run.driver(executor or self.options.executor or LocalExecutor())
            with run.acting():
                try:
                    run.begin()
                    return self._drive(run, driver)
                except BaseException as error:
                    _interrupted(run, driver, error)
                    raise
                finally:
                    driver.close()

    def _drive(self, run: FlowRun, driver: Driver) -> State:
        driver.host = FunctionHost(driver)
        nodes = self._add_all(driver)
        driver.begin(list(nodes.values()))
        driver.wait_for_all()
        driver.close()
        results = {task: node.state for task, node in nodes.items()}
        reference = [nodes[task] for task in self.reference_tasks]
        state = final_state(reference, driver.machine.nodes, results, time())
        if state.is_successful():
            return run.end(state, "Flow run SUCCESS: all reference tasks succeeded", driver)
        return run.end(
            state, f"Flow run {state.name.upper()}: {state.message[0].lower()}{state.message[1:]}", driver
        )

    def _add_all(self, driver: Driver) -> dict[Reference, Node]:
        nodes: dict[Reference, Node] = {}
        for placement in self.graph.in_order():
            entry = Entry(placement.task, placement.slug, placement.arguments, nodes)
            upstreams = [nodes[task] for task in placement.upstreams]
            mapped_over = [nodes[task] for task in placement.mapped_over] if placement.mapped else None
            nodes[placement.task] = driver.add(entry, upstreams, mapped_over)
        return nodes


class FunctionFlow:
    """A function whose calls are recorded runs, and whose tasks are task runs.

    Called, it returns what the function returns, or raises what it raises. The executor, by default
    `LocalDaskExecutor()`, is for tasks that are submitted or mapped; one that is called runs where it is.
    """

    def __init__(self, fn: Callable[..., Any], **arguments: Unpack[FunctionArguments]) -> None:
        if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
            raise FlowInvalid(
                f"Flow '{fn.__qualname__}' is an async function, which this version cannot run."
            )
        if inspect.isgeneratorfunction(fn):
            raise FlowInvalid(
                f"Flow '{fn.__qualname__}' is a generator: it would run only after its run is over. "
                f"Return a list, or make the generator a function of its own."
            )
        self.name = arguments.pop("name", None) or getattr(fn, "__name__", type(fn).__name__)
        known = (*GraphArguments.__annotations__, *FunctionArguments.__annotations__)
        self.options = _read_options(
            f"Flow '{self.name}'", arguments, known, inspect.cleandoc(fn.__doc__ or "")
        )
        self.fn = fn
        self._parameters = SignatureParameters(self.name, fn)
        functools.update_wrapper(cast("Callable[..., Any]", self), fn, updated=())

    def __get__(self, instance: object, owner: type | None = None) -> FunctionFlow:
        """Return the flow of a method: of a class as it is, of an object bound to that."""
        if instance is None or isinstance(self.fn, staticmethod):
            return self
        bound = copy.copy(self)
        bound.fn = MethodType(self.fn, instance)
        bound._parameters = SignatureParameters(self.name, bound.fn)
        return bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function and return what it returns, or raise what it raises."""
        state = self._run(args, kwargs, None, None, ())
        if isinstance(state.result, BaseException) and (state.is_failed() or state.is_paused()):
            raise state.result
        return state.result

    def __repr__(self) -> str:
        return f"<Flow: {self.name}>"

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        executor: Executor | None = None,
        scheduled_start_time: datetime | None = None,
        progress: bool | Display = False,
        **more: Any,
    ) -> State:
        """Run the function and return how it ended; `state.result` is what it returned or raised.

        Args:    parameters, more: the parameters' values.
                 progress: show how far the tasks are.
        Raises:  ParametersInvalid.
        """
        given = {**(parameters or {}), **more}
        with shown_progress(self.name, progress) as watchers:
            return self._run((), given, executor, _seconds(scheduled_start_time), watchers)

    def _run(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        executor: Executor | None,
        scheduled_start: float | None,
        watchers: tuple[Watcher, ...],
    ) -> State:
        bound = self._parameters.bind(resolve(args, resolve_value), resolve(dict(kwargs), resolve_value))
        if self.options.validate_parameters:
            self._parameters.validate(bound)
        run = FlowRun(self, self.name, self.options, Wanted(bound.arguments, scheduled_start, watchers))
        with run.acting():
            return self._try_until_done(run, bound, executor or self.options.executor or LocalDaskExecutor())

    def _try_until_done(self, run: FlowRun, bound: inspect.BoundArguments, executor: Executor) -> State:
        while True:
            driver = run.driver(executor)
            try:
                run.begin()
                value, stored, error = self._try(run, driver, bound)
                if error is None:
                    state = State(StateType.SUCCESS, "Success", time(), "The flow function returned.", value)
                    return run.end(state, "Flow run SUCCESS: the flow function returned", driver, stored)
                if isinstance(error, RunPaused):
                    state = State(StateType.PAUSED, "Paused", time(), str(error), error)
                    return run.end(state, f"Flow run PAUSED: {state.message}", driver)
                if not run.retries_left():
                    state = State(StateType.FAILED, "Failed", time(), describe(error), error)
                    run.log.say(FLOW_LOGGER, logging.ERROR, traceback_of(error))
                    return run.end(state, f"Flow run FAILED: {state.message}", driver)
                sleep(run.retry_later(error, describe(error)))
            except BaseException as error:
                _interrupted(run, driver, error)
                raise
            finally:
                driver.close()

    def _try(
        self, run: FlowRun, driver: Driver, bound: inspect.BoundArguments
    ) -> tuple[Any, StoredResult | None, Exception | None]:
        driver.host = host = FunctionHost(driver)
        token = FRAME.set(Frame(host=host, run=run.facts))
        try:
            try:
                value = resolve(self.fn(*bound.args, **bound.kwargs), resolve_value)
                driver.wait_for_all()
                _raise_unseen(host)
                storage = self.options.result_storage
                return value, None if storage is None else write_result(load_storage(storage), value), None
            except EngineFailed:
                raise
            except Exception as error:  # noqa: BLE001 - a flow may raise anything; it is in the state, and raised
                driver.wait_for_all()
                return None, None, error
        finally:
            FRAME.reset(token)


@overload
def flow(fn: Callable[..., Any], /) -> FunctionFlow: ...
@overload
def flow(**arguments: Unpack[FunctionArguments]) -> Callable[[Callable[..., Any]], FunctionFlow]: ...
def flow(fn: Callable[..., Any] | None = None, /, **arguments: Unpack[FunctionArguments]) -> Any:
    """Make a flow of a function: `@flow`, or `@flow(retries=1, result_storage="s3/results")`.

    Raises:  OptionUnknown, FlowInvalid.
    """
    if fn is None:
        return functools.partial(FunctionFlow, **arguments)
    return FunctionFlow(fn, **arguments)


def _raise_unseen(host: FunctionHost) -> None:
    for future in host.futures:
        if future.is_held:
            future.result()
    failed = [future for future in host.futures if not future.is_seen and future.state.is_failed()]
    if failed:
        names = ", ".join(future.name for future in failed[:5])
        raise TasksFailed(
            f"{len(failed)} submitted task runs failed and the flow did not look at their results ({names}). "
            f"Call result() or wait() on their futures to handle that."
        )


def _interrupted(run: FlowRun, driver: Driver, error: BaseException) -> None:
    """Record that a run was stopped: by the user, or by something that the engine did not foresee."""
    if run.state.is_finished():
        return
    by_user = isinstance(error, KeyboardInterrupt)
    text = "Interrupted." if by_user else f"The engine stopped: {describe(error)}"
    kind = StateType.CANCELLED if by_user else StateType.CRASHED
    try:
        driver.stop(text)
    finally:
        run.end(
            State(kind, kind.value, time(), text, error), f"Flow run {kind.value.upper()}: {text}", driver
        )


def _seconds(moment: datetime | None) -> float | None:
    if moment is not None and moment.tzinfo is None:
        raise FlowInvalid(
            f"scheduled_start_time {moment} has no time zone, so it names no moment. Give one: "
            f"datetime(…, tzinfo=UTC), or pendulum.datetime(…)."
        )
    return None if moment is None else moment.timestamp()


def _read_options(what: str, given: Any, known: tuple[str, ...], doc: str) -> FlowOptions:
    check_options(what, given, known)
    executor = one_of(what, given, ("executor", "task_runner"), None)
    if executor is not None and not isinstance(executor, Executor):
        raise FlowInvalid(
            f"{what} has an executor of type {type(executor).__name__}. Give one of blocks_flows.executors, "
            f"such as LocalDaskExecutor(num_workers=8)."
        )
    return FlowOptions(
        description=given.get("description", doc),
        version=given.get("version"),
        tags=several(given.get("tags")),
        executor=executor,
        result_storage=read_storage(what, given.get("result_storage")),
        on_failure=read_alerts(what, given.get("on_failure")),
        on_completion=read_alerts(what, given.get("on_completion")),
        state_handlers=several(given.get("state_handlers")),
        flow_run_name=given.get("flow_run_name"),
        retry=read_retry(what, given.get("retries", 0), given.get("retry_delay_seconds", 0.0)),
        validate_parameters=given.get("validate_parameters", True),
    )
