"""Executors: where the tasks of a run are run.

| executor | where |
|---|---|
| `LocalExecutor()` | one after another, in the thread that runs the flow |
| `LocalDaskExecutor(num_workers=…)` | on threads of this process |

An executor is a setting; `open` makes the pool of one run. What became ready last is run first, so that a
branch of the flow is followed to its end before the next one is begun.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Event, Thread, local
from time import monotonic
from typing import Any, Final, Protocol

from blocks_flows.errors import FlowInvalid
from blocks_flows.nodes import Node


class _Here(local):
    """What the current thread is for."""

    pool: Pool | None = None
    """Whose worker it is."""


_HERE: Final = _Here()


def is_stack_deep() -> bool:
    """Tell whether half of the calls that Python allows on one thread are in use."""
    try:
        sys._getframe(sys.getrecursionlimit() // 2)  # pyright: ignore[reportPrivateUsage] the only quick way
    except ValueError:
        return False
    return True


def run_on_new_stack(action: Callable[[], None]) -> None:
    """Call something on a thread of its own, in this thread's place, and wait for it; raise what it raises."""
    pool, context = _HERE.pool, copy_context()
    raised: list[BaseException] = []

    def run() -> None:
        _HERE.pool = pool
        try:
            context.run(action)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            raised.append(error)

    thread = Thread(target=run, name="blocks-stack", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


class Engine(Protocol):
    """What a pool knows of the driver."""

    def execute(self, node: Node, perform: Callable[[Any], Any] = ...) -> None:
        """Run a task here, or as `perform` does, and tell the machine; never raises for the task's sake."""
        ...

    def wait_for(self, node: Node | None) -> None:
        """Block until a node, or all, are finished."""
        ...

    def tell_when(self, node: Node | None, call: Callable[[], None]) -> None:
        """Call something when a node, or all, are finished; at once where that is so."""
        ...

    def check(self) -> None:
        """Raise if the run cannot go on."""
        ...


class Pool(ABC):
    """Runs the tasks of one run."""

    @abstractmethod
    def push(self, nodes: list[Node]) -> None:
        """Take tasks that are ready; the last one is to run first."""

    @abstractmethod
    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call something after some time."""

    @abstractmethod
    def wait(self, done: Callable[[], bool], node: Node | None = None) -> None:
        """Return when a node, or without one all, are finished; `done` tells."""

    @abstractmethod
    def close(self) -> None:
        """Stop; what is running is waited for."""


class Executor(ABC):
    """Says where tasks are run."""

    @abstractmethod
    def open(self, engine: Engine) -> Pool:
        """Return a pool for one run."""


@dataclass(frozen=True)
class LocalExecutor(Executor):
    """Runs tasks one after another, in the thread that runs the flow."""

    def open(self, engine: Engine) -> Pool:
        """Return a pool for one run."""
        return InlinePool(engine)


@dataclass(frozen=True)
class LocalDaskExecutor(Executor):
    """Runs tasks on threads of this process.

    Args:    num_workers: how many; None is one for each CPU, and at least four, as most tasks wait for
             others (a database, a service) rather than compute.
    """

    num_workers: int | None = None

    def __post_init__(self) -> None:
        if self.num_workers is not None and self.num_workers < 1:
            raise FlowInvalid(
                f"LocalDaskExecutor has num_workers={self.num_workers}. Give 1 or more, or None."
            )

    def open(self, engine: Engine) -> Pool:
        """Return a pool for one run."""
        return ThreadPool(engine, self.num_workers or max(4, os.cpu_count() or 1))


class InlinePool(Pool):
    """Runs tasks in the thread that waits for them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stack: list[Node] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def push(self, nodes: list[Node]) -> None:
        """Take tasks that are ready."""
        self._stack += nodes

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call something after some time."""
        heappush(self._timers, (monotonic() + seconds, next(self._numbers), action))

    def wait(self, done: Callable[[], bool], node: Node | None = None) -> None:
        """Run tasks until it is done."""
        while not done():
            if self._stack:
                self._engine.execute(self._stack.pop())
            elif self._timers:
                self._await_timer(node)
            else:  # it hangs on what another pool runs
                self._engine.wait_for(node)

    def close(self) -> None:
        """Do nothing: there are no threads."""

    def _await_timer(self, node: Node | None) -> None:
        """Do what is due next, unless the node is finished first: a run that is stopped waits for no retry."""
        ended = Event()
        self._engine.tell_when(node, ended.set)
        if not ended.wait(max(0.0, self._timers[0][0] - monotonic())):
            heappop(self._timers)[2]()


class ThreadPool(Pool):
    """Runs tasks on threads, which are made as they are needed."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self._engine = engine
        self._workers = workers
        self._context = copy_context()
        self._stack: list[Node] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._threads: list[Thread] = []
        self._idle = 0
        self._changed = Condition()
        self._closing = False

    def push(self, nodes: list[Node]) -> None:
        """Take tasks that are ready."""
        with self._changed:
            self._stack += nodes
            self._changed.notify(len(nodes))
            self._add_threads()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call something after some time, on one of the threads."""
        with self._changed:
            heappush(self._timers, (monotonic() + seconds, next(self._numbers), action))
            self._changed.notify()
            self._add_threads()

    def wait(self, done: Callable[[], bool], node: Node | None = None) -> None:
        """Wait for the threads; one of them goes on to work meanwhile, or all might wait for each other."""
        if _HERE.pool is not self:
            self._engine.wait_for(node)
            return
        self._engine.tell_when(node, self._nudge)
        while not done():
            self._engine.check()
            if not self._run_one():
                self._rest(done)

    def close(self) -> None:
        """Stop the threads when they are done with what they run."""
        with self._changed:
            self._closing = True
            self._stack.clear()
            self._timers.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _add_threads(self) -> None:
        """Make as many threads as there is work for; an idle one has its share of that to come."""
        work = len(self._stack) + bool(self._timers)
        for _ in range(min(work - self._idle, self._workers - len(self._threads))):
            thread = Thread(target=self._serve, name="blocks-worker", daemon=True)
            thread.start()
            self._threads.append(thread)  # behind: one that an interrupt kept from starting cannot be joined

    def _serve(self) -> None:
        _HERE.pool = self
        try:
            while not self._closing:
                if not self._run_one():
                    self._rest()
        except BaseException:  # noqa: BLE001, S110 - the engine has noted it and tells those who wait
            pass

    def _run_one(self) -> bool:
        if self._timers and self._run_due_timer():
            return True
        try:
            node = self._stack.pop()  # without the lock: a list's pop is atomic
        except IndexError:
            return False
        # In a copy of the flow's context: tasks see the library that it uses, and nothing of each other.
        self._context.copy().run(self._engine.execute, node)
        return True

    def _run_due_timer(self) -> bool:
        with self._changed:
            if not self._timers or self._timers[0][0] > monotonic():
                return False
            action = heappop(self._timers)[2]
        action()
        return True

    def _rest(self, done: Callable[[], bool] | None = None) -> None:
        with self._changed:
            if self._stack or self._closing or (done is not None and done()):
                return
            timeout = max(0.0, self._timers[0][0] - monotonic()) if self._timers else None
            self._idle += 1
            self._changed.wait(timeout)
            self._idle -= 1

    def _nudge(self) -> None:
        with self._changed:
            self._changed.notify_all()
