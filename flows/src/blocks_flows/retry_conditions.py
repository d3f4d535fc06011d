"""Whether a task's own rules want another try after a failure."""

from __future__ import annotations

import logging
from time import time

from blocks_flows.context import RunFacts
from blocks_flows.failures import describe
from blocks_flows.nodes import Node
from blocks_flows.run_logs import TASK_LOGGER, RunLog, traceback_of
from blocks_flows.states import State, StateType
from blocks_flows.tasks import Task


def is_to_be_tried_again(node: Node, task: Task, facts: RunFacts, error: BaseException) -> bool:
    """Tell whether a task is tried again after this error; a condition that raises says no, and is logged."""
    options = task.options
    if options.rules.retry.retries < node.attempts:
        return False
    if options.retry_on and not isinstance(error, options.retry_on):
        return False
    if options.retry_condition is None:
        return True
    state = State(StateType.FAILED, "Failed", time(), describe(error), error)
    try:
        return bool(options.retry_condition(task, facts, state))
    except Exception as raised:  # noqa: BLE001 - it is the user's code
        text = f"Task '{node.name}': its retry_condition_fn raised, so it is not tried again.\n"
        log: RunLog = facts.sink
        log.say(TASK_LOGGER, logging.ERROR, text + traceback_of(raised), node.run_id)
        return False
