"""Runs a flow of either form once, now, whatever its schedule says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks_flows.function_flows import FunctionFlow
from blocks_flows.graph_flows import Flow
from blocks_flows.progress import Display
from blocks_flows.states import State

AnyFlow = Flow | FunctionFlow


def run_once(
    flow: AnyFlow,
    parameters: Mapping[str, Any],
    *,
    progress: bool | Display = False,
) -> State:
    """Run a flow in this process and return how it ended.

    Raises:  ParametersInvalid.
    """
    return flow.run(parameters, progress=progress, run_on_schedule=False)
