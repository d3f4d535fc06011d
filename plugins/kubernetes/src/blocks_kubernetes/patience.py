"""`Patience`: how long a cluster that does not answer is asked again."""

from __future__ import annotations

import time

from blocks_kubernetes.errors import ClusterUnreachable

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class Patience:
    """Pauses between attempts, longer each time, until there were none that worked for too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._failing_since: float | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def worked(self) -> None:
        """Note that there was an answer."""
        self._failing_since = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def after(self, error: ClusterUnreachable, *, until: float | None = None) -> None:
        """Pause before the next attempt, not beyond a moment of `time.monotonic`.

        Raises:  ClusterUnreachable: the given one, after too long without an answer.
        """
        now = time.monotonic()
        self._failing_since = now if self._failing_since is None else self._failing_since
        if now - self._failing_since >= self._seconds:
            raise error
        pause = self._pause_seconds if until is None else min(self._pause_seconds, max(0.0, until - now))
        time.sleep(pause)
        self._pause_seconds = min(self._pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
