"""Flows and tasks: results in storage blocks, alerts through notifier blocks, every state recorded."""

from blocks_flows.arguments import unmapped
from blocks_flows.context import context
from blocks_flows.flows import Flow, flow
from blocks_flows.parameters import Parameter
from blocks_flows.run_logs import get_run_logger
from blocks_flows.tasks import Task, task

__all__ = ["Flow", "Parameter", "Task", "context", "flow", "get_run_logger", "task", "unmapped"]
