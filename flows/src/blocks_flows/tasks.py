"""Tasks: functions, or classes with a method `run`, and how they are to be run."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any, Protocol, Unpack, cast, overload

from blocks_flows.arguments import Reference
from blocks_flows.context import FRAME, Host
from blocks_flows.errors import FlowInvalid, FlowMissing
from blocks_flows.task_options import TaskArguments, read_options


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
        self.options = read_options(f"Task '{self.name}'", arguments, type(self).__doc__)
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


def _name_of(task: Task) -> str:
    return type(task).__name__
