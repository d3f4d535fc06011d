"""Moments and time zones: what a schedule is given, what it reckons with, what it hands out.

Inside, a moment is a `datetime` in UTC: two in one zone are compared by what the clock shows, which is
wrong in the hour that a clock shows twice. Handed out, it is a pendulum `DateTime` in the schedule's zone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from blocks_flows.errors import ScheduleInvalid

_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)")
_MAX_SHOWN: Final = 60


def shown(value: Any) -> str:
    """Return a value as a message quotes it: its beginning, if it is long."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def read_zone(what: str, name: Any) -> tzinfo:
    """Return the zone of a name such as `Europe/Berlin`, `UTC` or `+09:00`.

    Raises:  ScheduleInvalid.
    """
    if isinstance(name, tzinfo):
        return _zone_of(what, name)
    if isinstance(name, str):
        if name.upper() in ("UTC", "Z"):
            return UTC
        if found := _OFFSET.fullmatch(name):
            sign = -1 if found[1] == "-" else 1
            offset = sign * timedelta(hours=int(found[2]), minutes=int(found[3]))
            return timezone(offset) if abs(offset) < timedelta(days=1) else _no_zone(what, name)
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, LookupError):  # hostile names are paths, folders, or hold a NUL
            pass
    return _no_zone(what, name)


def zone_name(zone: tzinfo) -> str:
    """Return what `read_zone` reads."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    offset = zone.utcoffset(None) or timedelta()
    minutes = round(offset.total_seconds() / 60)
    return (
        f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "UTC"
    )


def read_moment(what: str, given: Any, zone: tzinfo | None = None) -> tuple[datetime, tzinfo]:
    """Return a moment in UTC, and the zone it was meant in.

    Args:    given: a datetime, or its ISO text.
             zone: of a moment without one; None is UTC.
    Raises:  ScheduleInvalid.
    """
    moment = given
    if isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        raise ScheduleInvalid(
            f"{what} is {shown(given)}, which is no moment. Give a datetime such as "
            f"datetime(2026, 3, 1, 9, tzinfo=UTC), or a text such as '2026-03-01T09:00:00+01:00'."
        )
    own = zone or UTC if moment.tzinfo is None else _zone_of(what, moment.tzinfo)
    try:
        return to_utc(moment.replace(tzinfo=own) if moment.tzinfo is None else moment), own
    except OverflowError as error:
        raise ScheduleInvalid(
            f"{what} is {shown(given)}, which is outside of the years 1 to 9999 in UTC. Give another moment."
        ) from error


def to_utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC as a plain `datetime`; what no clock shows is taken as after the gap."""
    there = moment.astimezone(UTC)
    return datetime(  # never a pendulum one: they compare and add by other rules
        *(there.year, there.month, there.day, there.hour, there.minute, there.second, there.microsecond),
        tzinfo=UTC,
    )


def to_pendulum(moment: datetime, zone: tzinfo) -> Any:
    """Return a moment as a pendulum `DateTime` in a zone."""
    import pendulum  # late: start-up time; it takes a tenth of a second

    there = moment.astimezone(zone)
    own = pendulum.UTC if zone is UTC else pendulum.timezone(zone.key) if isinstance(zone, ZoneInfo) else zone
    return pendulum.DateTime(
        *(there.year, there.month, there.day, there.hour, there.minute, there.second, there.microsecond),
        tzinfo=own,
        fold=there.fold,
    )


def _zone_of(what: str, zone: tzinfo) -> tzinfo:
    """Return a zone of the standard library for one of any: pendulum, dateutil and pytz have their own."""
    key = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if isinstance(key, str):
        return read_zone(what, key)
    offset = zone.utcoffset(None)
    if offset is None:
        raise ScheduleInvalid(
            f"{what} is in the time zone {shown(zone)}, which does not say its name, so it cannot be kept. "
            f"Name it: timezone='Europe/Berlin'."
        )
    return timezone(offset) if offset else UTC


def _no_zone(what: str, name: Any) -> tzinfo:
    raise ScheduleInvalid(
        f"{what} has the timezone {shown(name)}, which is none. Give a name of the IANA database such as "
        f"'Europe/Berlin' or 'Asia/Seoul', 'UTC', or an offset such as '+09:00'."
    )
