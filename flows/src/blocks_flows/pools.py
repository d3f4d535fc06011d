"""Pools: what runs the tasks of one run, and the executors that make them.

An executor is a setting; `open` makes the pool of one run. What became ready last is run first, so that a
branch of the flow is followed to its end before the next one is begun.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from threading import Event
from time import monotonic
from typing import Protocol

from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.nodes import Node


class Engine(Protocol):
    """What a pool knows of the driver."""

    def execute(self, node: Node, perform: Callable[[TaskCall], Outcome] = ...) -> None:
        """Run a task here, or as `perform` does, and tell the machine; never raises for the task's sake."""
        ...

    def begin_try(self, node: Node) -> TaskCall | None:
        """Take note that a try begins and return its call; None: there is nothing to run any more."""
        ...

    def finished(self, node: Node, outcome: Outcome) -> None:
        """Take note of what a try came to."""
        ...

    def break_off(self, error: BaseException) -> None:
        """Let nobody wait any longer: the run cannot go on."""
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
