"""Tasks: functions, or classes with a method `run`, and how they are to be run.

Beside its arguments, a call takes some words of its own, unless the task's function has a parameter of that name:

| word | |
|---|---|
| `wait_for` | tasks or futures that are to be finished first; of mapped ones, all |
| `upstream_tasks` | the same; but in `map`, child follows child of a mapped one that is not `unmapped` |
| `task_args` | options that this call has in place of the task's own: `{"name": "again"}` |
| `mapped`, `flow` | in a graph: do as `map` does; place the task in that flow |
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MethodType
from typing import Any, Final, NamedTuple, Protocol, Self, Unpack, cast, overload

from blocks_flows.context import FRAME, Host
from blocks_flows.errors import FlowInvalid, FlowMissing
from blocks_flows.expressions import Expression
from blocks_flows.options import several
from blocks_flows.task_options import TaskArguments, changed_arguments, count_annotated, read_options

RUN_WORDS: Final = frozenset({"wait_for", "upstream_tasks", "task_args"})
GRAPH_WORDS: Final = RUN_WORDS | {"mapped", "flow"}


class Graph(Protocol):
    """The flow that a task was placed in; see `blocks_flows.graph`."""

    def item(self, task: Task, key: Any) -> Task:
        """Place a task that takes an item out of another one's value."""
        ...

    def parts(self, task: Task, count: int) -> list[Task]:
        """Place tasks that take the first items out of another one's value."""
        ...

    def operate(self, symbol: str, operands: tuple[Any, ...]) -> Task:
        """Place a task that applies an operator."""
        ...

    def add(self, task: Task) -> None:
        """Place a task itself, not a copy of it."""
        ...

    def bind(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Give further arguments to a task that is placed."""
        ...

    def add_edge(
        self, upstream: Task, downstream: Task, *, key: str | None = None, mapped: bool = False
    ) -> None:
        """Make one task wait for another."""
        ...


class Task(Expression):
    """A step of a flow. Subclass it and write `run`, or put `@task` on a function.

    Called in a `with Flow(...)`, it is placed in the flow: a copy of it, that stands for its result.
    Called in a function with `@flow`, it runs and returns its value.
    """

    is_quick = False
    """Run it in the process of the flow wherever the others are run: sending it would take longer."""
    _declared_with: TaskArguments = {}  # noqa: RUF012 - never changed; a task that was sent has no other

    def __init__(self, **arguments: Unpack[TaskArguments]) -> None:
        self.name = arguments.get("name") or _name_of(self)
        self.options = read_options(f"Task '{self.name}'", arguments, type(self).__doc__)
        self._declared_with = arguments
        self.is_async = _is_async(self.name, self.run)
        """Its work is awaited: in the flow's event loop, or in one of its own."""
        self.graph: Graph | None = None
        """The flow that this copy is placed in."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; called by the engine, or by hand to do without it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no method 'run'. Write one: it is the task's work."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Place the task in the flow that is declared, or run it in the flow that runs."""
        return self._host("called", kwargs).call(self, args, kwargs)

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Run once for each element of the arguments; `unmapped(x)` gives x to every run."""
        return self._host("mapped", kwargs).map(self, args, kwargs)

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Start a run in a function with `@flow` and return its future at once."""
        return self._host("submitted", kwargs).submit(self, args, kwargs)

    def with_options(self, **changes: Unpack[TaskArguments]) -> Self:
        """Return a task like this one but for some options, in no flow yet.

        Raises:  OptionUnknown, FlowInvalid.
        """
        twin = copy.copy(self)
        twin.graph = None
        twin.name = changes.get("name") or self.name
        twin._declared_with = changed_arguments(self._declared_with, changes)
        twin.options = read_options(f"Task '{twin.name}'", twin._declared_with, type(self).__doc__)
        return twin

    def copy(self, **task_args: Unpack[TaskArguments]) -> Self:
        """Do what `with_options` does."""
        return self.with_options(**task_args)

    def bind(self, *args: Any, **kwargs: Any) -> Self:
        """Place this task itself, not a copy of it, and give it arguments; they may come one by one.

        Raises:  FlowInvalid: such as for an argument that it has already.
        """
        graph = self._graph_for(kwargs)
        graph.add(self)
        graph.bind(self, args, kwargs)
        return self

    def set_upstream(
        self, *tasks: Any, key: str | None = None, mapped: bool = False, flow: Any = None
    ) -> None:
        """Run after other tasks of the same flow.

        Args:    key: the argument that takes the other one's result.
                 mapped: child follows child.
                 flow: where this task belongs to several.
        """
        graph = self._placed("set_upstream", flow)
        for task in _each_task(tasks):
            graph.add_edge(task, self, key=key, mapped=mapped)

    def set_downstream(
        self, *tasks: Any, key: str | None = None, mapped: bool = False, flow: Any = None
    ) -> None:
        """Run before other tasks of the same flow; see `set_upstream`."""
        graph = self._placed("set_downstream", flow)
        for task in _each_task(tasks):
            graph.add_edge(self, task, key=key, mapped=mapped)

    def set_dependencies(
        self,
        flow: Any = None,
        upstream_tasks: Iterable[Any] = (),
        downstream_tasks: Iterable[Any] = (),
        keyword_tasks: Mapping[str, Any] | None = None,
        mapped: bool = False,
    ) -> None:
        """Say at once what this task runs after and before, and which results are its arguments."""
        self.set_upstream(*upstream_tasks, mapped=mapped, flow=flow)
        self.set_downstream(*downstream_tasks, mapped=mapped, flow=flow)
        for key, task in (keyword_tasks or {}).items():
            if isinstance(task, Task):
                self.set_upstream(task, key=key, mapped=mapped, flow=flow)
            else:
                self._placed("set_dependencies", flow).bind(self, (), {key: task})

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

    def __iter__(self) -> Iterator[Task]:
        count = self.options.nout or count_annotated(self.run)
        if count is None:
            raise FlowInvalid(
                f"Task '{self.name}' cannot be iterated over: its value is made when the flow runs. Take items by "
                f"index (x[0]), or map a task over it. To take it apart (a, b = x), say of how many parts it is: "
                f"@task(nout=2)."
            )
        return iter(self._placed("taking it apart").parts(self, count))

    def __bool__(self) -> bool:
        raise FlowInvalid(
            f"Task '{self.name}' is neither true nor false: its value is made when the flow runs. "
            f"Decide inside a task, or in a `with case(x, True)`; write x & y for `x and y`."
        )

    def __repr__(self) -> str:
        return f"<Task: {self.name}>"

    def _operate(self, symbol: str, *operands: Any) -> Any:
        return self._placed(f"an operation ({symbol})").operate(symbol, operands)

    def _host(self, done: str, kwargs: Mapping[str, Any]) -> Host:
        frame = FRAME.get()
        if frame is None or frame.host is None:
            graph = getattr(kwargs.get("flow"), "graph", None)
            if graph is not None:
                return graph
            raise FlowMissing(
                f"Task '{self.name}' was {done} outside of a flow. Do it in a `with Flow(...)`, or in a function "
                f"with @flow; {self.name}.run(...) runs the bare function."
            )
        return frame.host

    def _placed(self, what: str, flow: Any = None) -> Graph:
        """Return the graph that is meant: of a given flow, else of the one that is declared now, else its own."""
        graph = getattr(flow, "graph", None) or _declared_graph(self)
        if graph is not None:
            return graph
        if self.graph is None:
            raise FlowInvalid(
                f"Task '{self.name}' stands for no result yet, so {what} means nothing. "
                f"Call it in a `with Flow(...)` first and use what the call returns."
            )
        return self.graph

    def _graph_for(self, kwargs: Mapping[str, Any]) -> Graph:
        host = self._host("bound", kwargs)
        if not hasattr(host, "bind"):
            raise FlowInvalid(
                f"Task '{self.name}' was bound in a flow that runs. Bind it in a `with Flow(...)`; in a function "
                f"with @flow, call it."
            )
        return cast("Graph", host)


class FunctionTask(Task):
    """A task whose work is a function."""

    def __init__(self, fn: Callable[..., Any], **arguments: Unpack[TaskArguments]) -> None:
        name = getattr(fn, "__name__", type(fn).__name__)
        arguments.setdefault("name", name)
        arguments.setdefault("description", inspect.cleandoc(fn.__doc__ or ""))
        super().__init__(**arguments)
        self.fn = fn
        self.run = fn
        self.is_async = _is_async(name, fn)
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


class Asked(NamedTuple):
    """What is asked of a call: the task, its own arguments, and the words beside them."""

    task: Task
    kwargs: dict[str, Any]
    wait_for: tuple[Any, ...] = ()
    upstream_tasks: tuple[Any, ...] = ()
    mapped: bool = False
    flow: Any = None

    @property
    def awaited(self) -> tuple[Any, ...]:
        """Return what is to be finished first, besides the arguments."""
        return (*self.wait_for, *self.upstream_tasks)


def read_call(task: Task, kwargs: dict[str, Any], words: frozenset[str] = RUN_WORDS) -> Asked:
    """Take the words of a call out of its arguments; what the task's function takes itself stays."""
    if words.isdisjoint(kwargs):
        return Asked(task, kwargs)
    found = {word: kwargs[word] for word in words if word in kwargs and not _takes(task, word)}
    rest = {name: value for name, value in kwargs.items() if name not in found}
    task_args = found.pop("task_args", None)
    if task_args:
        task = task.with_options(**task_args)
    for word in ("wait_for", "upstream_tasks"):
        if word in found:
            found[word] = several(found[word])
    return Asked(task, rest, **found)


def bound_arguments(task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by their names, defaults included.

    Raises:  TypeError: the task's function does not take them.
    """
    bound = task.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def _takes(task: Task, name: str) -> bool:
    try:
        return name in task.signature.parameters
    except ValueError:  # a built-in function that does not tell what it takes
        return False


def _each_task(given: Iterable[Any]) -> Iterator[Any]:
    for each in given:
        if isinstance(each, (list, tuple, set)):
            yield from _each_task(cast("Iterable[Any]", each))
        else:
            yield each


def _declared_graph(task: Task) -> Any:
    frame = FRAME.get()
    host = None if frame is None else frame.host
    holds = getattr(host, "holds", None)
    return host if holds is not None and holds(task) else None


def _is_async(name: str, run: Callable[..., Any]) -> bool:
    if inspect.isgeneratorfunction(run) or inspect.isasyncgenfunction(run):
        raise FlowInvalid(
            f"Task '{name}' is a generator: it would run only after its task run is over. "
            f"Return a list, or make the generator a function that the task calls."
        )
    return inspect.iscoroutinefunction(run)


def _name_of(task: Task) -> str:
    return type(task).__name__
