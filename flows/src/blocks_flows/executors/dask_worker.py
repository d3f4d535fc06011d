"""What is run on the workers of a Dask cluster: calls, each a task of Dask's, or a few quick ones together.

What a task logs goes back with its outcome; the lines of one that takes longer are sent ahead by a thread of the
worker, as events of Dask's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Lock, Thread
from time import perf_counter, sleep
from typing import Any, Final

from distributed import get_worker

from blocks_flows.calls import Outcome
from blocks_flows.errors import NotSendable
from blocks_flows.executors.away import Line, LineSender, perform_away, prepare_worker
from blocks_flows.executors.parcels import pack_outcome, unpack_call, unpack_run, unpack_shared
from blocks_flows.failures import describe

_SEND_SECONDS: Final = 0.3
_TOGETHER_SECONDS: Final = 0.1
_MAX_KNOWN: Final = 1000
_MAX_CHARACTERS_AHEAD: Final = 100_000
"""Of a line that is sent ahead: the scheduler keeps events for a while."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call on a worker came to."""

    outcome: bytes | None
    """A parcel; None: the task was interrupted as by the user."""
    lines: list[Line]
    """What it logged and was not sent ahead."""
    seconds: float


def topic_of(flow_run_id: str) -> str:
    """Return the name of the events that bring the lines of a run."""
    return f"blocks-flows {flow_run_id}"


def keep(parcel: bytes) -> bytes:
    """Return a parcel, so that Dask keeps it, brings it to who needs it, and makes it again where it is lost."""
    return parcel


def run_calls(run: bytes, shared: bytes, owns: list[bytes]) -> list[Answer]:
    """Run calls of one task, and return what they came to; those behind a slow one are left, and have no answer."""
    _here.begin()
    answers: list[Answer] = []
    end = perf_counter() + _TOGETHER_SECONDS
    for own in owns:
        answers.append(_run_call(run, shared, own))
        if perf_counter() > end or answers[-1].outcome is None:
            break
    return answers


def _run_call(run: bytes, shared: bytes, own: bytes) -> Answer:
    begun = perf_counter()
    lines, name = _Lines(), ""
    try:
        facts, common = _here.opened(run, unpack_run), _here.opened(shared, unpack_shared)
        call = unpack_call(own, common)
        name = call.task.name
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
        text = (
            f"A task and its arguments cannot be read on a Dask worker ({describe(error)}). Install there what the "
            f"flow's process has, and give plain data."
        )
        return Answer(pack_outcome(Outcome(error=NotSendable(text)), name), [], perf_counter() - begun)
    lines.topic = topic_of(facts.flow_run_id)
    _here.open_lines.add(lines)
    try:
        outcome = perform_away(call, replace(facts, sink=LineSender(lines.append)), common.actor)
        packed = pack_outcome(outcome, name)
    except KeyboardInterrupt:
        packed = None
    finally:
        _here.open_lines.discard(lines)
    return Answer(packed, lines.taken(), perf_counter() - begun)


class _Lines:
    """What one call has logged and not sent yet."""

    def __init__(self) -> None:
        self.topic = ""
        self._lines: list[Line] = []
        self._lock = Lock()

    def append(self, line: Line) -> None:
        self._lines.append(line)

    def taken(self) -> list[Line]:
        with self._lock:
            taken, self._lines = self._lines, []
        return taken

    def send_ahead(self, send: Callable[[str, Any], None]) -> None:
        """Send, in their order, the lines before the first that is too long."""
        with self._lock:  # also while they are sent: what comes with the outcome stands behind them
            count = 0
            for line in self._lines.copy():
                if len(line[3]) > _MAX_CHARACTERS_AHEAD:
                    break
                count += 1
            if count:
                ahead, self._lines[:count] = self._lines[:count], []
                send(self.topic, ahead)


class _Here:
    """What a worker process keeps between calls."""

    def __init__(self) -> None:
        self.open_lines: set[_Lines] = set()
        self._opened: OrderedDict[bytes, Any] = OrderedDict()
        self._lock = Lock()
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Prepare the process, at its first call."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    prepare_worker()
                    self._thread = Thread(
                        target=self._send_lines, args=(get_worker(),), name="blocks-lines", daemon=True
                    )
                    self._thread.start()

    def opened(self, parcel: bytes, unpack: Callable[[bytes], Any]) -> Any:
        """Return what is in a parcel that comes with many calls."""
        key = sha256(parcel).digest()
        found = self._opened.get(key)
        if found is None:
            found = unpack(parcel)
            with self._lock:
                self._opened[key] = found
                if len(self._opened) > _MAX_KNOWN:
                    self._opened.popitem(last=False)
        return found

    def _send_lines(self, worker: Any) -> None:
        while True:
            sleep(_SEND_SECONDS)
            for lines in self.open_lines.copy():
                lines.send_ahead(worker.log_event)


_here: Final = _Here()
