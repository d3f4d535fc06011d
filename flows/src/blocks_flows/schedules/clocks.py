"""Clocks: endless or ended rows of moments, each of one kind.

Where a zone's clocks are changed:

- **cron** does as Debian's cron: a job at fixed times (`30 2 * * *`) whose time is skipped runs at once after the
  gap, and one whose time comes twice runs the first time only. A job with a star or a step in its minutes or hours
  (`*/10 2 * * *`, `0 * * * *`) goes by what the clock shows: nothing in the gap, twice in the repeated hour.
- **intervals** of whole days keep the time of day; all others go by elapsed time.
- **rules** keep the time of day; one that is skipped is taken by the offset before the gap, one that comes
  twice is taken the first time (RFC 5545 section 3.3.10).

No clock gives a moment twice, or one before the moment that it gave last.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Final, TypedDict, Unpack, cast

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows.errors import ScheduleInvalid
from blocks_flows.schedules.cron import check_cron, cron_moments
from blocks_flows.schedules.moments import read_moment, read_zone, shown, zone_name
from blocks_flows.schedules.recurrence import Recurrence

_ANCHOR: Final = datetime(2019, 1, 1, tzinfo=UTC)
"""What intervals are counted from where nothing else is said; that of the older generation."""
_DAY: Final = timedelta(days=1)
_MAX_INTERVAL: Final = 36_525 * _DAY


class ClockArguments(TypedDict, total=False):
    """What every clock takes."""

    timezone: str | tzinfo
    """Such as `Europe/Berlin`; by default that of `start_date`, else UTC."""
    parameter_defaults: Mapping[str, Any]
    """Values for the flow's parameters in runs of this clock; JSON-able."""
    labels: Sequence[str]
    """Which agents may take runs of this clock."""


class Clock(ABC):
    """A row of moments."""

    kind: ClassVar[str]

    def __init__(self, start_date: Any, end_date: Any, arguments: ClockArguments) -> None:
        what = type(self).__name__
        known = ClockArguments.__annotations__
        for name in arguments:
            if name not in known:
                raise ScheduleInvalid(f"{what} has no argument '{name}'. It takes also: {', '.join(known)}.")
        wanted = arguments.get("timezone")
        zone = None if wanted is None else read_zone(what, wanted)
        self.start_date: datetime | None = None
        self.end_date: datetime | None = None
        """The first and the last moment that there may be, in UTC."""
        if start_date is not None:
            self.start_date, meant = read_moment(f"start_date of {what}", start_date, zone)
            zone = zone or meant
        if end_date is not None:
            self.end_date, _ = read_moment(f"end_date of {what}", end_date, zone)
        if self.start_date and self.end_date and self.end_date < self.start_date:
            raise ScheduleInvalid(
                f"{what} ends at {self.end_date} before it starts at {self.start_date}. Change one of them."
            )
        self.zone: tzinfo = zone or UTC
        self.parameter_defaults = _read_parameters(what, arguments.get("parameter_defaults"))
        self.labels = _read_labels(what, arguments.get("labels"))

    def moments(self, after: datetime) -> Iterator[datetime]:
        """Yield the moments behind a given one, rising, all in UTC."""
        last = after
        try:
            for moment in self._candidates(max(after, self._before_start())):
                if self.end_date is not None and moment > self.end_date:
                    return
                if moment > last and (self.start_date is None or moment >= self.start_date):
                    last = moment
                    yield moment
        except OverflowError:  # the year 10,000
            return

    def describe(self) -> dict[str, Any]:
        """Return the clock as plain data that JSON can hold; `clock_from` reads it."""
        plain: dict[str, Any] = {"kind": self.kind, **self._describe(), "timezone": zone_name(self.zone)}
        for name, moment in (("start_date", self.start_date), ("end_date", self.end_date)):
            if moment is not None:
                plain[name] = moment.astimezone(self.zone).isoformat()
        if self.parameter_defaults:
            plain["parameter_defaults"] = dict(self.parameter_defaults)
        if self.labels:
            plain["labels"] = list(self.labels)
        return plain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clock) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash(json.dumps(self.describe(), sort_keys=True))

    def __repr__(self) -> str:
        told = {name: value for name, value in self.describe().items() if name != "kind"}
        if told["timezone"] == "UTC":
            del told["timezone"]
        inner = ", ".join(f"{name}={value!r}" for name, value in told.items())
        return SECRETS_IN_USE.hide(f"{type(self).__name__}({inner})")

    def _before_start(self) -> datetime:
        """Return a moment from which on to look, so that the start itself is found."""
        least = datetime.min.replace(tzinfo=UTC) + _DAY
        return least if self.start_date is None else max(least, self.start_date - timedelta(seconds=1))

    @abstractmethod
    def _candidates(self, after: datetime) -> Iterator[datetime]:
        """Yield moments, some maybe too early or twice, but none behind `after` left out."""

    @abstractmethod
    def _describe(self) -> dict[str, Any]:
        """Return what is this kind's own."""


class CronClock(Clock):
    """The moments of a cron expression of five fields.

    Args:    cron: such as `0 9 * * MON-FRI`, or `@daily`; Debian's syntax, also `L`, `LW`, `5#2`, `5L`.
             day_or: where both days of the month and of the week are given, either is enough, as in cron; False
             asks for both.
    Raises:  ScheduleInvalid.
    """

    kind = "cron"

    def __init__(
        self,
        cron: str,
        start_date: Any = None,
        end_date: Any = None,
        *,
        day_or: bool = True,
        **more: Unpack[ClockArguments],
    ) -> None:
        super().__init__(start_date, end_date, more)
        self.cron = check_cron(cron, day_or)
        self.day_or = bool(day_or)

    def _candidates(self, after: datetime) -> Iterator[datetime]:
        return cron_moments(self.cron, self.day_or, after, self.zone)

    def _describe(self) -> dict[str, Any]:
        return {"cron": self.cron} if self.day_or else {"cron": self.cron, "day_or": False}


class IntervalClock(Clock):
    """Moments that are an interval apart.

    Args:    interval: a timedelta of more than nothing; whole days keep the time of day in the zone.
             anchor_date: one of the moments, from which the others are counted, in both directions; by default
             `start_date`, else midnight UTC of 1 January 2019.
    Raises:  ScheduleInvalid.
    """

    kind = "interval"

    def __init__(
        self,
        interval: timedelta,
        start_date: Any = None,
        end_date: Any = None,
        *,
        anchor_date: Any = None,
        **more: Unpack[ClockArguments],
    ) -> None:
        if isinstance(start_date, timedelta):
            raise ScheduleInvalid(
                f"start_date is {shown(start_date)}, an interval. Give that by name: interval=timedelta(minutes=10)."
            )
        if not isinstance(interval, timedelta) or not timedelta() < interval <= _MAX_INTERVAL:  # pyright: ignore[reportUnnecessaryIsInstance] users' programs are not checked
            raise ScheduleInvalid(
                f"{type(self).__name__} has the interval {shown(interval)}. Give a timedelta, more than nothing and "
                f"at most {_MAX_INTERVAL.days} days, such as interval=timedelta(minutes=10)."
            )
        if anchor_date is not None and start_date is None and "timezone" not in more:
            meant = read_moment("anchor_date", anchor_date)[1]
            more = {**more, "timezone": meant}
        super().__init__(start_date, end_date, more)
        self.interval = interval
        self.anchor_date: datetime | None = None
        if anchor_date is not None:
            self.anchor_date, _ = read_moment("anchor_date", anchor_date, self.zone)

    def _candidates(self, after: datetime) -> Iterator[datetime]:
        anchor = self.anchor_date or self.start_date or _ANCHOR
        if self.interval % _DAY:
            moment = anchor + (after - anchor) // self.interval * self.interval
            while True:
                yield moment
                moment += self.interval
        there = anchor.astimezone(self.zone)
        wall = there.replace(tzinfo=None, fold=0)
        count = (after.astimezone(self.zone).replace(tzinfo=None) - wall) // self.interval - 1
        while True:
            day = wall + count * self.interval
            yield anchor if count == 0 else day.replace(tzinfo=self.zone).astimezone(UTC)
            count += 1

    def _describe(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"interval_seconds": self.interval.total_seconds()}
        if self.anchor_date is not None:
            plain["anchor_date"] = self.anchor_date.astimezone(self.zone).isoformat()
        return plain


class RRuleClock(Clock):
    """The moments of a recurrence rule.

    Args:    rrule: its text, such as `FREQ=MONTHLY;BYDAY=-1FR`, with or without `DTSTART`; or a `dateutil` rrule.
             Without `DTSTART` it is counted from `start_date`, else from 1 January 2020.
    Raises:  ScheduleInvalid.
    Source:  RFC 5545 section 3.3.10.
    """

    kind = "rrule"

    def __init__(
        self,
        rrule: Any,
        start_date: Any = None,
        end_date: Any = None,
        **more: Unpack[ClockArguments],
    ) -> None:
        super().__init__(start_date, end_date, more)
        given = None if "timezone" not in more and start_date is None else self.zone
        self._recurrence = Recurrence(rrule, given, self.start_date)
        self.rrule = self._recurrence.text
        self.zone = self._recurrence.zone

    def _candidates(self, after: datetime) -> Iterator[datetime]:
        return self._recurrence.moments(after)

    def _describe(self) -> dict[str, Any]:
        return {"rrule": self.rrule}


class DatesClock(Clock):
    """Moments that are listed.

    Args:    dates: datetimes, in any order; those without a zone are in `timezone`, else in UTC.
    Raises:  ScheduleInvalid.
    """

    kind = "dates"

    def __init__(self, dates: Iterable[Any], **more: Unpack[ClockArguments]) -> None:
        if isinstance(dates, (str, datetime)) or not isinstance(dates, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] as above
            raise ScheduleInvalid(
                f"DatesClock has the dates {shown(dates)}. Give a list: [datetime(2026, 3, 1, 9, tzinfo=UTC)]."
            )
        wanted = more.get("timezone")
        zone = None if wanted is None else read_zone("DatesClock", wanted)
        read = [read_moment("A date of DatesClock", each, zone) for each in dates]
        if not read:
            raise ScheduleInvalid("DatesClock has no dates. Give one at least: [datetime(2026, 3, 1, 9)].")
        super().__init__(None, None, more if zone is not None else {**more, "timezone": read[0][1]})
        self.dates = tuple(sorted({moment for moment, _zone in read}))

    def _candidates(self, after: datetime) -> Iterator[datetime]:
        return iter(self.dates)

    def _describe(self) -> dict[str, Any]:
        return {"dates": [each.astimezone(self.zone).isoformat() for each in self.dates]}


def clock_from(plain: Any) -> Clock:
    """Return a clock from what its `describe` returned.

    Raises:  ScheduleInvalid.
    """
    kinds: dict[str, type[Any]] = {
        each.kind: each for each in (CronClock, IntervalClock, RRuleClock, DatesClock)
    }
    kind = plain.get("kind") if isinstance(plain, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] checked next
    if not isinstance(kind, str) or kind not in kinds:
        raise ScheduleInvalid(
            f"A stored schedule has the clock {shown(plain)}, which this version does not know. Its kinds are "
            f"{', '.join(sorted(kinds))}: {{'kind': 'cron', 'cron': '0 9 * * *'}}."
        )
    arguments = cast("dict[str, Any]", plain).copy()
    del arguments["kind"]
    if kind == "interval":
        arguments["interval"] = _read_seconds(arguments.pop("interval_seconds", None))
    try:
        return kinds[kind](**arguments)
    except TypeError as error:  # an argument that there is not, or that is missing
        raise ScheduleInvalid(f"A stored schedule has the clock {shown(plain)}: {error}.") from error


def _read_seconds(given: Any) -> timedelta | None:
    if isinstance(given, (int, float)) and not isinstance(given, bool) and 0 < given < 1e11:
        return timedelta(seconds=given)
    raise ScheduleInvalid(
        f"A stored clock has interval_seconds {shown(given)}. Give seconds, more than 0, such as 600."
    )


def _read_parameters(what: str, given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):  # pyright: ignore[reportUnknownVariableType] users' values
            raise TypeError("no dict with texts as keys")
        return json.loads(json.dumps(dict(given), allow_nan=False))  # pyright: ignore[reportUnknownArgumentType] as above; a copy of its own
    except (TypeError, ValueError, RecursionError) as error:
        raise ScheduleInvalid(
            f"{what} has parameter_defaults that cannot be stored ({type(error).__name__}). Give names and values "
            f"that JSON can hold, such as {{'day': '2026-03-01'}}; of a secret, the name of its block."
        ) from None  # its text may repeat a value


def _read_labels(what: str, given: Any) -> tuple[str, ...]:
    labels = () if given is None else given
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise ScheduleInvalid(f"{what} has the labels {shown(labels)}. Give a list of texts: labels=['gpu'].")
    listed: list[Any] = list(labels)  # pyright: ignore[reportUnknownArgumentType] checked next
    if not all(isinstance(label, str) for label in listed):
        raise ScheduleInvalid(f"{what} has the labels {shown(listed)}. Give a list of texts: labels=['gpu'].")
    return tuple(dict.fromkeys(listed))
