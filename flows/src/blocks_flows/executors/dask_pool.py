"""The tasks of a run on a Dask cluster, driven by one thread: it sends calls and takes in what they came to.

A few calls more than the cluster has threads are under way, and many more where they are quick: so what became ready
last is run first, a run can be stopped, and a task that is said to run does so soon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from time import monotonic
from typing import Final

from blocks_flows.calls import TaskCall
from blocks_flows.executors.away import Line
from blocks_flows.executors.dask_cluster import Cluster, ClusterWanted
from blocks_flows.executors.dask_courier import Courier
from blocks_flows.nodes import Node
from blocks_flows.performing import perform
from blocks_flows.pools import Engine, Pool
from blocks_flows.stacks import HERE

_LOOK_SECONDS: Final = 1.0


class DaskPool(Pool):
    """Runs tasks on a cluster, which is made or connected to when the first one is ready."""

    def __init__(self, engine: Engine, wanted: ClusterWanted) -> None:
        self._engine = engine
        self._wanted = wanted
        self._context = copy_context()
        self._stack: list[Node] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._closing = False
        self._lines: deque[Line] = deque()
        """That came ahead of an outcome."""
        self._courier: Courier | None = None

    def push(self, nodes: list[Node]) -> None:
        """Take tasks that are ready."""
        with self._changed:
            self._stack += nodes
            self._begin()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call something after some time, on the pool's thread."""
        with self._changed:
            heappush(self._timers, (monotonic() + seconds, next(self._numbers), action))
            self._begin()

    def wait(self, done: Callable[[], bool], node: Node | None = None) -> None:
        """Wait for the pool's thread; that one goes on to work meanwhile."""
        if HERE.pool is not self or self._courier is None:
            self._engine.wait_for(node)
            return
        while not done():
            self._engine.check()
            self._turn(self._courier)

    def close(self) -> None:
        """Stop; a task that still runs is not waited for, as its run was stopped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        self._changed.notify_all()
        if self._thread is None and not self._closing:
            thread = Thread(target=self._context.run, args=(self._serve,), name="blocks-dask", daemon=True)
            thread.start()
            self._thread = thread

    def _serve(self) -> None:
        HERE.pool = self
        cluster: Cluster | None = None
        try:
            cluster = Cluster(self._wanted)
            self._courier = Courier(cluster, self._changed, self._lines)
            while not self._closing:
                self._turn(self._courier)
        except BaseException as error:  # noqa: BLE001 - nobody may wait for what will not come
            self._engine.break_off(error)
        finally:
            if cluster is not None:
                if self._courier is not None:
                    self._courier.cancel()
                cluster.close()

    def _turn(self, courier: Courier) -> None:
        """Do what there is to do, or wait until there is something."""
        courier.look_around()  # without the lock, which Dask's thread needs to answer
        with self._changed:
            if not self._is_due(courier):
                self._changed.wait(
                    self._seconds_left()
                )  # not for longer: a cluster without workers is to be mended
        if self._closing:
            return
        courier.take_lines()
        for node, outcome in courier.arrived():
            self._engine.finished(node, outcome)
        self._run_due_timers()
        self._send(courier)

    def _is_due(self, courier: Courier) -> bool:
        return bool(
            self._closing
            or courier.has_arrived()
            or self._lines
            or self._seconds_left() == 0
            or (self._stack and courier.room())
        )

    def _seconds_left(self) -> float:
        if not self._timers:
            return _LOOK_SECONDS
        return max(0.0, min(_LOOK_SECONDS, self._timers[0][0] - monotonic()))

    def _run_due_timers(self) -> None:
        while True:
            with self._changed:
                if not self._timers or self._timers[0][0] > monotonic():
                    return
                action = heappop(self._timers)[2]
            action()

    def _send(self, courier: Courier) -> None:
        ready: list[tuple[Node, TaskCall]] = []
        room = courier.room()
        while self._stack and len(ready) < room and not self._closing:
            node = self._stack.pop()
            call = self._engine.begin_try(node)
            if call is None:
                continue
            if call.task.is_quick:
                self._engine.finished(node, perform(call))
            else:
                ready.append((node, call))
        for node, outcome in courier.send(ready):
            self._engine.finished(node, outcome)
