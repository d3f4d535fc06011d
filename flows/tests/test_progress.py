from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from blocks_flows import Flow, flow, task
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.progress import Counts, Display, duration, line, summary
from blocks_flows.progress_table import make_table
from blocks_flows.states import State, StateType


def test_where_there_is_no_terminal_the_counts_are_a_plain_line(capsys) -> None:
    @task
    def halve(x):
        if x == 2:
            raise ValueError
        return x / 2

    with Flow("f", executor=LocalDaskExecutor(num_workers=2)) as f:
        halve.map([1, 2, 3])
    f.run(progress=True)
    *_lines, counted, last = capsys.readouterr().out.splitlines()
    assert counted == "Progress of 'f': halve 2/3 (1 failed)"
    assert re.fullmatch(r"Flow 'f' took \d+\.\d s: 2 of 3 task runs done, 1 failed", last)


def test_runs_are_counted_where_they_are() -> None:
    from blocks_flows.machine import Machine

    shown: list[dict[str, Counts]] = []
    display = Display(shown.append, every_seconds=0.0)
    machine = Machine()
    first, second = machine.add("a", 0), machine.add("b", 0)
    display.changed(first, State(StateType.RUNNING, "Running", 1.0), "train")
    display.changed(second, State(StateType.RUNNING, "Running", 1.0), "train")
    assert display.counts["train"] == Counts(running=2, expected=2)
    display.changed(first, State(StateType.SUCCESS, "Success", 2.0), "train")
    display.changed(second, State(StateType.FAILED, "Failed", 2.0), "train")
    assert display.counts["train"] == Counts(running=0, done=1, failed=1, expected=2)
    assert len(shown) == 4


def test_tasks_are_shown_in_the_order_in_which_they_were_placed() -> None:
    from blocks_flows.machine import Machine

    shown: list[dict[str, Counts]] = []
    display = Display(shown.append, every_seconds=0.0)
    machine = Machine()
    first, second = machine.add("a", 0), machine.add("b", 0)
    display.changed(second, State(StateType.RUNNING, "Running", 1.0), "b")
    display.changed(first, State(StateType.RUNNING, "Running", 2.0), "a")
    assert list(shown[-1]) == ["a", "b"]


def test_a_display_of_one_s_own_gets_the_counts() -> None:
    shown: list[Counts] = []

    @flow
    def doubled():
        return task(name="double")(lambda x: 2 * x).map([1, 2])

    display = Display(lambda counts: shown.append(replace(counts["double"])), every_seconds=60)
    assert doubled.run(progress=display).result == [2, 4]
    assert shown == [Counts(done=2, expected=2)]


def test_retries_skips_cached_values_and_what_could_not_run_are_told_apart() -> None:
    from blocks_flows.machine import Machine

    machine = Machine()
    display = Display(lambda _counts: None, every_seconds=60)
    nodes = [machine.add(str(place), 0) for place in range(7)]
    running = State(StateType.RUNNING, "Running", 1.0)
    for node in nodes[:6]:
        display.changed(node, running, "train")
    display.changed(nodes[0], State(StateType.RETRYING, "Retrying", 2.0), "train")
    display.changed(nodes[1], State(StateType.SUCCESS, "Cached", 2.0), "train")
    display.changed(nodes[2], State(StateType.SKIPPED, "Skipped", 2.0), "train")
    display.changed(nodes[3], State(StateType.PAUSED, "Paused", 2.0), "train")
    display.changed(nodes[4], State(StateType.CANCELLED, "Cancelled", 2.0), "train")
    display.changed(nodes[6], State(StateType.FAILED, "TriggerFailed", 2.0), "train")
    counts = display.counts["train"]
    assert counts == Counts(
        running=1,
        retrying=1,
        paused=1,
        done=2,
        skipped=1,
        cached=1,
        not_run=1,
        cancelled=1,
        retried=1,
        expected=7,
    )
    assert line("f", display.counts) == (
        "Progress of 'f': train 2/7 (1 not run, 1 cancelled, 1 paused, 1 to be tried again, 1 skipped, 1 cached)"
    )
    display.changed(nodes[0], running, "train")
    display.changed(nodes[0], State(StateType.SUCCESS, "Success", 3.0), "train")
    assert (counts.running, counts.retrying, counts.retried, counts.done) == (1, 0, 1, 3)
    assert summary("f", display.counts, 200.0).startswith(
        "Flow 'f' took 3 min 20 s: 3 of 7 task runs done, 1 not run"
    )
    assert summary("f", display.counts, 1.0).endswith("1 cached, 1 tried again")


def test_how_long_it_will_take_is_said_once_there_is_something_to_go_by() -> None:
    counts = Counts(done=20, failed=5, expected=100, began_at=100.0)
    assert counts.seconds_left(150.0) == 150.0
    assert counts.seconds_left(100.5) is None
    assert Counts(done=2, expected=100, began_at=100.0).seconds_left(150.0) is None
    assert Counts(done=9, expected=9, began_at=100.0).seconds_left(150.0) is None


def test_times_are_said_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.04, 9.94, 42.4, 200.0, 3600.0, 7512.0)] == [
        *("0.0 s", "9.9 s", "42 s", "3 min 20 s", "1 h 0 min", "2 h 5 min"),
    ]


PROGRAM = """
from blocks_flows import Flow, task
from blocks_flows.executors import LocalDaskExecutor
tried = set()
@task(retries=1)
def step(x):
    if x == 1 and x not in tried:
        tried.add(x)
        raise ValueError("not yet")
    if x == 2:
        raise ValueError("never")
    print("a line of " + 60 * "many " + "words", end="")
    print()
with Flow("drawn", executor=LocalDaskExecutor(num_workers=2)) as f:
    step.map([1, 2, 3])
f.run(progress=True)
print("afterwards")
"""


def on_a_terminal(**environment: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30", **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := _read(ours):
            shown += chunk
    finally:
        os.close(ours)
        assert process.wait(timeout=60) == 0
    return shown.decode()


def test_on_a_terminal_a_table_is_drawn_and_lines_above_it_stay_whole(home) -> None:
    text = on_a_terminal()
    assert "Flow 'drawn'" in text
    assert "2/3" in text
    assert "1 failed" in text
    assert "Finished task run for task with final state: 'Mapped'" in text
    assert "a line of " + 60 * "many " + "words\r\n" in text
    last = [each for each in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines() if each.strip()][-2:]
    assert re.fullmatch(r"Flow 'drawn' took .* s: 2 of 3 task runs done, 1 failed, 2 tried again", last[0])
    assert last[1] == "afterwards"


def test_on_a_terminal_that_cannot_move_its_cursor_the_counts_are_plain_lines(home) -> None:
    text = on_a_terminal(TERM="dumb")
    assert "\x1b[" not in text
    assert "Progress of 'drawn': step 2/3 (1 failed)" in text


def test_of_many_tasks_those_are_in_the_table_that_something_happens_to() -> None:
    counts = {f"task {place}": Counts(done=1, expected=1, began_at=place) for place in range(50)}
    counts["task 7"] = Counts(running=1, expected=1)
    counts["task 9"] = Counts(failed=1, expected=1)
    drawn = _drawn(make_table("f", counts, 1.0, most=4))
    shown = re.findall(r"^task \d+", drawn, flags=re.MULTILINE)
    assert shown == ["task 7", "task 9", "task 48", "task 49"]
    assert "and 46 more tasks, of which 46 are over" in drawn


def test_a_display_that_fails_ends_no_flow(capsys) -> None:
    def show(_counts):
        raise BrokenPipeError("Broken pipe")

    with Flow("f") as f:
        task(lambda x: x).map([1, 2, 3])
    assert f.run(progress=Display(show, every_seconds=0.0)).is_successful()
    assert capsys.readouterr().out.count("The progress cannot be shown, and the flow goes on") == 1


@pytest.mark.parametrize("name", ["[/red]", "[bold]x"])
def test_names_are_drawn_as_they_are(name) -> None:
    assert _drawn(make_table(name, {name: Counts(expected=1)}, 1.0, most=9)).count(name) == 2


def _drawn(table) -> str:
    from rich.console import Console

    console = Console(width=100)
    with console.capture() as drawn:
        console.print(table)
    return drawn.get()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""
