"""Where a run stands: a type out of eleven, and a free name that says more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class StateType(StrEnum):
    """What the engine and the rules go by."""

    SCHEDULED = "Scheduled"
    PENDING = "Pending"
    RUNNING = "Running"
    RETRYING = "Retrying"
    PAUSED = "Paused"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    SUCCESS = "Success"
    FAILED = "Failed"
    CRASHED = "Crashed"
    SKIPPED = "Skipped"


FINISHED = frozenset(
    {StateType.SUCCESS, StateType.FAILED, StateType.CRASHED, StateType.SKIPPED, StateType.CANCELLED}
)
SUCCESSFUL = frozenset({StateType.SUCCESS, StateType.SKIPPED})
FAILED = frozenset({StateType.FAILED, StateType.CRASHED})


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands since when; a change makes a new one."""

    type: StateType
    name: str
    at: float
    """When it came about: Unix time in seconds."""
    message: str = ""
    result: Any = field(default=None, repr=False)
    """Of a success the value, of a failure the exception, of a graph's run a dict of its tasks' states."""
    map_states: tuple[State, ...] = field(default=(), repr=False)
    """Of a mapped task the states of its children."""

    def __repr__(self) -> str:
        return f'<{self.name}: "{self.message}">'

    @property
    def timestamp(self) -> datetime:
        """Return when the state came about, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    def is_scheduled(self) -> bool:
        """Tell whether the run waits for its time."""
        return self.type is StateType.SCHEDULED

    def is_pending(self) -> bool:
        """Tell whether the run has not begun."""
        return self.type in (StateType.SCHEDULED, StateType.PENDING)

    def is_running(self) -> bool:
        """Tell whether the run goes on."""
        return self.type is StateType.RUNNING

    def is_retrying(self) -> bool:
        """Tell whether the run failed and will be tried again."""
        return self.type is StateType.RETRYING

    def is_finished(self) -> bool:
        """Tell whether the run is over, however it ended."""
        return self.type in FINISHED

    def is_successful(self) -> bool:
        """Tell whether the run is over and nothing is wrong: Success or Skipped."""
        return self.type in SUCCESSFUL

    def is_failed(self) -> bool:
        """Tell whether the run is over and went wrong: Failed or Crashed."""
        return self.type in FAILED

    def is_crashed(self) -> bool:
        """Tell whether the process died under the run."""
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """Tell whether somebody stopped the run."""
        return self.type is StateType.CANCELLED

    def is_skipped(self) -> bool:
        """Tell whether the run was passed over."""
        return self.type is StateType.SKIPPED

    def is_paused(self) -> bool:
        """Tell whether the run waits for somebody's word."""
        return self.type is StateType.PAUSED

    def is_cached(self) -> bool:
        """Tell whether the value was there already, from an earlier run with the same key."""
        return self.name == "Cached"

    def is_mapped(self) -> bool:
        """Tell whether the run stands for a mapped task's children."""
        return self.name == "Mapped"
