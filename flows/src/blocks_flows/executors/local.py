"""The executors of one machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from blocks_flows.errors import FlowInvalid
from blocks_flows.executors.threads import ThreadPool
from blocks_flows.pools import Engine, Executor, InlinePool, Pool

_SCHEDULERS: Final = ("threads", "processes", "synchronous", "sync")


@dataclass(frozen=True)
class LocalExecutor(Executor):
    """Runs tasks one after another, in the thread that runs the flow."""

    def open(self, engine: Engine) -> Pool:
        """Return a pool for one run."""
        return InlinePool(engine)


@dataclass(frozen=True)
class LocalDaskExecutor(Executor):
    """Runs tasks on threads of this process, or in processes of their own.

    Args:    num_workers: how many at a time; None is one for each CPU, of threads at least four, as most tasks
             wait for others (a database, a service) rather than compute.
             scheduler: `threads`; `processes`: what a task computes in Python runs in parallel, its time-out stops
             it, and the run outlives its death; `synchronous` or `sync`: as LocalExecutor.
    """

    num_workers: int | None = None
    scheduler: str = "threads"

    def __post_init__(self) -> None:
        if self.num_workers is not None and self.num_workers < 1:
            raise FlowInvalid(
                f"LocalDaskExecutor has num_workers={self.num_workers}. Give 1 or more, or None."
            )
        if self.scheduler not in _SCHEDULERS:
            raise FlowInvalid(
                f"LocalDaskExecutor has scheduler={self.scheduler!r}. Give one of: {', '.join(_SCHEDULERS)}."
            )

    def open(self, engine: Engine) -> Pool:
        """Return a pool for one run."""
        processors = os.cpu_count() or 1
        if self.scheduler == "threads":
            return ThreadPool(engine, self.num_workers or max(processors, min(32, processors + 4)))
        if self.scheduler == "processes":
            from blocks_flows.executors.processes import ProcessPool  # late: start-up time

            return ProcessPool(engine, self.num_workers or processors)
        return InlinePool(engine)
