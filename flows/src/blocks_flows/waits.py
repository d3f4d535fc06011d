"""How a flow function's run waits: by blocking its thread, or by awaiting.

The run is written once, as a generator that yields what it waits for as a function of how; see
`blocks_flows.event_loops` for the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from inspect import BoundArguments
from time import sleep
from typing import Any, Protocol, TypeVar

from blocks_flows.deadlines import Deadline
from blocks_flows.driver import Driver

T = TypeVar("T")


class Waits(Protocol):
    """What a run can wait for."""

    def ready(self, values: Any) -> Any:
        """Wait for the futures in some values, whatever they come to."""
        ...

    def call(self, fn: Callable[..., Any], bound: BoundArguments, deadline: Deadline | None) -> Any:
        """Call the flow function and return its value."""
        ...

    def settle(self, driver: Driver) -> Any:
        """Wait until every task is finished."""
        ...

    def pause(self, seconds: float) -> Any:
        """Let time pass."""
        ...

    def work(self, action: Callable[[], Any]) -> Any:
        """Do what takes a while, such as writing files."""
        ...

    def close(self, driver: Driver) -> Any:
        """Let go of threads; what still runs is waited for."""
        ...


Steps = Generator[Callable[[Waits], Any], Any, T]


class Blocking:
    """Blocks the thread."""

    def ready(self, values: Any) -> None:
        """Do nothing: values are waited for where they are read."""

    def call(self, fn: Callable[..., Any], bound: BoundArguments, deadline: Deadline | None) -> Any:
        """Call the flow function, which goes on after its deadline until it calls a task."""
        return fn(*bound.args, **bound.kwargs)

    def settle(self, driver: Driver) -> None:
        """Run, or let run, until every task is finished."""
        driver.wait_for_all()

    def pause(self, seconds: float) -> None:
        """Sleep."""
        sleep(seconds)

    def work(self, action: Callable[[], Any]) -> Any:
        """Do it."""
        return action()

    def close(self, driver: Driver) -> None:
        """Close the driver."""
        driver.close()


_BLOCKING = Blocking()


def finish(steps: Steps[T]) -> T:
    """Run to the end in this thread."""
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            try:
                step = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as ended:
                return ended.value
            answer = error = None
            try:
                answer = step(_BLOCKING)
            except BaseException as raised:  # noqa: BLE001 - whatever it is, the run decides
                error = raised
    finally:
        steps.close()  # an interrupt may come between two steps
