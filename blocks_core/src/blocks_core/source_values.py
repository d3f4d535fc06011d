"""What sources of secrets answered, kept in this process for as long as each source says.

A value is kept under document id, version and key, so a source that is saved anew is asked anew. Of those who want a
value at the same time one asks; errors are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock
from time import monotonic
from typing import Final
from uuid import UUID

DEFAULT_CACHE_SECONDS: Final = 300
"""Of a source that has no `cache_seconds`."""

_PATIENCE_SECONDS: Final = 60.0
"""After it, whoever waits for another's answer asks on its own."""

Identity = tuple[UUID, int, str]
"""Document id and version of a source, and a key in it."""


@dataclass(frozen=True)
class Kept:
    """A value that is kept."""

    value: bytes = field(repr=False)
    asked_at: float
    """In seconds, by the clock of whoever keeps it."""
    cache_seconds: float


class _Question:
    """One that a thread is asking, and others wait for."""

    def __init__(self) -> None:
        self.answered = Event()
        self.kept: Kept | None = None
        self.error: Exception | None = None


class SourceValues:
    """The values of one process. A forked child has its own.

    Args:    clock: in seconds; one that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic, max_kept: int = 10_000) -> None:
        self._clock = clock
        self._max_kept = max_kept
        self._start_anew()

    def find(self, identity: Identity) -> Kept | None:
        """Return a value that may still be used, or None."""
        self._refuse_inherited()
        kept = self._kept.get(identity)
        return kept if kept is not None and self._is_fresh(kept) else None

    def age_seconds(self, kept: Kept) -> float:
        """Return how long ago a value was asked for."""
        return self._clock() - kept.asked_at

    def get(self, identity: Identity, cache_seconds: float, ask: Callable[[], bytes]) -> bytes:
        """Return the value that is kept, or what asking gives; of those who want it at once, one asks.

        Raises:  what `ask` raises, to all who waited for it.
        """
        if cache_seconds <= 0:
            return ask()
        self._refuse_inherited()
        with self._lock:
            kept = self.find(identity)
            if kept is not None:
                return kept.value
            others = self._questions.get(identity)
            mine = others or _Question()
            self._questions[identity] = mine
        if others is not None:
            return self._wait(others, ask)
        return self._ask(identity, mine, cache_seconds, ask)

    def forget(self) -> None:
        """Ask for each value anew from now on."""
        with self._lock:
            self._kept.clear()

    def _wait(self, question: _Question, ask: Callable[[], bytes]) -> bytes:
        question.answered.wait(_PATIENCE_SECONDS)
        if question.error is not None:
            raise question.error
        return ask() if question.kept is None else question.kept.value

    def _ask(
        self, identity: Identity, mine: _Question, cache_seconds: float, ask: Callable[[], bytes]
    ) -> bytes:
        asked_at = self._clock()
        try:
            value = ask()
            mine.kept = Kept(value, asked_at, cache_seconds)
            return value
        except Exception as error:
            mine.error = error
            raise
        finally:  # also where it was interrupted: then those who wait ask on their own
            with self._lock:
                if mine.kept is not None:
                    self._make_room()
                    self._kept[identity] = mine.kept
                if self._questions.get(identity) is mine:
                    del self._questions[identity]
            mine.answered.set()

    def _make_room(self) -> None:
        if len(self._kept) >= self._max_kept:
            self._kept = {identity: kept for identity, kept in self._kept.items() if self._is_fresh(kept)}
        if len(self._kept) >= self._max_kept:
            del self._kept[min(self._kept, key=lambda identity: self._kept[identity].asked_at)]

    def _is_fresh(self, kept: Kept) -> bool:
        return self.age_seconds(kept) < kept.cache_seconds

    def _refuse_inherited(self) -> None:
        if self._process != os.getpid():
            self._start_anew()

    def _start_anew(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._kept: dict[Identity, Kept] = {}
        self._questions: dict[Identity, _Question] = {}


SOURCE_VALUES: Final = SourceValues()
"""Those of this process."""
