"""Threads of this process that run the tasks of a run.

Python runs the code of one thread at a time, so that several with tasks of microseconds only get in each other's way:
a pool begins with one of its threads, and lets more of them work while tasks wait for something, or take long.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from time import monotonic, process_time
from typing import Final

from blocks_flows.nodes import Node
from blocks_flows.pools import Engine, Pool
from blocks_flows.stacks import HERE

_LOOK_SECONDS: Final = 0.001
"""After which it is first asked whether more threads are to work."""
_MAX_LOOK_SECONDS: Final = 0.008
_WAITS: Final = 0.7
"""Of the time: a process that uses the processor less has tasks that wait for something."""
_QUICK: Final = 4
"""A task is quick where a thread does so many of them between two looks."""


class ThreadPool(Pool):
    """Runs tasks on threads, which are made as they are needed."""

    def __init__(self, engine: Engine, workers: int, *, may_rise: bool = True) -> None:
        """Open a pool.

        Args:    may_rise: begin with one thread at work; else all work that find something to do.
        """
        self._engine = engine
        self._workers = workers
        self._context = copy_context()
        self._stack: list[Node] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._threads: list[Thread] = []
        self._changed = Condition()
        self._closing = False
        self._working = 0
        """How many threads do not rest."""
        self._share = Share(workers) if may_rise else None
        self._is_watched = False
        """A thread that rests looks from time to time whether it is to work."""

    def push(self, nodes: list[Node]) -> None:
        """Take tasks that are ready."""
        with self._changed:
            self._stack += nodes
            self._add_threads()
            self._changed.notify(len(nodes))

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call something after some time, on one of the threads."""
        with self._changed:
            heappush(self._timers, (monotonic() + seconds, next(self._numbers), action))
            self._add_threads()
            self._changed.notify()

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
        """Make as many threads as there is work for; one that rests has its share of that to come."""
        work = len(self._stack) + bool(self._timers)
        idle = len(self._threads) - self._working
        for _ in range(min(work - idle, self._workers - len(self._threads))):
            thread = Thread(target=self._serve, name="blocks-worker", daemon=True)
            thread.start()
            self._threads.append(thread)  # behind: one that an interrupt kept from starting cannot be joined

    def _serve(self) -> None:
        HERE.pool = self
        try:
            while self._begin_to_work():
                while self._run_one() and not self._is_one_too_many():
                    pass
                with self._changed:
                    self._working -= 1
        except BaseException:  # noqa: BLE001, S110 - the engine has noted it and tells those who wait
            pass

    def _begin_to_work(self) -> bool:
        """Rest until there is something to do for one more thread; tell whether there will be."""
        with self._changed:
            while not self._closing:
                if not self._stack and not self._is_timer_due():
                    self._changed.wait(self._seconds_to_timer())
                elif self._share is None or self._working < self._share.goal:
                    self._working += 1
                    return True
                elif self._is_watched:
                    self._changed.wait()
                else:
                    self._watch(self._share)
            return False

    def _watch(self, share: Share) -> None:
        """Rest for a short time, and then let more threads work if those that do get no further."""
        self._is_watched = True
        self._changed.wait(share.seconds)
        self._is_watched = False
        if share.look(self._working):
            self._changed.notify_all()

    def _is_one_too_many(self) -> bool:
        share = self._share
        if self._closing or share is None:
            return self._closing
        share.done += 1
        if self._working > 1 and share.is_due():
            with self._changed:
                if share.look(self._working):
                    self._changed.notify_all()
        return self._working > share.goal

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
            if not self._is_timer_due():
                return False
            action = heappop(self._timers)[2]
        action()
        return True

    def _rest(self, done: Callable[[], bool]) -> None:
        """Rest in the middle of a task, until there is something to do or what it waits for is done."""
        with self._changed:
            if self._stack or self._closing or done():
                return
            self._working -= 1
            self._changed.wait(self._seconds_to_timer())
            self._working += 1

    def _is_timer_due(self) -> bool:
        return bool(self._timers) and self._timers[0][0] <= monotonic()

    def _seconds_to_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - monotonic()) if self._timers else None

    def _nudge(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Share:
    """How many threads of a pool work: all that it has, or fewer where more would only wait for each other.

    Args:    most: how many threads there may be.
    """

    def __init__(self, most: int) -> None:
        self.goal = 1
        """How many may work now."""
        self.done = 0
        """About how many tasks were run; threads that count at once may miss some."""
        self.seconds = _LOOK_SECONDS
        """How long to wait with the next look."""
        self._most = most
        self._done_before = 0
        self._at = monotonic()
        self._used = process_time()

    def is_due(self) -> bool:
        """Tell whether it is time to look again."""
        return monotonic() - self._at >= self.seconds

    def look(self, working: int) -> bool:
        """Look at what was done since the last time, and tell whether more threads are to work from now on.

        Before it is time, do nothing: another thread has just looked, or one that rests was woken up early.
        """
        if not self.is_due():
            return False
        now, used, done = monotonic(), process_time(), self.done - self._done_before
        busy = (used - self._used) / max(now - self._at, 1e-6)
        self._at, self._used, self._done_before = now, used, self.done
        if done == 0 or busy < _WAITS:
            is_more = self.goal < self._most
            self.goal = min(self._most, 2 * self.goal)
            self.seconds = _LOOK_SECONDS
            return is_more
        self.seconds = min(_MAX_LOOK_SECONDS, 2 * self.seconds)
        if done >= _QUICK * working:
            self.goal = max(1, self.goal // 2)
        return False
