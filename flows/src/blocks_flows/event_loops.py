"""The driver of what is awaited: async flows, and the tasks that are run on their event loops.

Machine and driver are those of all runs; only here does one wait by awaiting. Tasks of an async flow run on its own
loop, however many at a time, unless they are plain functions, which block it as plain calls do, or are submitted to
threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from inspect import BoundArguments
from typing import Any, TypeVar, cast

from blocks_flows.arguments import references
from blocks_flows.calling import await_task, cancelled
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import FRAME, running_loop
from blocks_flows.deadlines import Deadline
from blocks_flows.driver import Driver
from blocks_flows.errors import FlowTimedOut, TaskCancelled
from blocks_flows.keeping import steps_around
from blocks_flows.nodes import Node
from blocks_flows.performing import advance
from blocks_flows.pools import Pool
from blocks_flows.stacks import run_on_new_stack
from blocks_flows.waits import Steps

T = TypeVar("T")


class LoopPool(Pool):
    """Runs tasks on one event loop, each as an asyncio task; for one flow run."""

    def __init__(self, engine: Driver, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._engine = engine
        self._running: dict[Node, asyncio.Task[None]] = {}

    def push(self, nodes: list[Node]) -> None:
        """Take tasks that are ready, from any thread."""
        call = self.loop.call_soon if running_loop() is self.loop else self.loop.call_soon_threadsafe
        for node in reversed(nodes):
            call(self._start, node, context=node.note.context)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call something after some time."""
        self.loop.call_soon_threadsafe(self.loop.call_later, seconds, action)

    def wait(self, done: Callable[[], bool], node: Node | None = None) -> None:
        """Block until a node is finished, in a thread that is not the loop's."""
        self._engine.wait_for(node)

    def close(self) -> None:
        """Do nothing: there are no threads."""

    async def finish(self, node: Node) -> None:
        """Wait until a task is finished; where its caller is cancelled, it is too."""
        try:
            await settled(self._engine, [node])
        except asyncio.CancelledError:
            task = self._running.get(node)
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            else:
                text = f"Task '{node.name}' was cancelled before it ran, or between two tries."
                self._engine.finished(node, Outcome(error=TaskCancelled(text)))
            raise

    async def rest(self) -> None:
        """Return when none of its tasks runs any more; those of a stopped run were cancelled."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    def _start(self, node: Node) -> None:
        if node.is_settled():
            return
        task = self._running[node] = self.loop.create_task(self._try(node))
        self._engine.tell_when(node, lambda: _tell(self.loop, self._settled, node, task))

    def _settled(self, node: Node, task: asyncio.Task[None]) -> None:
        """Cancel what runs in vain, as its run was stopped; a try that tells of its own end is left alone."""
        if asyncio.current_task() is not task and self._running.get(node) is task:
            task.cancel()

    async def _try(self, node: Node) -> None:
        try:
            if node.note.task.is_async:
                call = self._engine.begin_try(node)
                if call is not None:
                    self._engine.finished(node, await perform_awaiting(call))
            else:
                self._engine.execute(node)
        except (KeyboardInterrupt, SystemExit) as error:
            self._engine.break_off(error)
            raise
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, and raises it
            self._engine.break_off(error)
        finally:
            del self._running[node]


async def perform_awaiting(call: TaskCall) -> Outcome:
    """Do what `perform` does, with a task that is awaited; what reads and writes files is done on threads."""
    token = FRAME.set(call.frame)
    try:
        if call.is_bare:
            return Outcome(await await_task(call))
        with closing(steps_around(call)) as steps:
            step = await asyncio.to_thread(advance, steps)
            while isinstance(step, float):
                await asyncio.sleep(step)
                step = await asyncio.to_thread(advance, steps)
            if step is None:
                value = await await_task(call)
                step = await asyncio.to_thread(advance, steps, value)
            assert isinstance(step, Outcome)
            return step
    except KeyboardInterrupt:  # of the user, who wants the whole run to stop
        raise
    except asyncio.CancelledError:
        return Outcome(None, cancelled(call))
    except BaseException as error:  # noqa: BLE001 - a task may raise anything; exit() ends the task only
        return Outcome(None, error)
    finally:
        FRAME.reset(token)


async def settled(driver: Driver, nodes: Iterable[Node | None]) -> None:
    """Wait until nodes are settled, or, for None, all are finished.

    A worker thread whose task awaits here has another thread work in its place, or all might wait for each other.
    """
    loop = asyncio.get_running_loop()
    for node in nodes:
        if node is not None and node.is_settled():
            continue
        ended = loop.create_future()
        driver.tell_when(node, lambda ended=ended: _tell(loop, _end, ended))
        if node is not None and driver.is_worked_here:
            run_on_new_stack(lambda node=node: driver.pool.wait(node.is_settled, node), 0)
        await ended
    driver.check()


class Awaiting:
    """Awaits, in the event loop that the flow runs on; see `Waits`."""

    async def ready(self, values: Any) -> None:
        """Await the futures in some values, whatever they come to."""
        for each in references(values):
            if hasattr(each, "settled"):  # a future: its module stands above, as it awaits through this one
                await cast("Any", each).settled()

    async def call(self, fn: Callable[..., Any], bound: BoundArguments, deadline: Deadline | None) -> Any:
        """Await the flow function, which its deadline cancels."""
        seconds = None if deadline is None else deadline.seconds_left()
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await fn(*bound.args, **bound.kwargs)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise FlowTimedOut("The flow function was cancelled, as its time was over.") from error

    async def settle(self, driver: Driver) -> None:
        """Await every task."""
        await settled(driver, [None])

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def work(self, action: Callable[[], T]) -> T:
        """Do it on a thread."""
        return await asyncio.to_thread(action)

    async def close(self, driver: Driver) -> None:
        """Let what was cancelled end, and let go of threads."""
        pool = getattr(driver.host, "loop_pools", {}).get(asyncio.get_running_loop())
        if pool is not None:
            await pool.rest()
        if driver.is_stopped:
            await asyncio.to_thread(driver.close)
        else:
            driver.close()


_AWAITING = Awaiting()


async def finish_awaiting(steps: Steps[T], read: Callable[[T], Any]) -> Any:
    """Do what `waits.finish` does, by awaiting; return what is read of the end."""
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            try:
                step = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as ended:
                return read(ended.value)
            answer = error = None
            try:
                answer = await step(_AWAITING)
            except GeneratorExit:
                raise
            except BaseException as raised:  # noqa: BLE001 - whatever it is, the run decides
                error = raised
    finally:
        steps.close()


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *args: Any) -> None:
    """Call something on a loop's thread, from any."""
    if running_loop() is loop:
        call(*args)
        return
    with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
        loop.call_soon_threadsafe(call, *args)


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
