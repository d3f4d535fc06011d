"""Adjustments: where a schedule moves the events that its filters let through.

    Schedule(clocks=[CronClock("0 9 1 * *")], adjustments=[next_weekday])

An adjustment is a function of a pendulum `DateTime` that returns another one, at most `MAX_REACH` away.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from blocks_flows.errors import ScheduleInvalid
from blocks_flows.schedules.filters import is_weekday
from blocks_flows.schedules.moments import shown
from blocks_flows.schedules.rules import Rule

Adjustment = Callable[[Any], Any]

MAX_REACH: Final = timedelta(days=7)
"""How far an adjustment of the user's own may move an event."""
_MAX_ADDED: Final = timedelta(days=366)


def next_weekday(moment: Any) -> Any:
    """Move Saturday and Sunday to Monday, at the same time of day."""
    while not is_weekday(moment):
        moment = moment.add(days=1)
    return moment


def add(interval: timedelta | float) -> Rule:
    """Move by an interval, or by seconds; back, where it is negative.

    Raises:  ScheduleInvalid.
    """
    if isinstance(interval, (int, float)) and not isinstance(interval, bool) and abs(interval) < 1e8:
        interval = timedelta(seconds=interval)
    if not isinstance(interval, timedelta) or abs(interval) > _MAX_ADDED:
        raise ScheduleInvalid(
            f"add() was given {shown(interval)}. Give a timedelta of at most {_MAX_ADDED.days} days, such as "
            f"timedelta(minutes=5)."
        )
    return Rule("add", _add, (interval,))


def reach(adjustment: Adjustment) -> timedelta:
    """Return how far an adjustment may move an event, there or back."""
    if isinstance(adjustment, Rule) and adjustment.function is _add:
        return abs(adjustment.arguments[0])
    return MAX_REACH


def _add(moment: datetime, interval: timedelta) -> Any:
    return moment + interval


ADJUSTMENTS: Final[dict[str, Callable[..., Any]]] = {"add": add, "next_weekday": next_weekday}
"""What a stored schedule may name."""
