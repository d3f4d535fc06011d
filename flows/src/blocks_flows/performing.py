"""Runs one task, wherever that is: all it needs comes in, all it made goes out, and both can be sent."""

from __future__ import annotations

from blocks_flows.calling import call_task
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import FRAME
from blocks_flows.results import load_storage, write_result


def perform(call: TaskCall) -> Outcome:
    """Run a task in its context and keep its result; what it raises is part of the outcome."""
    token = FRAME.set(call.frame)
    try:
        value = call_task(call)
        stored = None if call.storage is None else write_result(load_storage(call.storage), value)
        return Outcome(value, None, stored)
    except KeyboardInterrupt:  # of the user, who wants the whole run to stop
        raise
    except BaseException as error:  # noqa: BLE001 - a task may raise anything; exit() ends the task only
        return Outcome(None, error)
    finally:
        FRAME.reset(token)
