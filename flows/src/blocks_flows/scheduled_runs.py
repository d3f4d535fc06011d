"""Runs on a schedule: wait for an event, run, wait for the next one, until there is none.

A run that takes longer than until the next event makes that one pass: the next one is always later than now.
Time is what the machine's clock shows, looked at every second: a clock that is set, or a machine that slept, makes
an event late and never makes it run twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from blocks_flows.errors import ScheduleEnded
from blocks_flows.run_logs import FLOW_LOGGER, prepare_logging
from blocks_flows.schedules.events import Event
from blocks_flows.schedules.schedule import Schedule
from blocks_flows.states import State, StateType

_SLICE_SECONDS: Final = 1.0
_MAX_COUNTED: Final = 100
_Run = Callable[[Any, dict[str, Any]], State]


@dataclass(frozen=True, slots=True)
class WallClock:
    """Tells the time and lets it pass: the machine's clock, unless a test has one of its own."""

    now: Callable[[], float] = time.time
    """Unix time in seconds."""
    sleep: Callable[[float], object] = time.sleep


def run_on_schedule(run_once: _Run, schedule: Schedule, *, clock: WallClock | None = None) -> State:
    """Run for each event of a schedule, one after another, and return the last run's state.

    An interrupt while it waits ends it: the state is then Cancelled, with the last run's result. An interrupt
    during a run is raised, as it is without a schedule.

    Args:    run_once: is given the scheduled start, a pendulum `DateTime`, and the event's parameter defaults. Where
             clocks give different ones to one moment, it is called for each of them.
    Raises:  ScheduleEnded: the schedule has no event to come; ScheduleInvalid; what `run_once` raises.
    """
    prepare_logging()
    clock = clock or WallClock()
    state: State | None = None
    last: float | None = None
    """The scheduled start of the last run: Unix time in seconds."""
    while True:
        try:
            events = _wait_for_next(schedule, last, clock)
        except KeyboardInterrupt:
            return _stopped(state, clock.now())
        if not events:
            break
        last = start = events[0].start_time.timestamp()
        for event in events:
            state = run_once(event.start_time, dict(event.parameter_defaults))
        _tell_of_passed(schedule, start, clock.now())
    if state is None:
        raise ScheduleEnded(
            f"The schedule has no event to come: {schedule!r}. Give it a later end_date or other dates, or "
            f"run the flow at once, with run_on_schedule=False."
        )
    FLOW_LOGGER.info("The schedule has no more events")
    return state


def _wait_for_next(schedule: Schedule, last: float | None, clock: WallClock) -> Sequence[Event]:
    """Return what is due next, when it is due; nothing, at once, if nothing ever is."""
    events: Sequence[Event] = ()
    due = seen = float("inf")
    while True:
        now = clock.now()
        if not events or now < seen - _SLICE_SECONDS:  # the clock was set back: there may be something before
            events = schedule.due_together(_moment(now if last is None else max(now, last)))
            if not events:
                return ()
            start = events[0].start_time
            if start.timestamp() != due:
                due = start.timestamp()
                FLOW_LOGGER.info("Waiting for next scheduled run at %s", start.isoformat())
        if due <= now:
            return events
        seen = now
        clock.sleep(min(due - now, _SLICE_SECONDS))


def _tell_of_passed(schedule: Schedule, last: float, now: float) -> None:
    """Say which moments nobody ran for, as a run took so long, or the machine slept."""
    passed: list[Any] = []
    while len(passed) < _MAX_COUNTED:
        following = schedule.next(1, _moment(last))
        if not following or following[0].timestamp() > now:
            break
        passed.append(following[0])
        last = following[0].timestamp()
    if passed:
        count = f"{len(passed)} or more" if len(passed) == _MAX_COUNTED else str(len(passed))
        FLOW_LOGGER.warning(
            "Passed over %s scheduled runs, from %s on: it is later", count, passed[0].isoformat()
        )


def _stopped(state: State | None, at: float) -> State:
    text = "Interrupted while waiting for the next scheduled run."
    FLOW_LOGGER.info("Flow schedule CANCELLED: %s", text)
    return State(StateType.CANCELLED, "Cancelled", at, text, None if state is None else state.result)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
