"""How many runs of each task of a flow run are where."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Final

_LEAST_ENDED: Final = 3
"""Runs of a task from which on it can be said how long the others will take."""
_LEAST_SECONDS: Final = 1.0


@dataclass(slots=True)
class Counts:
    """How many runs of one task are where."""

    running: int = 0
    retrying: int = 0
    """Failed, and wait to be tried again."""
    paused: int = 0
    done: int = 0
    """Ended well: what was skipped, and what had its value from a cache, too."""
    skipped: int = 0
    cached: int = 0
    failed: int = 0
    not_run: int = 0
    """Not begun, as what comes before them did not end as it should."""
    cancelled: int = 0
    retried: int = 0
    """How often a run was tried again, or will be."""
    expected: int = 0
    """Known to come, all told: of a mapped task its children, from its expansion on."""
    place: int = field(default=0, compare=False)
    """Among the tasks, in the order in which they were placed."""
    began_at: float = field(default_factory=monotonic, compare=False)
    """When something was first heard of it: seconds of the monotonic clock."""

    @property
    def ended(self) -> int:
        """Return how many are over, however they ended."""
        return self.done + self.failed + self.not_run + self.cancelled

    @property
    def open(self) -> int:
        """Return how many have begun and are not over."""
        return self.running + self.retrying + self.paused

    def seconds_left(self, now: float) -> float | None:
        """Return how long the others will take if they go on like this; None where that cannot be said."""
        elapsed = now - self.began_at
        left = self.expected - self.ended
        if left <= 0 or self.ended < _LEAST_ENDED or elapsed < _LEAST_SECONDS:
            return None
        return elapsed / self.ended * left


def duration(seconds: float) -> str:
    """Return a time as people say it, such as `0.8 s`, `42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def notes(counts: Counts) -> list[str]:
    """Return what there is to say of a task's runs besides how many are done and how many run."""
    words = {
        "failed": "failed",
        "not_run": "not run",
        "cancelled": "cancelled",
        "paused": "paused",
        "retrying": "to be tried again",
        "skipped": "skipped",
        "cached": "cached",
    }
    return [f"{getattr(counts, name)} {word}" for name, word in words.items() if getattr(counts, name)]
