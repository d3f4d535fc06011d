from __future__ import annotations

import subprocess
import sys

import blocks_flows
from blocks_flows import executors


def test_the_public_names_are_these() -> None:
    assert blocks_flows.__all__ == [
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
    assert blocks_flows.__all__ == sorted(blocks_flows.__all__)
    assert all(hasattr(blocks_flows, name) for name in blocks_flows.__all__)
    assert issubclass(executors.LocalExecutor, executors.Executor)
    assert issubclass(executors.LocalDaskExecutor, executors.Executor)


def test_importing_brings_in_nothing_heavy_and_does_nothing(tmp_path) -> None:
    program = """
import sys, threading
import blocks_flows, blocks_flows.executors
heavy = {"pendulum", "rich", "cloudpickle", "numpy", "click", "asyncio", "pytest"} & set(sys.modules)
assert not heavy, heavy
assert threading.active_count() == 1
"""
    home = tmp_path / "never"
    environment = {"BLOCKS_HOME": str(home), "PATH": ""}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=60)
    assert not home.exists()
