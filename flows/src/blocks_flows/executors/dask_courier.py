"""Takes calls to a Dask cluster, and brings back what they came to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Condition
from typing import Any, Final, cast

import dask.config
from distributed import as_completed
from distributed.scheduler import KilledWorker

from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.errors import ClusterLost, NotSendable, WorkerLost
from blocks_flows.executors.away import Line, take_line
from blocks_flows.executors.dask_cluster import Cluster
from blocks_flows.executors.dask_worker import Answer, keep, run_calls, topic_of
from blocks_flows.executors.parcels import pack_call, unpack_outcome
from blocks_flows.executors.shared_parcels import SharedParcels
from blocks_flows.failures import describe
from blocks_flows.nodes import Node
from blocks_flows.run_logs import RunLog

_AHEAD_SECONDS: Final = 0.2
"""How much work is sent to each thread of the cluster before it is free."""
_MAX_AHEAD: Final = 256
"""How many calls at most."""
_TOGETHER_SECONDS: Final = 0.02
"""How much work is made one task of Dask's, which costs it a millisecond or more."""
_MAX_TOGETHER: Final = 16
"""How many calls."""
_MAX_INLINE_BYTES: Final = 50_000
"""Of what calls share: more goes once to each worker instead of with each call."""
_MAX_BATCH_BYTES: Final = 5_000_000
"""Of what is sent at once, unless one call alone has more."""
_NO_WARNING: Final = {"distributed.admin.large-graph-warning-threshold": "1 PB"}
"""Dask advises against large arguments in words that mean nothing to who wrote a flow."""
_PATIENCE_SECONDS: Final = 10.0
_NEWEST_COUNTS: Final = 0.2

Call = tuple[Node, TaskCall]
Ended = tuple[Node, Outcome]


@dataclass(slots=True)
class _Group:
    """Calls of one task that are one task of Dask's."""

    shared: bytes
    calls: list[Call] = field(default_factory=list[Call])
    owns: list[bytes] = field(default_factory=list[bytes])


class Courier:
    """Used by one thread; only what Dask's own thread calls may come from there.

    Args:    changed: notified when there is something to take.
             lines: gets what workers logged ahead of an outcome.
    """

    def __init__(self, cluster: Cluster, changed: Condition, lines: deque[Line]) -> None:
        self._cluster = cluster
        self._client: Any = cluster.client
        self._changed = changed
        self._lines = lines
        self._parcels = SharedParcels()
        self._sent: dict[Any, _Group] = {}
        """By Dask's future."""
        self._under_way = 0
        self._again: list[Call] = []
        """Calls to be sent each by itself."""
        self._suspects: deque[Call] = deque()
        """Calls that Dask gave up, mostly as a worker died: the one that did it is found by sending one at a time."""
        self._suspect: Node | None = None
        """The one that is under way."""
        self._guilty: set[Node] = set()
        """Those that did it; their next tries are suspect from the beginning."""
        self._carried: dict[bytes, Any] = {}
        """Parcels that calls share, as they are given to Dask."""
        self._numbers = count()
        self._mean_seconds: dict[bytes, float] = {}
        """That a task takes, by what its calls share."""
        self._last_mean: float | None = None
        self._threads = 1
        self._patience_seconds = _PATIENCE_SECONDS
        self._log: RunLog | None = None
        self._completed: Any = cast("Any", as_completed)([], loop=self._client.loop)
        # So that one thread can wait for this and for other things.
        self._completed.thread_condition = changed

    def look_around(self) -> None:
        """Ask how large the cluster is, once in a while.

        Raises:  ClusterLost.
        """
        try:
            self._threads = self._cluster.threads()
        except Exception as error:
            raise self._lost(describe(error)) from error

    def room(self) -> int:
        """Return how many calls may be sent now: none, until half of those that may be under way have arrived.

        All threads of the cluster are busy with the other half, and Dask takes many calls in one go far quicker.
        """
        ahead = 1
        if self._last_mean is not None:
            ahead = max(1, min(_MAX_AHEAD, int(_AHEAD_SECONDS / (self._last_mean + 1e-6))))
        most = self._threads * (1 + ahead)
        return most - self._under_way if 2 * self._under_way <= most else 0

    def has_arrived(self) -> bool:
        """Tell whether there is something to take in."""
        return bool(self._completed.has_ready())

    def take_lines(self) -> None:
        """Keep and show the lines that came ahead."""
        while self._lines and self._log is not None:
            take_line(self._lines.popleft(), self._log)

    def send(self, ready: list[Call]) -> list[Ended]:
        """Send calls, the first one first, and return what came of those that cannot be sent.

        Raises:  ClusterLost.
        """
        if self._guilty:
            self._suspects += [each for each in ready if each[0] in self._guilty]
            ready = [each for each in ready if each[0] not in self._guilty]
        alone, self._again = self._again, []
        if self._suspects and self._suspect is None:
            alone.append(self._suspects.popleft())
            self._suspect = alone[-1][0]
        unsendable: list[Ended] = []
        groups: list[_Group] = []
        size = 0
        for place, (node, call) in enumerate((*alone, *ready)):
            try:
                shared, own = self._parcels.of_task(call)[1], pack_call(call)
            except NotSendable as error:
                unsendable.append((node, Outcome(error=error)))
                continue
            if groups and size + len(own) > _MAX_BATCH_BYTES:
                self._submit(groups)
                groups, size = [], 0
            together = 1 if place <= len(alone) else self._together(shared, len(ready))
            if not groups or groups[-1].shared is not shared or len(groups[-1].calls) >= together:
                groups.append(_Group(shared))
            groups[-1].calls.append((node, call))
            groups[-1].owns.append(own)
            size += len(own)
        if groups:
            self._submit(groups)
        return unsendable

    def arrived(self) -> Iterator[Ended]:
        """Take in what has ended.

        Raises:  KeyboardInterrupt: a task met one. ClusterLost.
        """
        futures: list[Any] = self._completed.next_batch(block=False)
        answers = self._gathered([future for future in futures if future.status == "finished"])
        self.take_lines()
        for future in futures:
            if future not in answers and future.status in ("pending", "lost", "finished"):
                self._completed.add(future)  # it was lost on the way here, and Dask makes it again
                continue
            group = self._sent.pop(future)
            self._under_way -= len(group.calls)
            if future in answers:
                yield from self._opened(answers[future], group)
            else:
                yield from self._failed(future, group)

    def cancel(self) -> None:
        """Let Dask forget what was sent."""
        with suppress(Exception):  # the scheduler may be gone
            if self._sent and self._cluster.is_connected:
                self._client.cancel(list(self._sent), force=True)
        self._sent.clear()

    def _together(self, shared: bytes, ready: int) -> int:
        """Return how many calls of a task to make one: more than one only of a task that is known to be quick."""
        known = self._mean_seconds.get(shared)
        if known is None:
            return 1
        return max(
            1, min(_MAX_TOGETHER, ready // (2 * self._threads), int(_TOGETHER_SECONDS / (known + 1e-6)))
        )

    def _submit(self, groups: list[_Group]) -> None:
        facts = groups[0].calls[0][1].frame.run
        assert facts is not None
        try:
            if self._log is None:
                self._log = facts.sink
                self._client.subscribe_topic(topic_of(facts.flow_run_id), self._take_event)
            names = [group.calls[0][1].task.name for group in groups]
            with dask.config.set(_NO_WARNING):
                run = self._carry(self._parcels.of_run(facts))
                futures = self._client.map(
                    run_calls,
                    [run] * len(groups),
                    [self._carry(group.shared) for group in groups],
                    [group.owns for group in groups],
                    key=[f"{name}-{facts.flow_run_id}-{next(self._numbers)}" for name in names],
                    pure=False,
                )
        except Exception as error:
            raise self._lost(describe(error)) from error
        for future, group in zip(futures, groups, strict=True):
            self._sent[future] = group
            self._under_way += len(group.calls)
        self._completed.update(futures)

    def _carry(self, parcel: bytes) -> Any:
        """Return a parcel as it is, or, of a large one, what Dask brings to each worker once."""
        if len(parcel) <= _MAX_INLINE_BYTES:
            return parcel
        if parcel not in self._carried:
            self._carried[parcel] = self._client.submit(keep, parcel, pure=False)
        return self._carried[parcel]

    def _gathered(self, futures: list[Any]) -> dict[Any, list[Answer]]:
        """Return the answers that can be had; one may be lost with the worker that had it, and be made again."""
        if not futures:
            return {}

        async def gather() -> Any:
            return await self._client.gather(futures, asynchronous=True)

        try:
            answers = self._client.sync(gather, callback_timeout=self._patience_seconds)
        except TimeoutError:  # whoever waits longer does not see what else goes on
            self._patience_seconds *= 2
        except Exception as error:  # one of them has failed since
            if not self._cluster.is_connected:
                raise self._lost(describe(error)) from error
        else:
            self._patience_seconds = _PATIENCE_SECONDS
            return dict(zip(futures, answers, strict=True))
        found: dict[Any, list[Answer]] = {}
        for each in futures if len(futures) > 1 else ():
            found |= self._gathered([each])
        return found

    def _opened(self, answers: list[Answer], group: _Group) -> Iterator[Ended]:
        self._again += group.calls[len(answers) :]
        for (node, call), answer in zip(group.calls, answers, strict=False):
            if node is self._suspect:
                self._suspect = None
            if self._log is not None:
                for line in answer.lines:
                    take_line(line, self._log)
            if answer.outcome is None:
                raise KeyboardInterrupt
            known = self._mean_seconds.get(group.shared, answer.seconds)
            self._last_mean = known + (answer.seconds - known) * _NEWEST_COUNTS
            self._mean_seconds[group.shared] = self._last_mean
            yield node, unpack_outcome(answer.outcome, call.task.name)

    def _failed(self, future: Any, group: _Group) -> Iterator[Ended]:
        if not self._cluster.is_connected:
            raise self._lost("the connection was closed")
        error = future.exception() if future.status == "error" else None
        node, call = group.calls[0]
        name = call.task.name
        if node is not self._suspect:  # another call, of this group or not, may have brought it about
            self._suspects += group.calls
            return
        self._suspect = None
        if isinstance(error, KilledWorker):
            self._guilty.add(node)
            text = f"Task '{name}' was begun again and again on Dask workers, and each of them died."
        elif error is None:
            text = f"Task '{name}' was cancelled by the Dask cluster, or what it needs was lost there."
        else:
            text = f"Task '{name}' cannot be run on a Dask worker: {describe(error)}"
        yield node, Outcome(error=WorkerLost(text))

    def _take_event(self, event: tuple[float, Any]) -> None:
        """Take lines, on Dask's own thread."""
        self._lines += [tuple(line) for line in event[1]]
        with self._changed:
            self._changed.notify_all()

    def _lost(self, why: str) -> ClusterLost:
        return ClusterLost(
            f"The Dask scheduler at {self._cluster.address} was lost while the run went on ({why}). What had "
            f'succeeded is kept: run the flow again, or "block run restart" it.'
        )
