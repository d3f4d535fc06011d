"""Recurrence rules by dateutil: reckoned by what the clock shows in a zone, and not from their beginning on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import heappop, heappush
from typing import Any, Final

from blocks_flows.errors import ScheduleInvalid
from blocks_flows.schedules.moments import read_zone, shown

_MAX_CHARACTERS: Final = 6500
_START: Final = datetime(2020, 1, 1)
_STEPS: Final = {
    2: timedelta(weeks=1),
    3: timedelta(days=1),
    4: timedelta(hours=1),
    5: timedelta(minutes=1),
    6: timedelta(seconds=1),
}
"""By dateutil's numbers for WEEKLY to SECONDLY: a rule without COUNT may begin any number of steps later."""
_RANGES: Final = {
    "INTERVAL": range(1, 1_000_000),
    "COUNT": range(1, 1_000_000_000),
    "BYSETPOS": range(-366, 367),
    "BYMONTH": range(1, 13),
    "BYMONTHDAY": range(-31, 32),
    "BYYEARDAY": range(-366, 367),
    "BYWEEKNO": range(-53, 54),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSECOND": range(60),
}
"""Of RFC 5545. dateutil looks until the year 9999 for what is out of them, or for ever with an INTERVAL of 0."""
_IN_UTC: Final = re.compile(r"\b(\d{8}T\d{6})Z")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_BACK: Final = timedelta(days=2)
"""More than any clock was ever changed by."""


class Recurrence:
    """A rule, or a set of rules and dates, in a zone.

    Args:    given: a text, or a `dateutil` rrule.
             zone: what it is reckoned in; None: that of its own DTSTART, else UTC.
             start: in UTC, where it has no DTSTART.
    Raises:  ScheduleInvalid.
    """

    def __init__(self, given: Any, zone: tzinfo | None, start: datetime | None) -> None:
        from dateutil.rrule import rrule  # late: start-up time

        rule: Any = given
        if isinstance(given, rrule):  # its text has no zone
            zone = zone or (read_zone("The rrule", rule._tzinfo) if rule._tzinfo else None)
            given = str(_without_zone(rule))
        self.text = _check_text(given)
        self._rule, self._own_zone = _parse(self.text, zone, start)
        rule = self._rule
        self._may_begin_anywhere = hasattr(rule, "_freq") and rule._freq in _STEPS and rule._count is None
        self.zone = zone or self._own_zone

    def moments(self, after: datetime) -> Iterator[datetime]:
        """Yield moments from about `after` on, rising, in UTC."""
        return _in_order(self._walls(after.astimezone(self._own_zone).replace(tzinfo=None)), self._own_zone)

    def _walls(self, after: datetime) -> Iterable[datetime]:
        """Return what the clock shows at the rule's moments."""
        begin = max(after, datetime.min + 2 * _BACK) - _BACK
        rule = self._rule
        if self._may_begin_anywhere:
            rule = rule.replace(dtstart=self._start_near(begin))
        return rule.xafter(begin, inc=True)

    def _start_near(self, begin: datetime) -> datetime:
        """Return where the rule may as well begin: one of every minute is not to be walked along from its start."""
        start: datetime = self._rule._dtstart
        way = _STEPS[self._rule._freq] * self._rule._interval
        return start + max(0, (begin - start) // way) * way


def _check_text(given: Any) -> str:
    if not isinstance(given, str) or not given.strip() or len(given) > _MAX_CHARACTERS:
        raise _wrong(
            given, f"it is neither a text of at most {_MAX_CHARACTERS} characters nor a dateutil rrule"
        )
    text = given.strip().upper() if "TZID" not in given.upper() else given.strip()
    for name, numbers in re.findall(r"([A-Z]+)=([^;\s]*)", text):
        allowed = _RANGES.get(name, range(0))
        for number in numbers.split(",") if allowed else ():
            if not _NUMBER.fullmatch(number) or int(number) not in allowed:
                raise _wrong(
                    given, f"its {name} is {shown(number)}, and no number from {allowed[0]} to {allowed[-1]}"
                )
    return text


def _parse(text: str, zone: tzinfo | None, start: datetime | None) -> tuple[Any, tzinfo]:
    """Return a dateutil rule without a zone, and the zone that it is meant in."""
    from dateutil.rrule import rrule, rrulestr  # late: start-up time

    named = re.search(r"DTSTART;TZID=([^:;\s]+)", text)
    own = read_zone("The rrule", named[1]) if named else zone or UTC
    begin = _START if start is None else start.astimezone(own).replace(tzinfo=None)
    plain = re.sub(r"(DTSTART)[^:\s]*:", r"\1:", text)
    if re.search(r"DTSTART:\w+Z", plain):
        own = UTC
    try:
        plain = _IN_UTC.sub(lambda found: _on_the_wall(found[1], own), plain)
        rule: Any = rrulestr(plain, dtstart=begin, forceset=False)
        if not isinstance(rule, rrule):  # of a set only the first step shows whether its parts go together
            next(iter(rule), None)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise _wrong(text, str(error) or type(error).__name__) from error
    return rule, own


def _on_the_wall(text: str, zone: tzinfo) -> str:
    """Return a moment in UTC as the clock shows it: dateutil takes no rule with some moments in UTC and some not."""
    moment = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return moment.astimezone(zone).strftime("%Y%m%dT%H%M%S")


def _without_zone(rule: Any) -> Any:
    """Return a rule whose text is the same rule: dateutil leaves the zone out of it."""
    zone, until = rule._tzinfo, rule._until
    if zone is None:
        return rule
    end = None if until is None else until.astimezone(zone).replace(tzinfo=None)
    return rule.replace(dtstart=rule._dtstart.replace(tzinfo=None), until=end)


def _in_order(walls: Iterable[datetime], zone: tzinfo) -> Iterator[datetime]:
    """Yield the moments at which a clock shows these times: what it skips is moved behind some that follow."""
    held: list[datetime] = []
    for wall in walls:
        there = wall.replace(tzinfo=zone)
        moment = there.astimezone(UTC)
        least = min(moment, there.replace(fold=1).astimezone(UTC))
        while held and held[0] < least:
            yield heappop(held)
        heappush(held, moment)
        if least == moment:  # nothing that follows can come before it
            while held:
                yield heappop(held)
    yield from sorted(held)


def _wrong(given: Any, why: str) -> ScheduleInvalid:
    return ScheduleInvalid(
        f"{shown(given)} is no recurrence rule: {why}. Give for example 'FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9', or "
        f"'FREQ=MONTHLY;BYDAY=-1FR', for the last Friday of each month."
    )
