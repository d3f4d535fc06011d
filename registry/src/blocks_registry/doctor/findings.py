"""`Finding`: one thing that is wrong with a plugin, or could be better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found, why it matters, and what to do about it."""

    distribution: str
    """As people write it, with its version."""
    about: str
    """A slug, or another entry point's name; empty for the distribution as a whole."""
    problem: str
    """A sentence without its full stop: what it is and why."""
    remedy: str
    """A sentence with it."""
    wrong: bool = True
    """False for advice: the plugin works all the same."""

    def __str__(self) -> str:
        where = f"{self.distribution}, {self.about}" if self.about else self.distribution
        mark = "" if self.wrong else " (advice)"
        return f"{where}{mark}: {self.problem}. {self.remedy}"
