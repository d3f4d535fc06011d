"""Cron expressions: checked, and walked along in a time zone. The rules are those of Debian's cron, by cronsim."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from blocks_flows.errors import ScheduleInvalid
from blocks_flows.schedules.moments import shown

_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS: Final = "minute, hour, day of the month, month, day of the week"
_MAX_CHARACTERS: Final = 300


def check_cron(cron: Any, day_or: Any = True) -> str:
    """Return an expression as it is kept: one space between its fields.

    Raises:  ScheduleInvalid.
    """
    if not isinstance(cron, str) or len(cron) > _MAX_CHARACTERS:
        raise _wrong(cron, f"it is no text of at most {_MAX_CHARACTERS} characters")
    kept = " ".join(cron.split())
    if kept.startswith("@") and kept.lower() not in _NAMED:
        raise _wrong(cron, f"there is no such name; there are {', '.join(_NAMED)}")
    expression = _NAMED.get(kept.lower(), kept)
    count = len(expression.split())
    if count != 5:  # cronsim takes seconds first, others last: a sixth field would not be the same everywhere
        raise _wrong(cron, f"it has {count} fields instead of 5 ({_FIELDS})")
    if not isinstance(day_or, bool):
        raise _wrong(cron, f"day_or is {shown(day_or)} instead of True or False")
    try:
        next(_walk(expression, day_or, datetime(2024, 1, 1, tzinfo=UTC)))
    except StopIteration:
        raise _wrong(cron, "no day fits it, as in 50 years there is none") from None
    except (ValueError, AssertionError) as error:
        raise _wrong(cron, str(error)) from error
    return kept


def cron_moments(cron: str, day_or: bool, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield the moments of a checked expression from about `after` on, in UTC."""
    for moment in _walk(_NAMED.get(cron.lower(), cron), day_or, after.astimezone(zone)):
        yield moment.astimezone(UTC)


def _walk(expression: str, day_or: bool, start: datetime) -> Any:
    from cronsim import CronSim, CronSimError  # late: start-up time

    try:
        walk = CronSim(expression, start)
    except CronSimError as error:
        raise ValueError(str(error)) from error
    if not day_or:
        walk.day_and = True  # cron itself, and so its constructor, takes either day
    return walk


def _wrong(cron: Any, why: str) -> ScheduleInvalid:
    return ScheduleInvalid(
        f"{shown(cron)} is no cron expression: {why}. Give for example '0 9 * * MON-FRI', for 9:00 on weekdays, or "
        f"'*/10 * * * *', for every ten minutes."
    )
