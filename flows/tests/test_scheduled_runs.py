"""A flow that runs on its schedule: what it waits for, what it passes over, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from blocks_flows.errors import ScheduleEnded
from blocks_flows.scheduled_runs import WallClock, run_on_schedule
from blocks_flows.schedules import CronSchedule, DatesSchedule, IntervalSchedule, Schedule
from blocks_flows.schedules.clocks import CronClock, DatesClock
from blocks_flows.states import State, StateType

BEGIN = datetime(2026, 5, 1, 8, 59, 30, tzinfo=UTC)
HOUR = 3600.0


class Watch:
    """A clock that goes on when somebody sleeps, and is set by hand."""

    def __init__(self) -> None:
        self.at = BEGIN.timestamp()
        self.slept: list[float] = []
        self.jumps: dict[int, float] = {}
        """At which sleep the clock is set by how many seconds."""
        self.clock = WallClock(lambda: self.at, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds + self.jumps.get(len(self.slept), 0.0)
        if len(self.slept) > 40_000:
            raise AssertionError("it waits for ever")


class Runs:
    """Keeps what it is called with; each run takes as long as is said."""

    def __init__(self, watch: Watch, *lengths: float) -> None:
        self.watch = watch
        self.lengths = lengths
        self.starts: list[str] = []
        self.parameters: list[dict[str, object]] = []

    def __call__(self, start, parameters) -> State:
        self.starts.append(f"{start:%d %H:%M}")
        self.parameters.append(parameters)
        if len(self.starts) <= len(self.lengths):
            self.watch.at += self.lengths[len(self.starts) - 1]
        return State(StateType.SUCCESS, "Success", self.watch.at, result=len(self.starts))


def hourly(count: int) -> Schedule:
    return CronSchedule("0 * * * *", end_date=datetime(2026, 5, 1, 8 + count, tzinfo=UTC))


def test_it_runs_at_each_event_and_returns_the_last_state(capsys) -> None:
    watch = Watch()
    runs = Runs(watch)
    assert run_on_schedule(runs, hourly(3), clock=watch.clock).result == 3
    assert runs.starts == ["01 09:00", "01 10:00", "01 11:00"]
    assert max(watch.slept) <= 1.0
    lines = [line.split("] ")[1] for line in capsys.readouterr().out.splitlines()]
    waiting = "INFO - blocks_flows.FlowRunner | Waiting for next scheduled run at 2026-05-01T{}:00:00+00:00"
    assert lines == [
        *(waiting.format(hour) for hour in ("09", "10", "11")),
        "INFO - blocks_flows.FlowRunner | The schedule has no more events",
    ]


def test_a_run_that_takes_longer_makes_events_pass_and_says_so(capsys) -> None:
    watch = Watch()
    runs = Runs(watch, 2.5 * HOUR)
    run_on_schedule(runs, hourly(4), clock=watch.clock)
    assert runs.starts == ["01 09:00", "01 12:00"]
    assert "WARNING - blocks_flows.FlowRunner | Passed over 2 scheduled runs, from 2026-05-01T10:00" in (
        capsys.readouterr().out
    )


def test_clocks_that_give_different_parameters_to_one_moment_make_several_runs() -> None:
    watch = Watch()
    runs = Runs(watch, 30.0, 30.0)
    moment = [datetime(2026, 5, 1, 9, tzinfo=UTC)]
    schedule = Schedule([DatesClock(moment, parameter_defaults={"size": size}) for size in (1, 2)])
    run_on_schedule(runs, schedule, clock=watch.clock)
    assert runs.parameters == [{"size": 1}, {"size": 2}]


def test_what_a_run_does_to_its_parameters_stays_its_own() -> None:
    watch = Watch()
    seen: list[dict[str, object]] = []

    def run_once(_start, parameters) -> State:
        seen.append(dict(parameters))
        parameters["more"] = 1
        return State(StateType.SUCCESS, "Success", watch.at)

    end = datetime(2026, 5, 1, 10, tzinfo=UTC)
    clock = CronClock("0 * * * *", end_date=end, parameter_defaults={"size": 1})
    run_on_schedule(run_once, Schedule([clock]), clock=watch.clock)
    assert seen == [{"size": 1}, {"size": 1}]


def test_a_clock_that_is_set_forward_makes_an_event_late_and_runs_it_once() -> None:
    watch = Watch()
    watch.jumps = {5: 1.5 * HOUR}
    runs = Runs(watch)
    run_on_schedule(runs, hourly(4), clock=watch.clock)
    assert runs.starts == ["01 09:00", "01 11:00", "01 12:00"]


def test_a_clock_that_is_set_back_runs_nothing_twice() -> None:
    watch = Watch()
    watch.jumps = {1000: -2 * HOUR}  # after the first run
    runs = Runs(watch)
    run_on_schedule(runs, hourly(2), clock=watch.clock)
    assert runs.starts == ["01 09:00", "01 10:00"]


def test_a_clock_that_was_wrong_when_the_wait_began_is_taken_at_its_new_word() -> None:
    watch = Watch()
    watch.jumps = {3: -3 * HOUR}
    runs = Runs(watch)
    schedule = CronSchedule("0 7,9 * * *", end_date=datetime(2026, 5, 1, 9, tzinfo=UTC))
    run_on_schedule(runs, schedule, clock=watch.clock)
    assert runs.starts == ["01 07:00", "01 09:00"]


def test_a_schedule_without_an_event_to_come_is_an_error_that_says_what_to_do() -> None:
    watch = Watch()
    with pytest.raises(ScheduleEnded, match="run_on_schedule=False"):
        run_on_schedule(Runs(watch), DatesSchedule([datetime(2020, 1, 1)]), clock=watch.clock)


def test_an_interrupt_while_it_waits_ends_it_with_the_last_result(capsys) -> None:
    watch = Watch()
    runs = Runs(watch)

    def sleep(seconds: float) -> None:
        watch.sleep(seconds)
        if runs.starts:
            raise KeyboardInterrupt

    state = run_on_schedule(runs, hourly(3), clock=WallClock(watch.clock.now, sleep))
    assert state.is_cancelled()
    assert state.result == 1
    assert "Interrupted while waiting for the next scheduled run." in capsys.readouterr().out


def test_an_interrupt_during_a_run_is_raised() -> None:
    watch = Watch()

    def run_once(_start, _parameters):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_schedule(run_once, hourly(3), clock=watch.clock)


def test_by_the_machine_s_own_clock_it_runs_when_it_is_due() -> None:
    late: list[float] = []

    def run_once(start, _parameters) -> State:
        late.append(time.time() - start.timestamp())
        return State(StateType.SUCCESS, "Success", time.time())

    begin = datetime.now(UTC)
    schedule = IntervalSchedule(
        interval=timedelta(seconds=0.3), start_date=begin, end_date=begin + timedelta(seconds=1)
    )
    run_on_schedule(run_once, schedule)
    assert late
    assert all(0 <= seconds < 60 for seconds in late)


def test_a_real_interrupt_ends_a_long_wait_cleanly_and_at_once() -> None:
    program = """
from blocks_flows.scheduled_runs import run_on_schedule
from blocks_flows.schedules import CronSchedule
print(run_on_schedule(lambda start, parameters: None, CronSchedule("0 0 1 1 *")))
"""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert "Waiting for next scheduled run at" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""
    assert out.splitlines()[-1] == '<Cancelled: "Interrupted while waiting for the next scheduled run.">'
