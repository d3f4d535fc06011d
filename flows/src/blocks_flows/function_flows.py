"""Flows as functions: they run as Python runs, and each call is a recorded run."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MethodType
from typing import Any, Unpack, cast, overload

from blocks_flows.arguments import resolve
from blocks_flows.calling import run_in_loop
from blocks_flows.context import is_in_a_run, loop_to_await
from blocks_flows.errors import FlowInvalid
from blocks_flows.executors import Executor, LocalDaskExecutor
from blocks_flows.flow_options import FunctionArguments, changed_arguments, read_flow_options
from blocks_flows.flow_run import FlowRun, Wanted, run_by_schedule, start_seconds
from blocks_flows.function_runs import FunctionRun
from blocks_flows.futures import resolve_value
from blocks_flows.lineages import is_passed_over
from blocks_flows.parameters import SignatureParameters
from blocks_flows.progress import Display, shown_progress
from blocks_flows.stacks import is_stack_deep, run_on_new_stack
from blocks_flows.states import State
from blocks_flows.waits import Steps, finish


class FunctionFlow:
    """A function whose calls are recorded runs, and whose tasks are task runs.

    Called, it returns what the function returns, or raises what it raises. The executor, by default
    `LocalDaskExecutor()`, is for tasks that are submitted or mapped; one that is called runs where it is.
    """

    def __init__(self, fn: Callable[..., Any], **arguments: Unpack[FunctionArguments]) -> None:
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise FlowInvalid(
                f"Flow '{fn.__qualname__}' is a generator: it would run only after its run is over. "
                f"Return a list, or make the generator a function of its own."
            )
        self.name = arguments.get("name") or getattr(fn, "__name__", type(fn).__name__)
        self.options = read_flow_options(f"Flow '{self.name}'", arguments, FunctionArguments, fn.__doc__)
        self.fn = fn
        self.is_async = inspect.iscoroutinefunction(fn)
        self._declared_with = arguments
        self._parameters = SignatureParameters(self.name, fn)
        functools.update_wrapper(cast("Callable[..., Any]", self), fn, updated=())

    def with_options(self, **changes: Unpack[FunctionArguments]) -> FunctionFlow:
        """Return a flow like this one but for some options.

        Raises:  OptionUnknown, FlowInvalid.
        """
        return FunctionFlow(self.fn, **changed_arguments(self._declared_with, changes))

    def __get__(self, instance: object, owner: type | None = None) -> FunctionFlow:
        """Return the flow of a method: of a class as it is, of an object bound to that."""
        if instance is None or isinstance(self.fn, staticmethod):
            return self
        bound = copy.copy(self)
        bound.fn = MethodType(self.fn, instance)
        bound._parameters = SignatureParameters(self.name, bound.fn)
        return bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function and return what it returns, or raise what it raises.

        Of an async flow this is a coroutine; in a run, where the caller cannot await one, the value.
        """
        if is_passed_over(self.name):
            return None
        is_awaited = loop_to_await() is not None or not is_in_a_run()
        return self._run(self._steps(args, kwargs, None, None, False), _value_of, is_awaited)

    def __repr__(self) -> str:
        return f"<Flow: {self.name}>"

    def parameter_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameters, typed as the function's annotations say."""
        return self._parameters.schema()

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        executor: Executor | None = None,
        scheduled_start_time: datetime | None = None,
        progress: bool | Display = False,
        run_on_schedule: bool = True,
        **more: Any,
    ) -> State:
        """Run the function and return how it ended; `state.result` is what it returned or raised.

        Of an async flow, where an event loop runs, this is a coroutine.
        A flow with a schedule waits for each of its times and runs then, until there is none any more, unless a
        start time is given.

        Args:    parameters, more: the parameters' values.
                 progress: show how far the tasks are.
                 run_on_schedule: False: run once, now.
        Raises:  ParametersInvalid.
        """
        if is_passed_over(self.name):
            return cast("State", None)
        given = {**(parameters or {}), **more}
        if self.options.schedule is not None and run_on_schedule and scheduled_start_time is None:
            return run_by_schedule(self, given, executor=executor, progress=progress)
        start = start_seconds(scheduled_start_time)
        steps = self._steps((), given, executor, start, progress)
        return self._run(steps, lambda state: state, loop_to_await() is not None)

    def _steps(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        executor: Executor | None,
        scheduled_start: float | None,
        progress: bool | Display,
    ) -> Steps[State]:
        yield lambda waits: waits.ready((args, kwargs))
        bound = self._parameters.bind(resolve(args, resolve_value), resolve(dict(kwargs), resolve_value))
        if self.options.validate_parameters:
            self._parameters.validate(bound)
        with shown_progress(self.name, progress) as watchers:
            run = FlowRun(self, self.name, self.options, Wanted(bound.arguments, scheduled_start, watchers))
            kept = run.kept_state()
            if kept is not None:
                return kept
            chosen = executor or self.options.executor or LocalDaskExecutor()
            with run.acting():
                return (yield from FunctionRun(self, run, bound, chosen).steps())

    def _run(self, steps: Steps[State], read: Callable[[State], Any], is_awaited: bool) -> Any:
        """Run to the end; of an async flow that is awaited return a coroutine that does."""
        if not self.is_async:
            return read(_finish_on_some_stack(steps))
        from blocks_flows.event_loops import finish_awaiting  # late: start-up time; only async flows need it

        coroutine = finish_awaiting(steps, read)
        coroutine.__qualname__ = self.name  # for Python's warning where nobody awaits it
        return coroutine if is_awaited else run_in_loop(coroutine)


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


def _value_of(state: State) -> Any:
    if isinstance(state.result, BaseException) and (state.is_failed() or state.is_paused()):
        raise state.result
    return state.result


def _finish_on_some_stack(steps: Steps[State]) -> State:
    if not is_stack_deep():
        return finish(steps)
    states: list[State] = []  # flows may be nested deeper than one stack
    run_on_new_stack(lambda: states.append(finish(steps)))
    return states[0]
