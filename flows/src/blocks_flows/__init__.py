"""Flows and tasks: results in storage blocks, alerts through notifier blocks, every state recorded."""

from blocks_flows import signals, triggers
from blocks_flows.arguments import flatten, unmapped
from blocks_flows.cache_keys import task_input_hash
from blocks_flows.context import context
from blocks_flows.control_flow import case, ifelse, merge, switch
from blocks_flows.function_flows import FunctionFlow, flow
from blocks_flows.graph_flows import Flow
from blocks_flows.options import exponential_backoff
from blocks_flows.parameters import Parameter
from blocks_flows.run_logs import get_run_logger
from blocks_flows.tasks import Task, task

__all__ = [
    "Flow",
    "FunctionFlow",
    "Parameter",
    "Task",
    "case",
    "context",
    "exponential_backoff",
    "flatten",
    "flow",
    "get_run_logger",
    "ifelse",
    "merge",
    "signals",
    "switch",
    "task",
    "task_input_hash",
    "triggers",
    "unmapped",
]
