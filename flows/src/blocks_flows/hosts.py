"""Takes the calls of tasks in a flow that runs: called they run here and return, submitted they give a future."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import copy_context
from threading import Lock
from typing import Any

from blocks_flows.arguments import (
    Arguments,
    MappedArguments,
    Reference,
    flatten,
    is_unmapped,
    resolve,
    unmapped,
)
from blocks_flows.context import FRAME, loop_to_await, running_loop
from blocks_flows.driver import Driver
from blocks_flows.entries import Entry
from blocks_flows.executors.threads import ThreadPool
from blocks_flows.futures import FutureList, TaskFuture, futures_in, resolve_value, value_of
from blocks_flows.nodes import Node
from blocks_flows.pools import InlinePool
from blocks_flows.tasks import Asked, Task, read_call


class FunctionHost:
    """Takes the calls of tasks while a flow runs.

    Args:    is_async: the flow function is awaited, on the event loop that runs in this thread.
    """

    def __init__(self, driver: Driver, *, is_async: bool = False) -> None:
        self._driver = driver
        self._lock = Lock()
        self._flow_loop = running_loop() if is_async else None
        self.loop = running_loop()
        """The event loop that the flow's code is run on, or that it blocks."""
        self.loop_pools: dict[Any, Any] = {}
        """Where tasks are awaited: a `LoopPool` for each event loop that awaits some."""
        self.futures: list[TaskFuture] = []

    @property
    def is_stopped(self) -> bool:
        """Tell whether the run was told to stop, so that what waits for others need not."""
        return self._driver.is_stopped

    def call(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a task in this thread and return its value, or raise what it raised.

        Of a task that is awaited return a coroutine that does so, where the caller can await it.
        """
        asked = read_call(task, kwargs)
        if asked.task.is_async:
            loop = loop_to_await()
            if loop is not None:
                return self._call_awaited(self._entry(asked, args, asked.kwargs), loop)
        for each in futures_in((*args, *asked.kwargs.values(), *asked.awaited)):
            each.wait()
        entry = self._entry(asked, args, asked.kwargs)
        entry.inline = pool = InlinePool(self._driver)
        node = self._driver.add(entry, entry.references.values())
        self._driver.begin([node])
        pool.wait(lambda: node.is_settled(), node)
        return value_of(node)

    def submit(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TaskFuture:
        """Start a task in the run's pool, or on the event loop of an async flow."""
        asked = read_call(task, kwargs)
        entry = self._entry(asked, args, asked.kwargs)
        self._place(entry)
        return self._start([self._driver.add(entry, entry.references.values())])[0]

    def map(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> FutureList:
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
            entry = self._entry(asked, args, kwargs)
            self._place(entry)
            node = self._driver.add(entry, entry.references.values(), name=f"{task.name}[{index}]")
            node.map_index = index
            nodes.append(node)
        return self._start(nodes)

    async def _call_awaited(self, entry: Entry, loop: Any) -> Any:
        for each in futures_in(entry.references):
            await each.settled()
        entry.inline = pool = self._loop_pool(loop)
        entry.context = copy_context()
        node = self._driver.add(entry, entry.references.values())
        self._driver.begin([node])
        await pool.finish(node)
        return value_of(node)

    def _start(self, nodes: list[Node]) -> FutureList:
        futures = FutureList(TaskFuture(self._driver, node) for node in nodes)
        self.futures += futures
        self._driver.begin(nodes)
        if isinstance(self._driver.pool, InlinePool) and nodes and nodes[0].note.inline is None:
            for each in futures:
                each.wait()
        return futures

    def _place(self, entry: Entry) -> None:
        """Let a submitted task run on the flow's event loop, if it is one for that and the loop is not blocked."""
        loop = self._flow_loop
        if loop is None or (running_loop() is loop and loop_to_await() is None):
            return
        kind = type(self._driver.pool)
        if kind is InlinePool or (kind is ThreadPool and entry.task.is_async):
            entry.inline = self._loop_pool(loop)
            entry.context = copy_context()

    def _loop_pool(self, loop: Any) -> Any:
        from blocks_flows.event_loops import LoopPool  # late: start-up time; only what is awaited needs it

        with self._lock:
            pool = self.loop_pools.get(loop)
            if pool is None:
                pool = self.loop_pools[loop] = LoopPool(self._driver, loop)
            return pool

    def _entry(self, asked: Asked, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Entry:
        task = asked.task
        frame = FRAME.get()
        assert frame is not None  # that is where the task found this host
        with self._lock:
            slug = frame.number(task.name)
        awaited = futures_in((*args, *kwargs.values(), *asked.awaited))
        found: dict[Reference, Node] = {}
        for each in awaited:
            found[each] = each.node
            each.is_seen = True  # if it fails, this task tells: it does not run, or its trigger wants it so
        entry = Entry(task, slug, Arguments(args, kwargs), found)
        entry.is_numbered = True
        return entry


def _known_lists(value: Any) -> Any:
    """Return an argument of `map` with the values whose lengths are needed."""
    inner = value.value if isinstance(value, unmapped) else value
    if isinstance(inner, flatten):
        flat = resolve(value, resolve_value)
        return unmapped(flat) if is_unmapped(value) else flat
    return resolve_value(value)
