from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import replace

import pytest

from blocks_flows import Flow, flow, task
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.progress import Counts, Display, _table
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
    assert capsys.readouterr().out.splitlines()[-1] == "Progress of 'f': halve 2/3 (1 failed)"


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


def test_on_a_terminal_a_table_is_drawn_and_log_lines_stay_whole(home) -> None:
    program = """
from blocks_flows import Flow, task
with Flow("drawn") as f:
    task(name="step")(lambda x: x).map([1, 2, 3])
f.run(progress=True)
"""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := _read(ours):
            shown += chunk
    finally:
        os.close(ours)
        assert process.wait(timeout=30) == 0
    text = shown.decode()
    assert "Flow 'drawn'" in text
    assert "3/3" in text
    assert "Finished task run for task with final state: 'Mapped'" in text


def test_a_display_that_fails_ends_no_flow(capsys) -> None:
    def show(_counts):
        raise BrokenPipeError("Broken pipe")

    with Flow("f") as f:
        task(lambda x: x).map([1, 2, 3])
    assert f.run(progress=Display(show, every_seconds=0.0)).is_successful()
    assert capsys.readouterr().out.count("The progress cannot be shown, and the flow goes on") == 1


@pytest.mark.parametrize("name", ["[/red]", "[bold]x"])
def test_names_are_drawn_as_they_are(name) -> None:
    from rich.console import Console

    console = Console(width=100)
    with console.capture() as drawn:
        console.print(_table(name, {name: Counts(expected=1)}))
    assert drawn.get().count(name) == 2


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""
