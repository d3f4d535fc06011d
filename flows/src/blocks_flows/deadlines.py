"""The time that a flow run may take."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Thread
from time import monotonic


class Deadline:
    """Calls something when a run's time is over, on a thread of its own: its function cannot be interrupted."""

    def __init__(self, seconds: float, expire: Callable[[], object]) -> None:
        self.at = monotonic() + seconds
        self._expire = expire
        self._closing = Event()
        self._thread = Thread(
            target=copy_context().run, args=(self._watch,), name="blocks-deadline", daemon=True
        )
        self._thread.start()

    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return monotonic() >= self.at

    def seconds_left(self) -> float:
        """Return how much is left, at least 0."""
        return max(0.0, self.at - monotonic())

    def close(self) -> None:
        """Let time not matter any more; where it is over, wait until that has been dealt with."""
        if not self.is_over():
            self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        if not self._closing.wait(self.seconds_left()):
            self._expire()
