"""A run that the user stops, in the middle of whatever it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Timer

import pytest

from blocks_flows import Flow, task
from blocks_flows.errors import EngineFailed, RunStopped
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor
from blocks_flows.progress import Display

BOTH = pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=2)])


def interrupt_after(seconds: float) -> None:
    Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()


@task
def quick():
    time.sleep(0.005)


@task
def calls_tasks():
    while True:
        quick()


@task
def submits_tasks():
    while True:
        quick.submit().result()


@BOTH
@pytest.mark.parametrize("endless", [calls_tasks, submits_tasks])
def test_a_task_that_runs_tasks_ends_with_its_run(executor, endless, records, last_run) -> None:
    with Flow("f", executor=executor) as f:
        endless()
    interrupt_after(0.2)
    with pytest.raises(KeyboardInterrupt):
        f.run()
    run = last_run()
    assert run["state_type"] == "Cancelled"
    assert {row["state_type"] for row in records.task_runs(run["id"])} == {"Cancelled", "Success"}


def test_a_task_that_was_stopped_has_no_value(last_run) -> None:
    seen = []

    @task
    def waits():
        slow = task(lambda: time.sleep(0.5)).submit()
        try:
            slow.result()
        except RunStopped as error:
            seen.append(str(error))
            raise

    with Flow("f", executor=LocalDaskExecutor(num_workers=2)) as f:
        waits()
    interrupt_after(0.1)
    with pytest.raises(KeyboardInterrupt):
        f.run()
    assert seen == ["Task run '<lambda>' has no value: it was not run to its end. Interrupted."]


def test_a_stopped_run_waits_for_no_retry() -> None:
    @task(retries=1, retry_delay_seconds=3600)
    def fails():
        raise ConnectionError

    with Flow("f", executor=LocalDaskExecutor()) as f:
        task(lambda: fails())()
    interrupt_after(0.1)
    with pytest.raises(KeyboardInterrupt):
        f.run()


@BOTH
def test_an_interrupt_that_a_task_meets_stops_the_run_wherever_it_runs(executor, last_run) -> None:
    @task
    def interrupt():
        raise KeyboardInterrupt

    with Flow("f", executor=executor) as f:
        quick().set_upstream(interrupt())
    with pytest.raises(KeyboardInterrupt):
        f.run()
    assert last_run()["state_type"] == "Cancelled"


def test_what_no_task_can_raise_on_a_thread_stops_the_run_instead_of_hanging_it(last_run) -> None:
    class Unforeseen(BaseException):
        pass

    def show(_counts):
        raise Unforeseen

    with Flow("f", executor=LocalDaskExecutor(num_workers=2)) as f:
        quick()
    display = Display(show, every_seconds=0.0)
    with pytest.raises((EngineFailed, Unforeseen)):
        f.run(progress=display)
    assert last_run()["state_type"] == "Crashed"


PROGRAM = """
from blocks_flows import Flow, flow, task
from blocks_flows.executors import LocalDaskExecutor

@task
def one(x): return x

with Flow("graph") as graph:
    one.map(one.map(list(range(200))))

@flow(executor=LocalDaskExecutor(4))
def function():
    return [each.result() for each in one.map(list(range(50)))]

print("begun", flush=True)
try:
    while True:
        graph.run()
        function()
except KeyboardInterrupt:
    pass
"""


def test_an_interrupt_at_any_moment_leaves_nothing_open(records) -> None:
    for number in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "BLOCKS_LOG_LEVEL": "CRITICAL"},
        )
        try:
            assert process.stdout.readline() == "begun\n"
            time.sleep(0.02 + 0.013 * number)
            assert _interrupted(process) == ("", "")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
    for table in ("flow_runs", "task_runs"):
        rows = records._select(f"SELECT state_type, COUNT(*) AS n FROM {table} GROUP BY 1", [])
        assert {row["state_type"] for row in rows} <= {"Success", "Cancelled"}


def _interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C until a program ends, as people do, and return what it printed.

    Python drops an interrupt that comes while it runs the callback of a weak reference, and says so.
    """
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            continue
        return out, "" if err.startswith("Exception ignored in: <function WeakSet") else err
    pytest.fail("The program does not end.")
