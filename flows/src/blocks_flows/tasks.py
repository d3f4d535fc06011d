"""Tasks: functions, or classes with a method `run`, and how they are to be run."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from types import MethodType
from typing import Any, Protocol, TypedDict, Unpack, cast, overload

from blocks_core.capabilities import Notifier, Storage
from blocks_core.names import split_address, suggest
from blocks_flows.arguments import Reference
from blocks_flows.context import FRAME, Host
from blocks_flows.errors import FlowInvalid, FlowMissing, OptionUnknown
from blocks_flows.machine import NO_RETRY, RetryPolicy

Delay = float | timedelta | Sequence[float | timedelta]
StateHandler = Callable[[Any, Any, Any], object]


class TaskArguments(TypedDict, total=False):
    """What `@task` and `Task` take; words of both generations of flow programs."""

    name: str
    description: str
    tags: Sequence[str]
    version: str
    retries: int
    max_retries: int
    retry_delay_seconds: Delay
    retry_delay: Delay
    task_run_name: str
    log_stdout: bool
    on_failure: Any
    """A notifier block, an address such as `slack-webhook/alerts`, a function (task, run, state), or a list."""
    state_handlers: Sequence[StateHandler]
    """Each is called with the task, the old and the new state; what it returns does not count."""
    result_storage: Storage | str
    persist_result: bool


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How a task is to be run."""

    description: str = ""
    tags: tuple[str, ...] = ()
    version: str | None = None
    retry: RetryPolicy = NO_RETRY
    task_run_name: str | None = None
    """A template over the arguments, such as `train-{alpha}`."""
    log_stdout: bool = False
    on_failure: tuple[Any, ...] = ()
    state_handlers: tuple[StateHandler, ...] = ()
    result_storage: Any = None
    persist_result: bool | None = None
    """None: where there is a storage."""


class Graph(Protocol):
    """The flow that a task was placed in; see `blocks_flows.graph`."""

    def item(self, task: Task, key: Any) -> Task:
        """Place a task that takes an item out of another one's value."""
        ...

    def add_edge(self, upstream: Task, downstream: Task) -> None:
        """Make one task wait for another."""
        ...


class Task(Reference):
    """A step of a flow. Subclass it and write `run`, or put `@task` on a function.

    Called in a `with Flow(...)`, it is placed in the flow: a copy of it, that stands for its result.
    Called in a function with `@flow`, it runs and returns its value.
    """

    def __init__(self, **arguments: Unpack[TaskArguments]) -> None:
        self.name = arguments.get("name") or _name_of(self)
        self.options = _read_options(f"Task '{self.name}'", arguments, type(self).__doc__)
        self.graph: Graph | None = None
        """The flow that this copy is placed in."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; called by the engine, or by hand to do without it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no method 'run'. Write one: it is the task's work."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Place the task in the flow that is declared, or run it in the flow that runs."""
        return self._host("called").call(self, args, kwargs)

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Run once for each element of the arguments; `unmapped(x)` gives x to every run."""
        return self._host("mapped").map(self, args, kwargs)

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Start a run in a function with `@flow` and return its future at once."""
        return self._host("submitted").submit(self, args, kwargs)

    def set_upstream(self, task: Task) -> None:
        """Run after another task of the same flow."""
        self._placed("set_upstream").add_edge(task, self)

    def set_downstream(self, task: Task) -> None:
        """Run before another task of the same flow."""
        self._placed("set_downstream").add_edge(self, task)

    def placed_in(self, graph: Graph) -> Task:
        """Return a copy for a flow."""
        twin = copy.copy(self)
        twin.graph = graph
        return twin

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """Return what `run` takes."""
        return inspect.signature(self.run)

    def __getitem__(self, key: Any) -> Task:
        return self._placed("indexing").item(self, key)

    def __iter__(self) -> Any:
        raise FlowInvalid(
            f"Task '{self.name}' cannot be iterated over: its value is made when the flow runs. Take items by "
            f"index (x[0]), or map a task over it."
        )

    def __bool__(self) -> bool:
        raise FlowInvalid(
            f"Task '{self.name}' is neither true nor false: its value is made when the flow runs. "
            f"Decide inside a task."
        )

    def __repr__(self) -> str:
        return f"<Task: {self.name}>"

    def _host(self, done: str) -> Host:
        frame = FRAME.get()
        if frame is None or frame.host is None:
            raise FlowMissing(
                f"Task '{self.name}' was {done} outside of a flow. Do it in a `with Flow(...)`, or in a function "
                f"with @flow; {self.name}.run(...) runs the bare function."
            )
        return frame.host

    def _placed(self, what: str) -> Graph:
        if self.graph is None:
            raise FlowInvalid(
                f"Task '{self.name}' stands for no result yet, so {what} means nothing. "
                f"Call it in a `with Flow(...)` first and use what the call returns."
            )
        return self.graph


class FunctionTask(Task):
    """A task whose work is a function."""

    def __init__(self, fn: Callable[..., Any], **arguments: Unpack[TaskArguments]) -> None:
        name = getattr(fn, "__name__", type(fn).__name__)
        if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
            raise FlowInvalid(f"Task '{name}' is an async function, which this version cannot run.")
        arguments.setdefault("name", name)
        arguments.setdefault("description", inspect.cleandoc(fn.__doc__ or ""))
        super().__init__(**arguments)
        self.fn = fn
        self.run = fn
        functools.update_wrapper(cast("Callable[..., Any]", self), fn, updated=())

    def __get__(self, instance: object, owner: type | None = None) -> FunctionTask:
        """Return the task of a method: of a class as it is, of an object bound to that."""
        if instance is None or isinstance(self.fn, staticmethod):
            return self
        bound = copy.copy(self)
        bound.fn = bound.run = MethodType(self.fn, instance)
        bound.__dict__.pop("signature", None)
        return bound


@overload
def task(fn: Callable[..., Any], /) -> FunctionTask: ...
@overload
def task(**arguments: Unpack[TaskArguments]) -> Callable[[Callable[..., Any]], FunctionTask]: ...
def task(fn: Callable[..., Any] | None = None, /, **arguments: Unpack[TaskArguments]) -> Any:
    """Make a task of a function: `@task`, or `@task(retries=3, retry_delay_seconds=[1, 10])`.

    Raises:  OptionUnknown, FlowInvalid.
    """
    if fn is None:
        return functools.partial(FunctionTask, **arguments)
    return FunctionTask(fn, **arguments)


def check_options(what: str, given: Any, known: Sequence[str]) -> None:
    """Refuse arguments that there are not.

    Raises:  OptionUnknown.
    """
    for option in given:
        if option not in known:
            raise OptionUnknown(what, option, suggest(option, known), known)


def one_of_two(what: str, given: Any, first: str, second: str, default: Any) -> Any:
    """Return what was given under either of two names.

    Raises:  FlowInvalid: under both.
    """
    if first in given and second in given:
        raise FlowInvalid(f"{what} has both '{first}' and '{second}', which mean the same. Leave one out.")
    return given.get(first, given.get(second, default))


def read_retry(what: str, retries: Any, delay: Delay) -> RetryPolicy:
    """Return a policy from a number of retries and a delay, or a list of delays.

    Raises:  FlowInvalid.
    """
    listed: Sequence[Any] = cast("Sequence[Any]", delay) if isinstance(delay, (list, tuple)) else (delay,)
    seconds: tuple[Any, ...] = tuple(
        each.total_seconds() if isinstance(each, timedelta) else each for each in listed
    )
    if not isinstance(retries, int) or retries < 0:
        raise FlowInvalid(f"{what} has retries={retries!r}. Give a whole number, 0 or more.")
    if not seconds or not all(isinstance(each, (int, float)) and each >= 0 for each in seconds):
        raise FlowInvalid(
            f"{what} has the retry delay {delay!r}. Give seconds or a timedelta, 0 or more, or a list of them."
        )
    return RetryPolicy(retries, seconds)


def several(given: Any) -> tuple[Any, ...]:
    """Return what was given alone, in a list, or not at all, as a tuple."""
    if given is None:
        return ()
    return tuple(cast("Sequence[Any]", given)) if isinstance(given, (list, tuple, set)) else (given,)


def read_alerts(what: str, given: Any) -> tuple[Any, ...]:
    """Return the entries of an `on_failure` or `on_completion`.

    Raises:  FlowInvalid, NameInvalid.
    """
    entries = several(given)
    for entry in entries:
        if isinstance(entry, str):
            split_address(entry)
        elif not isinstance(entry, Notifier) and not callable(entry):
            raise FlowInvalid(
                f"{what} is to tell a {type(entry).__name__} of its end. Give a notifier block, the address of "
                f"one such as 'slack-webhook/alerts', or a function."
            )
    return entries


def read_storage(what: str, given: Any) -> Any:
    """Return a storage block or its address, or None.

    Raises:  FlowInvalid, NameInvalid.
    """
    if isinstance(given, str):
        split_address(given)
    elif given is not None and not isinstance(given, Storage):
        raise FlowInvalid(
            f"{what} has a result_storage of type {type(given).__name__}. Give a storage block, or the address "
            f"of one such as 's3/results'."
        )
    return given


def _read_options(what: str, given: TaskArguments, doc: str | None) -> TaskOptions:
    check_options(what, given, tuple(TaskArguments.__annotations__))
    retries = one_of_two(what, given, "retries", "max_retries", 0)
    delay = one_of_two(what, given, "retry_delay_seconds", "retry_delay", 0.0)
    plain = {field.name for field in fields(TaskOptions)} - {"retry"}
    options: dict[str, Any] = {name: value for name, value in given.items() if name in plain}
    options.setdefault("description", inspect.cleandoc(doc or ""))
    for name in ("tags", "state_handlers"):
        options[name] = several(options.get(name))
    options["on_failure"] = read_alerts(what, options.get("on_failure"))
    options["result_storage"] = read_storage(what, options.get("result_storage"))
    return TaskOptions(retry=read_retry(what, retries, delay), **options)


def _name_of(task: Task) -> str:
    return type(task).__name__
