"""Tasks in worker processes of this machine, and what happens when these or the flow's own process are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from executor_suite import AwaySuite, add, is_alive, wait_until, where

from blocks_flows import Flow, flow, get_run_logger, task
from blocks_flows.executors import LocalDaskExecutor

PROCESSES = LocalDaskExecutor(num_workers=2, scheduler="processes")


class TestProcesses(AwaySuite):
    @pytest.fixture
    def executor(self):
        return PROCESSES


def test_a_worker_is_used_for_many_tasks_and_ends_with_the_run() -> None:
    with Flow("f", executor=PROCESSES) as f:
        made = task(lambda _x: os.getpid(), name="who").map(list(range(50)))
    workers = set(f.run().result[made].result)
    assert len(workers) <= 2
    assert os.getpid() not in workers
    assert not any(map(is_alive, workers))


def test_a_time_out_stops_the_task_and_what_it_started(tmp_path: Path, last_run, records) -> None:
    @task(timeout_seconds=1.5)
    def slow():
        child = subprocess.Popen(["sleep", "600"])
        (tmp_path / "ids").write_text(f"{os.getpid()} {child.pid}")
        get_run_logger().info("begun")
        time.sleep(600)

    with Flow("f", executor=LocalDaskExecutor(1, "processes")) as f:
        made = slow()
        fine = add(1)
    state = f.run()
    assert state.result[made].name == "TimedOut"
    assert str(state.result[made].result) == (
        "Task 'slow' took longer than its 1.5 seconds. Its process was stopped."
    )
    assert state.result[fine].result == 2
    worker, child = map(int, (tmp_path / "ids").read_text().split())
    wait_until(lambda: not is_alive(worker) and not is_alive(child))
    assert "begun" in [row["message"] for row in records.logs(last_run()["id"])]


def test_a_task_that_ignores_the_request_to_end_is_stopped_too(tmp_path: Path) -> None:
    @task(timeout_seconds=1)
    def stubborn():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (tmp_path / "id").write_text(str(os.getpid()))
        while True:
            time.sleep(1)

    with Flow("f", executor=PROCESSES) as f:
        made = stubborn()
    assert f.run().result[made].name == "TimedOut"
    assert not is_alive(int((tmp_path / "id").read_text()))


def test_a_time_out_is_tried_again(tmp_path: Path) -> None:
    @task(timeout_seconds=1, retries=1)
    def slow_once():
        if not (tmp_path / "tried").exists():
            (tmp_path / "tried").touch()
            time.sleep(600)
        return "quick"

    with Flow("f", executor=PROCESSES) as f:
        made = slow_once()
    assert f.run().result[made].result == "quick"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("os.kill(os.getpid(), 9)", "it was killed by SIGKILL, as the system does where memory runs out"),
        ("os._exit(7)", "it ended with exit code 7"),
        ("ctypes.string_at(0)", "it was killed by SIGSEGV"),
    ],
)
def test_a_task_whose_worker_dies_is_crashed_and_the_others_are_not(how, said, records, last_run) -> None:
    @task
    def die():
        import ctypes

        get_run_logger().info("about to die")
        print("last words", file=sys.stderr, flush=True)
        exec(how, {"os": os, "ctypes": ctypes})

    with Flow("f", executor=PROCESSES) as f:
        died = die()
        others = add.map(list(range(20)))
    state = f.run()
    assert state.is_failed()
    assert state.result[others].is_successful()
    assert state.result[died].name == "Crashed"
    assert said in state.result[died].message
    assert "last words" in state.result[died].message
    assert "about to die" in [row["message"] for row in records.logs(last_run()["id"])]


def test_a_task_whose_worker_is_killed_from_outside_is_tried_again(tmp_path: Path) -> None:
    @task(retries=1)
    def first_dies():
        mark = tmp_path / "tried"
        if not mark.exists():
            mark.touch()
            subprocess.Popen(["sh", "-c", f"sleep 0.1; kill -9 {os.getpid()}"])
            time.sleep(600)
        return "second"

    with Flow("f", executor=PROCESSES) as f:
        made = first_dies()
    assert f.run().result[made].result == "second"


def test_a_worker_that_dies_while_it_is_idle_costs_no_task() -> None:
    @flow(executor=LocalDaskExecutor(1, "processes"))
    def f():
        worker, _thread = where.submit().result()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not is_alive(worker))
        time.sleep(0.3)  # its other threads end a moment later
        return worker, where.submit().result()[0]

    first, second = f()
    assert first != second


def test_a_child_that_a_killed_worker_leaves_behind_keeps_nobody_waiting() -> None:
    @task
    def die():
        if os.fork() == 0:  # it holds the other end of the channel
            os.setsid()
            time.sleep(20)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    with Flow("f", executor=PROCESSES) as f:
        died = die()
    begun = time.monotonic()
    assert f.run().result[died].name == "Crashed"
    assert time.monotonic() - begun < 15


def test_a_forked_child_of_a_task_prints_without_harm(capfd) -> None:
    @task(log_stdout=True)
    def fork():
        child = os.fork()
        if child == 0:
            print("from the child")
            get_run_logger().info("logged by the child")
            os._exit(0)
        return os.waitpid(child, 0)[1]

    with Flow("f", executor=PROCESSES) as f:
        made = fork()
    assert f.run().result[made].result == 0


def test_what_is_printed_without_log_stdout_is_shown(capsys) -> None:
    @task
    def talk():
        print("plain words")
        print("more", end="")
        print("to standard error", file=sys.stderr)

    with Flow("f", executor=PROCESSES) as f:
        talk()
    assert f.run().is_successful()
    shown = capsys.readouterr()
    assert "plain words\n" in shown.out
    assert "more" in shown.out
    assert "to standard error" in shown.err


def test_no_secret_is_in_the_list_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @task
    def look(secret):
        return [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]

    monkeypatch.setattr(sys, "argv", ["program", "--token", "Haselm4us"])
    with Flow("f", executor=PROCESSES) as f:
        made = look("Haselm4us")
    state = f.run()
    assert any(b"blocks_flows.executors.worker" in line for line in state.result[made].result)
    assert not any(b"Haselm4us" in line for line in state.result[made].result)


def test_a_worker_that_cannot_be_started_crashes_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with Flow("f", executor=PROCESSES) as f:
        made = add(1)
    state = f.run().result[made]
    assert state.name == "Crashed"
    assert "No worker process can be started for task 'add'" in state.message


PROGRAM = """
import os, subprocess, sys, time
from blocks_flows import Flow, task
from blocks_flows.executors import LocalDaskExecutor

class Number:
    def __init__(self, value): self.value = value

@task
def make(x): return Number(x)

@task
def work(number):
    assert type(number) is Number
    if sys.argv[1:] == ["endless"]:
        child = subprocess.Popen(["sleep", "600"])
        print("begun", os.getpid(), child.pid, flush=True)
        time.sleep(600)
    return number.value

with Flow("f", executor=LocalDaskExecutor(2, "processes")) as f:
    work.map(make.map(list(range(20 if sys.argv[1:] != ["endless"] else 2))))

print("ready", flush=True)
while True:
    f.run()
"""


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    program = tmp_path / "program.py"  # without a guard: workers must not run it anew
    program.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BLOCKS_LOG_LEVEL": "CRITICAL"},
    )


def begun(process: subprocess.Popen[str]) -> list[int]:
    """Return the ids of the two workers and the children of their tasks."""
    assert process.stdout.readline() == "ready\n"
    found: list[int] = []
    while len(found) < 4:
        word, *ids = process.stdout.readline().split()
        assert word == "begun"
        found += map(int, ids)
    return found


def test_no_worker_outlives_a_flow_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "endless")
    try:
        ids = begun(process)
        process.kill()
        wait_until(lambda: not any(map(is_alive, ids)))
    finally:
        process.kill()
        process.communicate()


def test_an_interrupt_ends_the_run_and_all_that_it_started(tmp_path: Path, records) -> None:
    process = start(tmp_path, "endless")
    try:
        ids = begun(process)
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)
        assert err.rstrip().endswith("KeyboardInterrupt")
        assert not any(map(is_alive, ids))
    finally:
        process.kill()
        process.communicate()
    (run,) = records._select("SELECT * FROM flow_runs", [])
    assert run["state_type"] == "Cancelled"
    assert {row["state_type"] for row in records.task_runs(run["id"])} <= {"Cancelled", "Success", "Running"}
    states = {row["name"]: row["state_type"] for row in records.task_runs(run["id"])}
    assert states["work[0]"] == states["work[1]"] == "Cancelled"
    messages = [row["message"] for row in records.logs(run["id"])]
    assert not any("died" in message for message in messages)


def test_an_interrupt_at_any_moment_leaves_no_run_open_and_no_worker(tmp_path: Path, records) -> None:
    chance = random.Random(7)
    for _ in range(4):
        process = start(tmp_path)
        try:
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.0, 1.5))
            group = _children(process.pid)
            for _ in range(5):  # Python drops an interrupt that comes in some callbacks of its own
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=15)
                    break
                except subprocess.TimeoutExpired:
                    continue
            assert process.returncode is not None, "the program does not end"
            wait_until(lambda group=group: not any(map(is_alive, group)))
        finally:
            process.kill()
            process.communicate()
    for table in ("flow_runs", "task_runs"):
        rows = records._select(f"SELECT DISTINCT state_type FROM {table}", [])
        assert {row["state_type"] for row in rows} <= {"Success", "Cancelled"}


def _children(process_id: int) -> list[int]:
    found = Path(f"/proc/{process_id}/task").glob("*/children")
    return [int(each) for path in found for each in path.read_text().split()]
