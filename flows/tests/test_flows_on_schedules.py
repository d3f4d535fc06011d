"""Flows that run when their schedule says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from blocks_flows import Flow, Parameter, context, flow, task
from blocks_flows.schedules import DatesSchedule, Schedule
from blocks_flows.schedules.clocks import DatesClock


def soon(*seconds: float) -> list[datetime]:
    now = datetime.now(UTC)
    return [now + timedelta(seconds=each) for each in seconds]


def test_a_graph_waits_for_each_time_and_takes_the_clock_s_parameters() -> None:
    seen = []

    @task
    def note(word: str) -> None:
        seen.append((word, context.get("scheduled_start_time")))

    first, second = soon(0.6, 1.2)
    schedule = Schedule(
        clocks=[DatesClock([first], parameter_defaults={"word": "early"}), DatesClock([second])]
    )
    with Flow("twice", schedule=schedule) as twice:
        note(Parameter("word", default="late"))
    assert twice.run().is_successful()
    assert [word for word, _at in seen] == ["early", "late"]
    assert [
        abs((at - wanted).total_seconds()) < 0.001
        for (_word, at), wanted in zip(seen, (first, second), strict=True)
    ]

    twice.run(run_on_schedule=False)
    assert len(seen) == 3


def test_a_flow_function_does_so_too_and_may_be_called_at_any_time() -> None:
    calls = []

    @flow(schedule=DatesSchedule(soon(0.5)))
    def once() -> None:
        calls.append(1)

    once.run()
    once()
    assert len(calls) == 2


def test_a_graph_is_drawn_with_the_states_of_a_run(tmp_path) -> None:
    @task
    def one() -> int:
        return 1

    with Flow("small") as small:
        one()
    assert "flowchart" in small.visualize(format="mermaid")
    small.visualize(small.run(), tmp_path / "small.svg")
    assert "Success" in (tmp_path / "small.svg").read_text()
