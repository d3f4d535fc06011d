"""How long a client waits for a server that is away: pauses that grow, until a time is over."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic
from typing import Final

_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 2.0
"""Between two tries: short beside the time that a server takes to start, long enough for hundreds of clients."""


class Waits:
    """The pauses before each further try of one request. The first has none: a connection may just have grown old.

    Time counts that passed since the beginning, and that of the pauses whether or not it was waited.

    Args:    seconds: after which no other try is made. clock: gives seconds that only grow.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._begun = clock()
        self._paused = 0.0
        self._tries = 0

    def next(self, asked_seconds: float = 0.0) -> float | None:
        """Return the seconds to wait before the next try; None where there is no more.

        Args:    asked_seconds: how long the server asks to wait at least.
        """
        growing = min(_FIRST_SECONDS * 2.0 ** (self._tries - 1), _LONGEST_SECONDS) if self._tries else 0.0
        # Not the same for all, so that not all clients of a server come back at once.
        pause = max(growing * random.uniform(0.5, 1.0), asked_seconds)  # noqa: S311 no secret
        if max(self._clock() - self._begun, self._paused) + pause > self._seconds:
            return None
        self._tries += 1
        self._paused += pause
        return pause
