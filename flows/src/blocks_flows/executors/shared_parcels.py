"""What goes to each worker of a run only once."""

from __future__ import annotations

from threading import Lock
from typing import Final

from blocks_flows.calls import TaskCall
from blocks_flows.context import RunFacts
from blocks_flows.executors.channel import NUMBER_BYTES
from blocks_flows.executors.parcels import pack_run, pack_shared
from blocks_flows.tasks import Task

MAX_SHARED: Final = 1000
"""Tasks whose parcels are kept, on both sides."""


class SharedParcels:
    """What goes once to each worker of a run: the run's facts, and of each task what its calls have in common."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._run: bytes | None = None
        self._shared: dict[int, tuple[Task, bytes, bytes]] = {}
        self._count = 0

    def of_run(self, facts: RunFacts) -> bytes:
        """Return the facts of the run."""
        with self._lock:
            if self._run is None:
                self._run = pack_run(facts)
            return self._run

    def of_task(self, call: TaskCall) -> tuple[bytes, bytes]:
        """Return the number of what the calls of a task have in common, and that.

        Raises:  NotSendable.
        """
        found = self._shared.get(id(call.task))
        if found is None:
            parcel = pack_shared(call)
            with self._lock:
                if len(self._shared) >= MAX_SHARED:
                    self._shared.clear()
                self._count += 1
                number = self._count.to_bytes(NUMBER_BYTES, "little")
                # with the task, so that no other one gets its id
                found = self._shared[id(call.task)] = (call.task, number, parcel)
        return found[1], found[2]
