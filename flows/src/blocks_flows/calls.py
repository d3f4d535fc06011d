"""A try at a task, and what it came to: all that the code which runs it is given, and gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blocks_flows.context import Frame
from blocks_flows.results import DefaultResult, StoredResult
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
    serializer: str | None = None
    """Of the task, else of the flow; None is `cloudpickle`."""
    timeout_seconds: float | None = None
    """How long the task's own code may take; a pool that ends it by itself sets None."""

    @property
    def is_bare(self) -> bool:
        """Tell whether nothing comes before or behind the task's own code: its value is not kept, nor looked for."""
        return self.storage is None

    @property
    def is_cached_only(self) -> bool:
        """Tell whether the value is kept for the cache alone: nobody says that it is to be kept, nor where."""
        return isinstance(self.storage, DefaultResult) and not self.task.options.persist_result


@dataclass(slots=True)
class Outcome:
    """What a try came to: a value, or the error that was raised, a signal maybe."""

    value: Any = None
    error: BaseException | None = None
    stored: StoredResult | None = None
    is_cached: bool = False
    """The task was not run: the value was there already."""
