"""Futures: the task runs that a flow function submitted, and how to wait for them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, NamedTuple

from blocks_flows.arguments import PLAIN, Reference, references
from blocks_flows.context import running_loop
from blocks_flows.driver import Driver
from blocks_flows.errors import FutureNotAwaited, FutureNotReady, RunPaused, RunStopped
from blocks_flows.nodes import Node
from blocks_flows.states import State


class TaskFuture(Reference):
    """A task run that may not be finished; as an argument of a task it is waited for.

    In an async flow, `await future` waits and returns the value; that it is given up cancels nothing.
    """

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
    def node(self) -> Node:
        """Return the run's place among the others."""
        return self._node

    @property
    def is_held(self) -> bool:
        """Tell whether the run is paused, or waits for one that is."""
        return self._node.held

    @property
    def state(self) -> State:
        """Return where the run stands now."""
        self.is_seen = self.is_seen or self._node.is_settled()
        return self._node.state

    def done(self) -> bool:
        """Tell whether nothing more happens to the run."""
        return self._node.is_settled()

    def wait(self, timeout: float | None = None) -> State:
        """Wait for the end and return the state, whatever it is.

        Args:    timeout: seconds to wait at most; the state may be that of an unfinished run then.
        Raises:  FutureNotAwaited: in an async flow, where this would stop what runs the task.
        """
        if not self._node.is_settled():
            _check_blocking(self._node)
            if timeout is None:
                self._driver.pool.wait(self._node.is_settled, self._node)
            else:
                self._driver.wait_for(self._node, timeout)
        return self.state

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> Any:
        """Wait for the end and return the value; raise what the task raised, unless that is to be returned.

        Raises:  FutureNotReady: it takes longer than `timeout` seconds; FutureNotAwaited: see `wait`; RunStopped.
        """
        state = self.wait(timeout)
        if not self._node.is_settled():
            raise FutureNotReady(
                f"Task run '{self.name}' was not finished after {timeout} seconds. It goes on."
            )
        return value_of(self._node) if raise_on_failure else state.result

    async def settled(self) -> None:
        """Await the end, whatever it is."""
        from blocks_flows.event_loops import settled  # late: start-up time; only what is awaited needs it

        await settled(self._driver, [self._node])

    def tell_when_done(self, call: Any) -> None:
        """Call something when the run is finished, on any thread; at once where it is."""
        self._driver.tell_when(self._node, call)

    @property
    def is_worked_here(self) -> bool:
        """Tell whether the current thread is one of those that run the flow's tasks."""
        return self._driver.is_worked_here

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value().__await__()

    async def _value(self) -> Any:
        await self.settled()
        return self.result()

    def __repr__(self) -> str:
        return f"<TaskFuture {self._node.name}: {self._node.state.name}>"


class FutureList(list[TaskFuture]):
    """What a map gives: the futures of its runs, in their order."""

    resolved_kind = list

    def wait(self, timeout: float | None = None) -> list[State]:
        """Wait for all, together no longer than `timeout` seconds, and return their states."""
        until = None if timeout is None else monotonic() + timeout
        return [each.wait(_left(until)) for each in self]

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> list[Any]:
        """Wait for all and return their values; see `TaskFuture.result`."""
        until = None if timeout is None else monotonic() + timeout
        return [each.result(_left(until), raise_on_failure=raise_on_failure) for each in self]


class Waited(NamedTuple):
    """Futures, by whether they are finished."""

    done: set[TaskFuture]
    not_done: set[TaskFuture]


def wait(futures: Iterable[TaskFuture], timeout: float | None = None) -> Waited:
    """Wait for all, or for `timeout` seconds, and tell which are finished."""
    waited_for = FutureList(futures)
    waited_for.wait(timeout)
    done = {each for each in waited_for if each.done()}
    return Waited(done, {each for each in waited_for if each not in done})


def as_completed(futures: Iterable[TaskFuture], timeout: float | None = None) -> Iterator[TaskFuture]:
    """Yield futures as they finish; in a task on a thread of the flow's executor, in the order given.

    Raises:  FutureNotReady: some are not finished after `timeout` seconds; FutureNotAwaited: see `TaskFuture.wait`.
    """
    pending = list(futures)
    if any(each.is_worked_here for each in pending):
        for each in pending:  # the thread runs tasks meanwhile, or all might wait for each other
            each.wait()
            yield each
        return
    until = None if timeout is None else monotonic() + timeout
    finished: SimpleQueue[TaskFuture] = SimpleQueue()
    for each in pending:
        _check_blocking(each.node)
        each.tell_when_done(lambda each=each: finished.put(each))
    for number in range(len(pending)):
        try:
            each = finished.get(timeout=_left(until))
        except Empty:
            text = f"{len(pending) - number} of {len(pending)} task runs were not finished after {timeout} seconds."
            raise FutureNotReady(f"{text} They go on.") from None
        each.wait()
        yield each


def value_of(node: Node) -> Any:
    """Return what a settled run returned, or raise what it raised.

    Raises:  RunPaused, RunStopped: it has no value.
    """
    state, name = node.state, node.name
    if node.held:
        why = (state.message or "it waits for a task that is paused").rstrip(".")
        raise RunPaused(
            f"Task run '{name}' has no value yet: {why}. "
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


def futures_in(values: Iterable[Any]) -> list[TaskFuture]:
    """Return the futures in some values, at any depth of lists and dicts."""
    found: list[TaskFuture] = []
    for value in values:
        if value.__class__ not in PLAIN:
            found += [each for each in references(value) if isinstance(each, TaskFuture)]
    return found


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - monotonic())


def _check_blocking(node: Node) -> None:
    """Refuse to block the event loop that is to run a task, or one before it."""
    loop = running_loop()
    if loop is None:
        return
    open_nodes, seen = [node], set[Node]()
    while open_nodes:
        each = open_nodes.pop()
        if each in seen or each.is_settled():
            continue
        if getattr(each.note.inline, "loop", None) is loop:
            raise FutureNotAwaited(
                f"Task run '{node.name}' needs this event loop, which waiting for it here would stop. "
                f"Write `await future`; to wait for several, `await asyncio.gather(*futures)`."
            )
        seen.add(each)
        open_nodes += each.upstreams
