"""Filters: which of its clocks' events a schedule lets through.

    Schedule(clocks=[CronClock("0 * * * *")], filters=[is_weekday, between_times(time(9), time(17))])

A filter is a function of a pendulum `DateTime`, in the clock's zone, that returns whether it passes. Those with
arguments are made by calling: `between_times(...)`. Both ends of a range belong to it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import datetime, time
from typing import Any, Final

from blocks_flows.errors import ScheduleInvalid
from blocks_flows.schedules.moments import read_moment, shown, to_utc
from blocks_flows.schedules.rules import Rule

Filter = Callable[[Any], bool]


def is_weekday(moment: datetime) -> bool:
    """Pass Monday to Friday."""
    return moment.weekday() < 5


def is_weekend(moment: datetime) -> bool:
    """Pass Saturday and Sunday."""
    return moment.weekday() >= 5


def is_month_start(moment: datetime) -> bool:
    """Pass the first day of each month."""
    return moment.day == 1


def is_month_end(moment: datetime) -> bool:
    """Pass the last day of each month."""
    return moment.day == monthrange(moment.year, moment.month)[1]


def is_day_of_week(day_of_week: int) -> Rule:
    """Pass one day of the week: 0 is Sunday, 6 is Saturday, as in cron.

    Raises:  ScheduleInvalid.
    """
    _check_number("is_day_of_week()", day_of_week, 0, 6)
    return Rule("is_day_of_week", _is_day_of_week, (day_of_week,))


def on_date(month: int, day: int) -> Rule:
    """Pass one day of each year.

    Raises:  ScheduleInvalid.
    """
    _check_date("on_date", month, day)
    return Rule("on_date", _on_date, (month, day))


def between_dates(start_month: int, start_day: int, end_month: int, end_day: int) -> Rule:
    """Pass from one day to another of each year; over New Year, where the start is later than the end.

    Raises:  ScheduleInvalid.
    """
    _check_date("between_dates", start_month, start_day)
    _check_date("between_dates", end_month, end_day)
    return Rule("between_dates", _between_dates, (start_month, start_day, end_month, end_day))


def at_time(moment: time | str) -> Rule:
    """Pass one time of each day, such as `time(9, 30)` or `"09:30"`.

    Raises:  ScheduleInvalid.
    """
    return Rule("at_time", _at_time, (_read_time("at_time", moment),))


def between_times(start: time | str, end: time | str) -> Rule:
    """Pass from one time to another of each day; over midnight, where the start is later than the end.

    Raises:  ScheduleInvalid.
    """
    both = (_read_time("between_times", start), _read_time("between_times", end))
    return Rule("between_times", _between_times, both)


def on_datetime(moment: datetime | str) -> Rule:
    """Pass one moment; without a zone it is in UTC.

    Raises:  ScheduleInvalid.
    """
    return Rule("on_datetime", _on_datetime, (read_moment("on_datetime", moment)[0],))


def between_datetimes(start: datetime | str, end: datetime | str) -> Rule:
    """Pass from one moment to another; without a zone they are in UTC.

    Raises:  ScheduleInvalid.
    """
    both = (read_moment("between_datetimes", start)[0], read_moment("between_datetimes", end)[0])
    return Rule("between_datetimes", _between_datetimes, both)


def last_passing(filters: Iterable[Filter]) -> datetime | None:
    """Return a moment, in UTC, behind which these together let nothing through; None: there may be more."""
    ends = [
        each.arguments[-1]
        for each in filters
        if isinstance(each, Rule) and each.function in (_on_datetime, _between_datetimes)
    ]
    return min(ends, default=None)


def _is_day_of_week(moment: datetime, day_of_week: int) -> bool:
    return moment.isoweekday() % 7 == day_of_week


def _on_date(moment: datetime, month: int, day: int) -> bool:
    return (moment.month, moment.day) == (month, day)


def _between_dates(moment: datetime, start_month: int, start_day: int, end_month: int, end_day: int) -> bool:
    return _is_between((moment.month, moment.day), (start_month, start_day), (end_month, end_day))


def _at_time(moment: datetime, wanted: time) -> bool:
    return moment.time() == wanted


def _between_times(moment: datetime, start: time, end: time) -> bool:
    return _is_between(moment.time(), start, end)


def _on_datetime(moment: datetime, wanted: datetime) -> bool:
    return to_utc(moment) == wanted  # two zones' moments are never equal in the hour that a clock shows twice


def _between_datetimes(moment: datetime, start: datetime, end: datetime) -> bool:
    return start <= to_utc(moment) <= end


def _is_between(value: Any, start: Any, end: Any) -> bool:
    return start <= value <= end if start <= end else value >= start or value <= end


def _check_number(what: str, value: Any, first: int, last: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not first <= value <= last:
        raise ScheduleInvalid(f"{what} was given {shown(value)}. Give a whole number from {first} to {last}.")


def _check_date(what: str, month: Any, day: Any) -> None:
    _check_number(f"{what}(), as a month,", month, 1, 12)
    _check_number(f"{what}(), as a day of month {month},", day, 1, monthrange(2024, month)[1])


def _read_time(what: str, given: Any) -> time:
    found = given
    if isinstance(given, str):
        try:
            found = time.fromisoformat(given)
        except ValueError:
            found = None
    if not isinstance(found, time) or found.tzinfo is not None:
        raise ScheduleInvalid(
            f"{what}() was given {shown(given)}. Give a time of day without a zone, such as time(9, 30) or "
            f"'09:30': it is that of the clock's zone."
        )
    return found


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        *(is_weekday, is_weekend, is_month_start, is_month_end, is_day_of_week),
        *(on_date, between_dates, at_time, between_times, on_datetime, between_datetimes),
    )
}
"""What a stored schedule may name."""
