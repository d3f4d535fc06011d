"""What the engine says in the log when a task run begins or ends.

The journal does not keep these lines: the record of a state has what was said of it, and who reads the log makes them
anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

BEGAN: Final = 1
ENDED: Final = 2
LEVEL: Final = 20
"""Of `logging`: INFO."""
LOGGER: Final = "blocks_flows.TaskRunner"


def lines_of(said: int, task_run_name: str, state_name: str) -> Iterator[str]:
    """Yield the lines that were said of a state.

    Args:    said: BEGAN, ENDED, both together, or 0.
    """
    if said & BEGAN:
        yield f"Task '{task_run_name}': Starting task run..."
    if said & ENDED:
        yield f"Task '{task_run_name}': Finished task run for task with final state: '{state_name}'"
