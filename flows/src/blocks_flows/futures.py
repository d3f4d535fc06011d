"""Tasks in a flow function: called they run here and return, submitted they give a future."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextvars import copy_context
from threading import Lock
from typing import TYPE_CHECKING, Any

from blocks_flows.arguments import (
    Arguments,
    MappedArguments,
    Reference,
    flatten,
    is_unmapped,
    references,
    resolve,
    unmapped,
)
from blocks_flows.context import FRAME, running_loop
from blocks_flows.driver import Driver
from blocks_flows.entries import Entry
from blocks_flows.errors import RunPaused, RunStopped
from blocks_flows.nodes import Node
from blocks_flows.pools import InlinePool
from blocks_flows.states import State
from blocks_flows.tasks import Asked, Task, read_call

if TYPE_CHECKING:
    from blocks_flows.event_loops import LoopPool


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

    async def settled(self) -> None:
        """Await the end, whatever it is."""
        from blocks_flows.event_loops import settled  # late: start-up time; only async flows need it

        if not self._node.is_settled():
            await settled(self._driver, [self._node])
        self.is_seen = True

    def __await__(self) -> Generator[Any, None, Any]:
        """Await the end and return the value; raise what the task raised.

        Raises:  RunStopped, RunPaused.
        """
        yield from self.settled().__await__()
        return _value(self._node)

    def __repr__(self) -> str:
        return f"<TaskFuture {self._node.name}: {self._node.state.name}>"


class FunctionHost:
    """Takes the calls of tasks while a flow runs."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._lock = Lock()
        self.futures: list[TaskFuture] = []
        self.loop_pools: list[LoopPool] = []
        """Of each event loop that the run's code awaits on."""

    @property
    def is_stopped(self) -> bool:
        """Tell whether the run was told to stop, so that what waits for others need not."""
        return self._driver.is_stopped

    def call(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a task in this thread and return its value, or raise what it raised.

        Of an async task that async code calls, return what can be awaited for that.
        """
        asked = read_call(task, kwargs)
        frame = FRAME.get()
        if asked.task.is_async and frame is not None and frame.is_async and running_loop() is not None:
            return self._await_call(self._entry(asked, args))
        for each in futures_in((*args, *asked.kwargs.values(), *asked.awaited)):
            each.wait()
        entry = self._entry(asked, args)
        entry.inline = pool = InlinePool(self._driver)
        node = self._driver.add(entry, _nodes(entry))
        self._driver.begin([node])
        pool.wait(lambda: node.is_settled(), node)
        return _value(node)

    def submit(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TaskFuture:
        """Start a task in the run's pool."""
        entry = self._entry(read_call(task, kwargs), args)
        return self._start([self._driver.add(entry, _nodes(entry))])[0]

    def map(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[TaskFuture]:
        """Start a task for each element of its arguments.

        Raises:  MapLengthsDiffer, NotMappable.
        """
        # A future that is mapped over is waited for, as its value's length is needed; those in a list are not.
        asked = read_call(task, kwargs)
        task = asked.task
        known = Arguments(
            tuple(map(_known_lists, args)), {name: _known_lists(each) for name, each in asked.kwargs.items()}
        )
        elements = MappedArguments(f"Task '{task.name}'", known, lambda future: future)
        nodes: list[Node] = []
        for index in range(elements.length):
            args, kwargs = elements.of(index)
            entry = self._entry(asked._replace(kwargs=kwargs), args)
            node = self._driver.add(entry, _nodes(entry), name=f"{task.name}[{index}]")
            node.map_index = index
            nodes.append(node)
        return self._start(nodes)

    async def _await_call(self, entry: Entry) -> Any:
        from asyncio import CancelledError  # late: start-up time; only async flows need it

        from blocks_flows.event_loops import settled  # late: as above

        for each in entry.references:
            if isinstance(each, TaskFuture):
                await each.settled()
        entry.inline = pool = self._loop_pool()
        entry.context = copy_context()
        node = self._driver.add(entry, _nodes(entry))
        self._driver.begin([node])
        try:
            await settled(self._driver, [node])
        except CancelledError:
            pool.cancel(node)
            raise
        return _value(node)

    def _loop_pool(self) -> LoopPool:
        from blocks_flows.event_loops import LoopPool  # late: as above

        loop = running_loop()
        with self._lock:
            for pool in self.loop_pools:
                if pool.loop is loop:
                    return pool
            self.loop_pools.append(LoopPool(self._driver, loop))
            return self.loop_pools[-1]

    def _start(self, nodes: list[Node]) -> list[TaskFuture]:
        futures = [TaskFuture(self._driver, node) for node in nodes]
        self.futures += futures
        self._driver.begin(nodes)
        if isinstance(self._driver.pool, InlinePool):
            self._driver.pool.wait(lambda: all(node.is_settled() for node in nodes))
        return futures

    def _entry(self, asked: Asked, args: tuple[Any, ...]) -> Entry:
        task, kwargs = asked.task, asked.kwargs
        frame = FRAME.get()
        assert frame is not None  # that is where the task found this host
        with self._lock:
            slug = frame.number(task.name)
        awaited = futures_in((*args, *kwargs.values(), *asked.awaited))
        found: dict[Reference, Node] = {each: each._node for each in awaited}  # pyright: ignore[reportPrivateUsage] one idea
        return Entry(task, slug, Arguments(args, kwargs), found)


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


def _known_lists(value: Any) -> Any:
    """Return an argument of `map` with the values whose lengths are needed."""
    inner = value.value if isinstance(value, unmapped) else value
    if isinstance(inner, flatten):
        flat = resolve(value, resolve_value)
        return unmapped(flat) if is_unmapped(value) else flat
    return resolve_value(value)


def futures_in(values: Iterable[Any]) -> Iterator[TaskFuture]:
    """Yield the futures in some values, in their order."""
    for each in references(tuple(values)):
        if isinstance(each, TaskFuture):
            yield each


def _nodes(entry: Entry) -> Iterable[Node]:
    return entry.references.values()
