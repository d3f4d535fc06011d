"""Calls a task's code: in its context, with its prints captured."""

from __future__ import annotations

from typing import Any

from blocks_flows.calls import TaskCall
from blocks_flows.run_logs import captured_prints


def call_task(call: TaskCall) -> Any:
    """Return what the task returns, or raise what it raises."""
    if not call.task.options.log_stdout:
        return call.task.run(*call.args, **call.kwargs)
    with captured_prints(call.frame):
        return call.task.run(*call.args, **call.kwargs)
