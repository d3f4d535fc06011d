"""Calls a task's code: within its time, with its prints captured, and awaited where it is to be."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any

from blocks_flows.calls import TaskCall
from blocks_flows.context import running_loop
from blocks_flows.errors import TaskCancelled, TaskTimedOut
from blocks_flows.run_logs import captured_prints
from blocks_flows.stacks import run_on_new_stack


def call_task(call: TaskCall) -> Any:
    """Return what the task returns, or raise what it raises."""
    if call.task.is_async:
        return _call_awaited(call)
    if call.timeout_seconds is not None:
        return _call_within(call, call.timeout_seconds)
    return _call(call)


async def await_task(call: TaskCall) -> Any:
    """Do the same with a task whose work is awaited; a time-out cancels it.

    Raises:  TaskTimedOut.
    """
    import asyncio  # late: start-up time; only what is awaited needs it

    task, frame = call.task, call.frame
    frame.is_async = True
    scope = asyncio.timeout(call.timeout_seconds)
    try:
        with captured_prints(frame) if task.options.log_stdout else nullcontext():
            async with scope:
                return await task.run(*call.args, **call.kwargs)
    except TimeoutError as error:
        if not scope.expired():
            raise
        text = f"Task '{task.name}' took longer than {call.timeout_seconds:g} seconds, and was cancelled."
        raise TaskTimedOut(text) from error


def cancelled(call: TaskCall) -> TaskCancelled:
    """Return what stands for a cancellation of asyncio, which an event loop would take for its own."""
    return TaskCancelled(f"Task '{call.task.name}' was cancelled while it ran.")


def run_in_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in an event loop of its own, and return what it returns.

    Where a loop runs in this thread already, that is on a thread of its own.
    """
    import asyncio  # late: as above

    if running_loop() is None:
        return asyncio.run(coroutine)
    values: list[Any] = []
    run_on_new_stack(lambda: values.append(asyncio.run(coroutine)))
    return values[0]


def _call_awaited(call: TaskCall) -> Any:
    import asyncio  # late: as above

    try:
        return run_in_loop(await_task(call))
    except asyncio.CancelledError as error:
        raise cancelled(call) from error


def _call(call: TaskCall) -> Any:
    if not call.task.options.log_stdout:
        return call.task.run(*call.args, **call.kwargs)
    with captured_prints(call.frame):
        return call.task.run(*call.args, **call.kwargs)


def _call_within(call: TaskCall, seconds: float) -> Any:
    """Call the task on a thread of its own, and leave that to itself when the time is over.

    What runs on there is in no run any more: its lines are not kept, and tasks that it calls are refused.
    """
    values: list[Any] = []
    if run_on_new_stack(lambda: values.append(_call(call)), seconds):
        return values[0]
    call.frame.host = call.frame.run = None
    raise TaskTimedOut(
        f"Task '{call.task.name}' took longer than {seconds:g} seconds. Its thread goes on in the background, as "
        f"Python cannot stop one, and what it returns is dropped; in an executor of processes, such as "
        f'LocalDaskExecutor(scheduler="processes"), a task that takes too long is stopped.'
    )
