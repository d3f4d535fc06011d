"""Schedules: clocks, and which of their events are let through and where they are moved.

    Schedule(clocks=[CronClock("0 9 * * *", parameter_defaults={"size": "small"}), IntervalClock(timedelta(days=7))])

`CronSchedule(…)` and its like are schedules of one clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush, merge
from itertools import groupby, islice
from typing import Any, Final, Unpack, cast

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows.errors import ScheduleInvalid
from blocks_flows.schedules.adjustments import ADJUSTMENTS, Adjustment, reach
from blocks_flows.schedules.clocks import (
    Clock,
    ClockArguments,
    CronClock,
    DatesClock,
    IntervalClock,
    RRuleClock,
    clock_from,
)
from blocks_flows.schedules.events import Event
from blocks_flows.schedules.filters import FILTERS, Filter, last_passing
from blocks_flows.schedules.moments import read_moment, shown, to_pendulum, to_utc
from blocks_flows.schedules.rules import describe_rule, read_rule

_MAX_REFUSED: Final = 100_000
"""Events that no filter lets through, one after another, before the search for one that passes is given up."""
_Due = tuple[datetime, list[Event]]
"""A moment in UTC and its events."""


class Schedule:
    """When a flow is to run.

    Args:    clocks: one or more.
             filters, or_filters, not_filters: of the first all must let an event through, of the second one, if there
             are any, of the third none; see `blocks_flows.schedules.filters`.
             adjustments: move what passed, one after another; see `blocks_flows.schedules.adjustments`.
    Raises:  ScheduleInvalid.
    """

    def __init__(
        self,
        clocks: Iterable[Clock],
        filters: Sequence[Filter] | None = None,
        or_filters: Sequence[Filter] | None = None,
        not_filters: Sequence[Filter] | None = None,
        adjustments: Sequence[Adjustment] | None = None,
    ) -> None:
        self.clocks = _read_clocks(clocks)
        self.filters = _read_functions("filters", filters)
        self.or_filters = _read_functions("or_filters", or_filters)
        self.not_filters = _read_functions("not_filters", not_filters)
        self.adjustments = _read_functions("adjustments", adjustments)

    def next(self, n: int, after: datetime | None = None) -> list[Any]:
        """Return the next moments, as pendulum `DateTime`s in the zones of their clocks, each once.

        Args:    after: they are later than this one; by default than now.
        Raises:  ScheduleInvalid: the filters let nothing through.
        """
        return [events[0].start_time for _moment, events in islice(self._due(after), _check_count(n))]

    def events(self, n: int, after: datetime | None = None) -> list[Event]:
        """Return the next events; there are several of one moment where clocks differ in what they give to it.

        Args, Raises:  as of `next`.
        """
        each = (event for _moment, events in self._due(after) for event in events)
        return list(islice(each, _check_count(n)))

    def due_together(self, after: datetime | None = None) -> list[Event]:
        """Return all events of the next moment, none if there is no more.

        Args, Raises:  as of `next`.
        """
        for _moment, events in self._due(after):
            return events
        return []

    def describe(self) -> dict[str, Any]:
        """Return the schedule as plain data that JSON can hold; `schedule_from` reads it.

        Raises:  ScheduleInvalid: it has a filter or an adjustment of the user's own.
        """
        plain: dict[str, Any] = {"clocks": [clock.describe() for clock in self.clocks]}
        for name, known in _RULES.items():
            if rules := getattr(self, name):
                plain[name] = [describe_rule(rule, known) for rule in rules]
        return plain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self.clocks)

    def __repr__(self) -> str:
        told = [f"clocks={list(self.clocks)!r}"]
        for name in _RULES:
            if rules := getattr(self, name):
                told.append(f"{name}=[{', '.join(_name_of(rule) for rule in rules)}]")
        return SECRETS_IN_USE.hide(f"Schedule({', '.join(told)})")

    def _parts(self) -> tuple[Any, ...]:
        return (self.clocks, *(getattr(self, name) for name in _RULES))

    def _due(self, after: datetime | None) -> Iterator[_Due]:
        """Yield what is due behind a moment, in order, though adjustments may move events past each other."""
        begin = datetime.now(UTC) if after is None else read_moment("after", after)[0]
        if not self.adjustments:
            yield from self._passed(begin)
            return
        way = sum((reach(adjustment) for adjustment in self.adjustments), timedelta())
        moments: list[datetime] = []
        held: dict[datetime, list[Event]] = {}
        for moment, events in self._passed(_less(begin, way)):
            while moments and moments[0] < moment - way:
                yield moments[0], _distinct(held.pop(heappop(moments)))
            for event in events:
                at, moved = self._adjusted(event, moment, way)
                if at <= begin:
                    continue
                if at not in held:
                    heappush(moments, at)
                held.setdefault(at, []).append(moved)
        for at in sorted(moments):
            yield at, _distinct(held[at])

    def _passed(self, after: datetime) -> Iterator[_Due]:
        """Yield what the clocks give and the filters let through."""
        end = last_passing(self.filters)
        refused = 0
        for moment, group in groupby(
            merge(*(_row(clock, after) for clock in self.clocks), key=_moment), _moment
        ):
            if end is not None and moment > end:
                return
            events = [event for _moment, event in group if self._passes(event.start_time)]
            if events:
                refused = 0
                yield moment, _distinct(events)
                continue
            refused += 1
            if refused == _MAX_REFUSED:
                raise ScheduleInvalid(
                    f"The filters of {self!r} let none of {_MAX_REFUSED} moments through, up to {moment}. Change "
                    f"them, or give a clock that comes closer: CronClock('0 9 1 * *') instead of a filter on every "
                    f"minute."
                )

    def _passes(self, moment: Any) -> bool:
        return (
            all(passes(moment) for passes in self.filters)
            and (not self.or_filters or any(passes(moment) for passes in self.or_filters))
            and not any(refuses(moment) for refuses in self.not_filters)
        )

    def _adjusted(self, event: Event, moment: datetime, way: timedelta) -> tuple[datetime, Event]:
        moved = event.start_time
        for adjust in self.adjustments:
            moved = adjust(moved)
        if not isinstance(moved, datetime) or moved.tzinfo is None or abs(to_utc(moved) - moment) > way:
            raise ScheduleInvalid(
                f"The adjustments of {self!r} made {shown(moved)} of {event.start_time}. Return a DateTime with a "
                f"zone that is at most {way.days} days away."
            )
        return to_utc(moved), Event(moved, event.parameter_defaults, event.labels)


class CronSchedule(Schedule):
    """A schedule of one `CronClock`: `CronSchedule("0 9 * * *", timezone="Europe/Berlin")`."""

    def __init__(
        self,
        cron: str,
        start_date: Any = None,
        end_date: Any = None,
        day_or: bool = True,
        **more: Unpack[ClockArguments],
    ) -> None:
        super().__init__([CronClock(cron, start_date, end_date, day_or=day_or, **more)])


class IntervalSchedule(Schedule):
    """A schedule of one `IntervalClock`: `IntervalSchedule(interval=timedelta(minutes=10))`."""

    def __init__(
        self,
        start_date: Any = None,
        interval: Any = None,
        end_date: Any = None,
        *,
        anchor_date: Any = None,
        **more: Unpack[ClockArguments],
    ) -> None:
        super().__init__([IntervalClock(interval, start_date, end_date, anchor_date=anchor_date, **more)])


class RRuleSchedule(Schedule):
    """A schedule of one `RRuleClock`: `RRuleSchedule("FREQ=MONTHLY;BYDAY=-1FR")`."""

    def __init__(
        self, rrule: Any, start_date: Any = None, end_date: Any = None, **more: Unpack[ClockArguments]
    ) -> None:
        super().__init__([RRuleClock(rrule, start_date, end_date, **more)])


class DatesSchedule(Schedule):
    """A schedule of one `DatesClock`: `DatesSchedule([datetime(2026, 3, 1, 9, tzinfo=UTC)])`."""

    def __init__(self, dates: Iterable[Any], **more: Unpack[ClockArguments]) -> None:
        super().__init__([DatesClock(dates, **more)])


def schedule_from(plain: Any) -> Schedule:
    """Return a schedule from what its `describe` returned.

    Raises:  ScheduleInvalid.
    """
    parts = cast("dict[Any, Any]", plain).copy() if isinstance(plain, dict) else {}
    clocks = parts.pop("clocks", None)
    unknown = [name for name in parts if name not in _RULES]
    if not isinstance(clocks, list) or unknown or not all(isinstance(each, list) for each in parts.values()):
        raise ScheduleInvalid(
            f"{shown(plain)} is no stored schedule. It is a dict with a list of clocks, and maybe lists of "
            f"{', '.join(_RULES)}: {{'clocks': [{{'kind': 'cron', 'cron': '0 9 * * *'}}]}}."
        )
    rules = {name: [read_rule(each, _RULES[name]) for each in listed] for name, listed in parts.items()}
    return Schedule([clock_from(each) for each in cast("list[Any]", clocks)], **rules)  # pyright: ignore[reportUnknownVariableType] checked by clock_from


_RULES: Final[dict[str, dict[str, Any]]] = {
    "filters": FILTERS,
    "or_filters": FILTERS,
    "not_filters": FILTERS,
    "adjustments": ADJUSTMENTS,
}


def _row(clock: Clock, after: datetime) -> Iterator[tuple[datetime, Event]]:
    for moment in clock.moments(after):
        yield moment, Event(to_pendulum(moment, clock.zone), clock.parameter_defaults, clock.labels)


def _moment(pair: tuple[datetime, Event]) -> datetime:
    return pair[0]


def _distinct(events: list[Event]) -> list[Event]:
    """Return events of one moment, of those that give the same only one."""
    kept: list[Event] = []
    for event in events:
        same = (
            each.parameter_defaults == event.parameter_defaults and each.labels == event.labels
            for each in kept
        )
        if not any(same):
            kept.append(event)
    return kept


def _check_count(n: Any) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ScheduleInvalid(f"{shown(n)} moments were asked of a schedule. Give a whole number: next(5).")
    return n


def _less(moment: datetime, way: timedelta) -> datetime:
    least = datetime.min.replace(tzinfo=UTC)
    return least if moment - least < way else moment - way


def _read_clocks(given: Any) -> tuple[Clock, ...]:
    clocks = list(cast("Iterable[Any]", given)) if isinstance(given, Iterable) else []
    if not clocks or not all(isinstance(clock, Clock) for clock in clocks):
        raise ScheduleInvalid(
            f"A schedule was given the clocks {shown(given)}. Give a list of one or more clocks of "
            f"blocks_flows.schedules.clocks: Schedule(clocks=[CronClock('0 9 * * *')])."
        )
    return tuple(clocks)


def _read_functions(name: str, given: Any) -> tuple[Any, ...]:
    functions: list[Any] = [] if given is None else [given] if callable(given) else given
    if not isinstance(functions, (list, tuple)) or not all(callable(each) for each in functions):  # pyright: ignore[reportUnnecessaryIsInstance] as above
        raise ScheduleInvalid(
            f"A schedule was given the {name} {shown(given)}. Give a list of functions of a moment, such as "
            f"{name}=[{'next_weekday' if name == 'adjustments' else 'is_weekday'}]."
        )
    return tuple(functions)


def _name_of(rule: Any) -> str:
    return getattr(rule, "__name__", None) or repr(rule)
