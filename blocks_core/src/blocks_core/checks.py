"""What a block's `check()` found out: one result for each thing that must work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from blocks_core.errors import BlocksError


@dataclass(frozen=True)
class CheckResult:
    """One thing that was tried: a permission, a connection, an identity."""

    name: str
    ok: bool
    detail: str = ""
    """What was seen, or why it failed; never a secret's value."""
    seconds: float = 0.0


@dataclass(frozen=True)
class CheckReport:
    """All that a check tried, in order."""

    results: tuple[CheckResult, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether everything that was tried worked."""
        return all(result.ok for result in self.results)


class Checker:
    """Runs steps and notes their outcome; after a failed step that others need, these are not tried."""

    def __init__(self) -> None:
        self._results: list[CheckResult] = []

    def step(self, name: str, action: Callable[[], str | None]) -> bool:
        """Run one step: its text is the detail, a `BlocksError` is a failure with that message."""
        started = perf_counter()
        try:
            detail, ok = action() or "", True
        except BlocksError as error:
            detail, ok = str(error), False
        self._results.append(CheckResult(name, ok, detail, perf_counter() - started))
        return ok

    def report(self) -> CheckReport:
        """Return what was found out."""
        return CheckReport(tuple(self._results))
