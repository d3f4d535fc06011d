"""How who waits for many quick tasks sleeps, and is not woken up for each."""

from __future__ import annotations

from time import sleep
from typing import Final

_SHORT_SECONDS: Final = 0.002
"""Who waits less than this for one task may do so for many."""
_CROWD: Final = 50
"""Of unfinished tasks: fewer are worth no nap."""
_NAP_SECONDS: Final = 0.00002
"""For each unfinished task: a part of what a trivial one takes."""
_MAX_NAP_SECONDS: Final = 0.01


class Naps:
    """Tells whether to sleep before asking to be told: a quick task takes no longer than to wake somebody up."""

    def __init__(self) -> None:
        self._waits_shortly = False

    def take(self, unfinished: int) -> None:
        """Sleep, if the last wait was short and many tasks are unfinished."""
        if self._waits_shortly and unfinished > _CROWD:
            sleep(min(_MAX_NAP_SECONDS, unfinished * _NAP_SECONDS))

    def note(self, seconds: float) -> None:
        """Take note of how long the last wait was."""
        self._waits_shortly = seconds < _SHORT_SECONDS
