"""Threads of this process that run the tasks of a run."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from time import monotonic

from blocks_flows.nodes import Node
from blocks_flows.pools import Engine, Pool
from blocks_flows.stacks import HERE


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
        if HERE.pool is not self:
            self._engine.wait_for(node)
            return
        self._engine.tell_when(node, self._nudge)
        while not done():
            self._engine.check()
            if not self._run_one():
                self._rest(done)

    def close(self) -> None:
        """Stop the threads when they are done with what they run."""
        self._stop_taking()
        for thread in self._threads:
            thread.join()

    def _stop_taking(self) -> None:
        with self._changed:
            self._closing = True
            self._stack.clear()
            self._timers.clear()
            self._changed.notify_all()

    def _add_threads(self) -> None:
        """Make as many threads as there is work for; an idle one has its share of that to come."""
        work = len(self._stack) + bool(self._timers)
        for _ in range(min(work - self._idle, self._workers - len(self._threads))):
            thread = Thread(target=self._serve, name="blocks-worker", daemon=True)
            thread.start()
            self._threads.append(thread)  # behind: one that an interrupt kept from starting cannot be joined

    def _serve(self) -> None:
        HERE.pool = self
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
        self._run(node)
        return True

    def _run(self, node: Node) -> None:
        # In a copy of the flow's context: tasks see the library that it uses, and nothing of each other.
        self._context.copy().run(self._engine.execute, node)

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
