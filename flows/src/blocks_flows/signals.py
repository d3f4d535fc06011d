"""Signals: what a task raises to say how its run is to end, where returning or failing is not it.

    raise signals.SKIP("Nothing new today.")

| signal | its run ends as |
|---|---|
| `SUCCESS` | Success, with `result` |
| `FAIL` | Failed, or tried again as after any other exception |
| `SKIP` | Skipped, and with it what comes behind, unless that has `skip_on_upstream_skip=False` |
| `RETRY` | tried again, even where no retries are left |
| `PAUSE` | Paused: the flow run pauses too, until "block run resume" |
| `TRIGGERFAIL` | TriggerFailed; for triggers |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any


class Signal(Exception):
    """Ends a task's run in a way of its own; `result` takes the place of the value."""

    def __init__(self, message: str = "", *, result: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.result = result


class SUCCESS(Signal):
    """End the run as a success at once."""


class FAIL(Signal):
    """Fail, without the look of an accident: there is no traceback in the log."""


class SKIP(Signal):
    """Pass the task over."""


class PAUSE(Signal):
    """Wait for somebody's word."""


class TRIGGERFAIL(Signal):
    """Say, in a trigger, that the task is not to run."""


class RETRY(Signal):
    """Try again later.

    Args:    delay: seconds or a timedelta; None is the task's own retry delay.
    """

    def __init__(
        self, message: str = "", *, delay: float | timedelta | None = None, result: Any = None
    ) -> None:
        super().__init__(message, result=result)
        self.delay_seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
