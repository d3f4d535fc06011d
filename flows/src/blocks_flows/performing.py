"""Runs one task, wherever that is: all it needs comes in, all it made goes out, and both can be sent."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from blocks_flows.calling import call_task
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import FRAME
from blocks_flows.keeping import nested, pause, steps_around


def perform(call: TaskCall) -> Outcome:
    """Run a task in its context and keep its result; what it raises is part of the outcome."""
    token = FRAME.set(call.frame)
    try:
        if call.is_bare:
            return Outcome(call_task(call))
        with closing(steps_around(call)) as steps:
            step = advance(steps)
            while isinstance(step, float):
                pause(call, step)
                step = advance(steps)
            if step is None:
                with nested(call):
                    value = call_task(call)
                step = advance(steps, value)
            assert isinstance(step, Outcome)
            return step
    except KeyboardInterrupt:  # of the user, who wants the whole run to stop
        raise
    except BaseException as error:  # noqa: BLE001 - a task may raise anything; exit() ends the task only
        return Outcome(None, error)
    finally:
        FRAME.reset(token)


def advance(steps: Generator[float | None, Any, Outcome], value: Any = None) -> Outcome | float | None:
    """Go on to the next yield of `steps_around`; None: the task itself is to be run now; seconds: go on after them.

    Close the steps at the end, above all where the task raised: others may wait for what they hold.
    """
    try:
        return steps.send(value)
    except StopIteration as ended:
        return ended.value
