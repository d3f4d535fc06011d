"""Runs one task, wherever that is: all it needs comes in, all it made goes out, and both can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from blocks_flows.context import FRAME, Frame
from blocks_flows.results import StoredResult, load_storage, write_result
from blocks_flows.run_logs import captured_prints
from blocks_flows.tasks import Task


@dataclass(slots=True)
class TaskCall:
    """A try at a task that is ready: nothing in it waits for anything."""

    task: Task
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    frame: Frame
    storage: Any = None
    """A storage block, its address, or None: the result is not kept."""


@dataclass(slots=True)
class Outcome:
    """What a try came to."""

    value: Any = None
    error: BaseException | None = None
    stored: StoredResult | None = None


def perform(call: TaskCall) -> Outcome:
    """Run a task in its context and keep its result; what it raises is part of the outcome."""
    token = FRAME.set(call.frame)
    try:
        with captured_prints(call.frame) if call.task.options.log_stdout else _NOTHING:
            value = call.task.run(*call.args, **call.kwargs)
        stored = None if call.storage is None else write_result(load_storage(call.storage), value)
        return Outcome(value, None, stored)
    except KeyboardInterrupt:  # of the user, who wants the whole run to stop
        raise
    except BaseException as error:  # noqa: BLE001 - a task may raise anything; exit() ends the task only
        return Outcome(None, error)
    finally:
        FRAME.reset(token)


_NOTHING = nullcontext()
