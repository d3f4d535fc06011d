"""Worker processes that run the tasks of a run; each belongs to a thread, which waits while it works."""

from __future__ import annotations

from threading import local
from time import monotonic

from blocks_flows.executors.shared_parcels import SharedParcels
from blocks_flows.executors.threads import ThreadPool
from blocks_flows.executors.worker_process import GRACE_SECONDS, WorkerProcess
from blocks_flows.nodes import Node
from blocks_flows.performing import perform
from blocks_flows.pools import Engine


class _Mine(local):
    """What belongs to the current thread."""

    process: WorkerProcess | None = None


class ProcessPool(ThreadPool):
    """Runs tasks in processes, which are made as they are needed and end with the run."""

    def __init__(self, engine: Engine, workers: int) -> None:
        super().__init__(engine, workers, may_rise=False)
        self._parcels = SharedParcels()
        self._busy: set[WorkerProcess] = set()
        self._mine = _Mine()

    def close(self) -> None:
        """Stop; a task that still runs is not waited for, as its run was stopped."""
        self._stop_taking()
        for process in self._busy.copy():
            process.abort()
        deadline = monotonic() + GRACE_SECONDS
        while self._busy and monotonic() < deadline:
            for thread in self._threads:
                thread.join(0.05)
        for process in self._busy.copy():
            process.kill()
        for thread in self._threads:
            thread.join()

    def _run(self, node: Node) -> None:
        self._context.copy().run(self._run_away, node)

    def _run_away(self, node: Node) -> None:
        try:
            call = self._engine.begin_try(node)
            if call is None:
                return
            if call.task.is_quick:
                self._engine.finished(node, perform(call))
                return
            process = self._mine.process
            if process is None:
                process = self._mine.process = WorkerProcess(self._parcels)
            self._busy.add(process)  # first: who closes the pool looks there after it has said so
            if self._closing:
                return
            outcome = process.perform(call)
            self._busy.discard(process)
            if not self._closing:
                self._engine.finished(node, outcome)
        except BaseException as error:  # not the task's: nobody may wait for what will not come
            self._engine.break_off(error)
            raise
        finally:
            if self._mine.process is not None:
                self._busy.discard(self._mine.process)

    def _serve(self) -> None:
        try:
            super()._serve()
        finally:
            if self._mine.process is not None:
                self._mine.process.end()
