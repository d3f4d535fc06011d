"""Tasks in a flow function: called they run here and return, submitted they give a future."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

from blocks_flows.arguments import Arguments, MappedArguments, Reference, references
from blocks_flows.driver import Driver
from blocks_flows.entries import Entry
from blocks_flows.errors import RunPaused, RunStopped
from blocks_flows.executors import InlinePool
from blocks_flows.nodes import Node
from blocks_flows.states import State
from blocks_flows.tasks import Task


class TaskFuture(Reference):
    """A task run that may not be finished; as an argument of a task it is waited for."""

    def __init__(self, driver: Driver, node: Node) -> None:
        self._driver = driver
        self._node = node
        self.is_seen = False
        """Somebody looked at how it ended, so that a failure is no surprise."""

    @property
    def name(self) -> str:
        """Return the task run's name."""
        return self._node.name

    @property
    def is_held(self) -> bool:
        """Tell whether the run is paused, or waits for one that is."""
        return self._node.held

    @property
    def state(self) -> State:
        """Return where the run stands now."""
        self.is_seen = self.is_seen or self._node.is_settled()
        return self._node.state

    def wait(self) -> State:
        """Wait for the end and return the state, whatever it is."""
        if not self._node.is_settled():
            self._driver.pool.wait(lambda: self._node.is_settled(), self._node)
        return self.state

    def result(self, *, raise_on_failure: bool = True) -> Any:
        """Wait for the end and return the value; raise what the task raised, unless that is to be returned.

        Raises:  RunStopped.
        """
        state = self.wait()
        return _value(self._node) if raise_on_failure else state.result

    def __repr__(self) -> str:
        return f"<TaskFuture {self._node.name}: {self._node.state.name}>"


class FunctionHost:
    """Takes the calls of tasks while a flow runs."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._lock = Lock()
        self._counts: dict[str, int] = {}
        self.futures: list[TaskFuture] = []

    def call(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a task in this thread and return its value, or raise what it raised."""
        for each in _futures((*args, *kwargs.values())):
            each.wait()
        entry = self._entry(task, args, kwargs)
        entry.inline = pool = InlinePool(self._driver)
        node = self._driver.add(entry, _nodes(entry))
        self._driver.begin([node])
        pool.wait(lambda: node.is_settled(), node)
        return _value(node)

    def submit(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TaskFuture:
        """Start a task in the run's pool."""
        entry = self._entry(task, args, kwargs)
        return self._start([self._driver.add(entry, _nodes(entry))])[0]

    def map(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[TaskFuture]:
        """Start a task for each element of its arguments.

        Raises:  MapLengthsDiffer, NotMappable.
        """
        # A future that is mapped over is waited for, as its value's length is needed; those in a list are not.
        known = Arguments(
            tuple(map(resolve_value, args)), {name: resolve_value(each) for name, each in kwargs.items()}
        )
        elements = MappedArguments(f"Task '{task.name}'", known, lambda future: future)
        nodes: list[Node] = []
        for index in range(elements.length):
            entry = self._entry(task, *elements.of(index))
            node = self._driver.add(entry, _nodes(entry), name=f"{task.name}[{index}]")
            node.map_index = index
            nodes.append(node)
        return self._start(nodes)

    def _start(self, nodes: list[Node]) -> list[TaskFuture]:
        futures = [TaskFuture(self._driver, node) for node in nodes]
        self.futures += futures
        self._driver.begin(nodes)
        if isinstance(self._driver.pool, InlinePool):
            self._driver.pool.wait(lambda: all(node.is_settled() for node in nodes))
        return futures

    def _entry(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        with self._lock:
            count = self._counts[task.name] = self._counts.get(task.name, 0) + 1
        found: dict[Reference, Node] = {each: each._node for each in _futures((*args, *kwargs.values()))}  # pyright: ignore[reportPrivateUsage] one idea
        return Entry(task, f"{task.name}-{count}", Arguments(args, kwargs), found)


def _value(node: Node) -> Any:
    state, name = node.state, node.name
    if node.held:
        raise RunPaused(
            f"Task run '{name}' has no value yet: {state.message or 'it waits for a task that is paused.'} "
            f'Run "block run resume" with the id of the flow run, and it goes on.'
        )
    if state.is_failed() and isinstance(state.result, BaseException):
        raise state.result
    if state.is_cancelled():  # never None in place of a value: the caller would go on with it
        raise RunStopped(f"Task run '{name}' has no value: it was not run to its end. {state.message}")
    return state.result


def resolve_value(reference: Any) -> Any:
    """Wait for a future and return its value, or raise what its task raised."""
    return reference.result() if isinstance(reference, TaskFuture) else reference


def _futures(values: Iterable[Any]) -> Iterator[TaskFuture]:
    for each in references(tuple(values)):
        if isinstance(each, TaskFuture):
            yield each


def _nodes(entry: Entry) -> Iterable[Node]:
    return entry.references.values()
