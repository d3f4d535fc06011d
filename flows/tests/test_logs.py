from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time

import pytest

from blocks_flows import Flow, get_run_logger, task
from blocks_flows.errors import SettingInvalid
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor

_STAMP = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}\] ")


def lines_of(text: str) -> list[str]:
    return [_STAMP.sub("[] ", line) for line in text.splitlines()]


def messages(records, run) -> list[str]:
    return [row["message"] for row in records.logs(run["id"])]


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=3)])
def test_prints_become_log_lines_of_the_task_that_asked_for_it(executor, capsys, records, last_run) -> None:
    @task(log_stdout=True)
    def loud(x):
        print("begin", x)
        sys.stdout.write(f"end {x}")

    @task
    def plain(x):
        print("plain", x)

    before = sys.stdout
    with Flow("f", executor=executor) as f:
        loud.map([0, 1])
        plain.map([0, 1])
    f.run()
    assert sys.stdout is before
    shown = capsys.readouterr().out.splitlines()
    assert sorted(line for line in shown if line.startswith("plain")) == ["plain 0", "plain 1"]
    run = last_run()
    ids = {row["id"]: row["name"] for row in records.task_runs(run["id"])}
    kept = [
        (ids[row["task_run_id"]], row["message"]) for row in records.logs(run["id"]) if row["task_run_id"]
    ]
    for index in (0, 1):
        mine = [message for name, message in kept if name == f"loud[{index}]"]
        assert mine[1:3] == [f"begin {index}", f"end {index}"]
    assert not any("plain 0" in message for _name, message in kept)


def test_a_run_logger_shows_and_keeps_lines(capsys, records, last_run) -> None:
    @task
    def work():
        get_run_logger().warning("only %d rows", 3)
        get_run_logger().debug("not kept")

    with Flow("f") as f:
        work()
    f.run()
    assert "[] WARNING - blocks_flows.work | only 3 rows" in lines_of(capsys.readouterr().out)
    rows = [row for row in records.logs(last_run()["id"]) if row["logger"] == "blocks_flows.work"]
    assert [(row["level"], row["message"]) for row in rows] == [(logging.WARNING, "only 3 rows")]
    assert rows[0]["task_run_id"] == records.task_runs(last_run()["id"])[0]["id"]


def test_a_failing_task_logs_its_traceback_from_its_own_code_on(capsys, records, last_run) -> None:
    @task
    def broken(password):
        raise ValueError("internal error")

    with Flow("f") as f:
        broken("canary-7531")
    f.run()
    out = lines_of(capsys.readouterr().out)
    start = out.index(
        "[] ERROR - blocks_flows.TaskRunner | Task 'broken': Exception encountered during task execution!"
    )
    assert out[start + 1] == "Traceback (most recent call last):"
    assert out[start + 2].endswith("in broken")
    assert "ValueError: internal error" in out
    assert out[-1] == "[] INFO - blocks_flows.FlowRunner | Flow run FAILED: some reference tasks failed."
    assert "canary-7531" not in "\n".join(messages(records, last_run()))


def test_mapped_and_retried_runs_are_logged_with_their_names(capsys) -> None:
    tries = []

    @task(retries=1)
    def flaky(x):
        tries.append(x)
        if len(tries) == 1:
            raise ValueError

    with Flow("f") as f:
        flaky.map([0])
    f.run()
    prefix = "[] INFO - blocks_flows.TaskRunner | Task "
    shown = [
        line.removeprefix(prefix) for line in lines_of(capsys.readouterr().out) if line.startswith(prefix)
    ]
    finished = "Finished task run for task with final state:"
    assert shown == [
        "'flaky': Starting task run...",
        f"'flaky': {finished} 'Mapped'",
        "'flaky[0]': Starting task run...",
        f"'flaky[0]': {finished} 'Retrying'",
        "'flaky[0]': Starting task run...",
        f"'flaky[0]': {finished} 'Success'",
    ]


def test_the_level_of_the_environment_quiets_the_output_but_not_the_record(
    monkeypatch, capsys, records, last_run
) -> None:
    monkeypatch.setenv("BLOCKS_LOG_LEVEL", "warning")
    with Flow("f") as f:
        task(name="one")(lambda: 1)()
    f.run()
    assert capsys.readouterr().out == ""
    assert "Task 'one': Starting task run..." in messages(records, last_run())
    monkeypatch.setenv("BLOCKS_LOG_LEVEL", "loud")
    with pytest.raises(SettingInvalid, match="BLOCKS_LOG_LEVEL is 'LOUD'"):
        f.run()


def test_the_root_logger_is_left_alone() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with Flow("f") as f:
        task(lambda: 1)()
    f.run()
    assert (root.level, list(root.handlers)) == before


def test_another_handler_gets_the_engine_s_lines_too() -> None:
    class Collector(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.seen.append(record.getMessage())

    collector = Collector()
    logger = logging.getLogger("blocks_flows")
    logger.addHandler(collector)
    try:
        with Flow("watched") as f:
            task(name="one")(lambda: 1)()
        f.run()
    finally:
        logger.removeHandler(collector)
    assert collector.seen[0] == "Beginning Flow run for 'watched'"
    assert "Task 'one': Starting task run..." in collector.seen


PROGRAM = """
import os
from blocks_flows import Flow, task
with Flow("f") as f:
    task(log_stdout=True, name="t")(lambda: print("안녕"))()
assert f.run().is_successful()
os._exit(0)
"""


def test_lines_that_the_output_cannot_show_are_escaped() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\uc548\ub155" in done.stdout


def test_a_closed_output_ends_no_flow(records, last_run) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], stdout=writing, stderr=subprocess.PIPE, timeout=60
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "안녕" in messages(records, last_run())


def test_a_process_without_standard_output_runs_flows(records, last_run) -> None:
    program = PROGRAM.replace("f.run()", "f.run(progress=True)")
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program],
        stderr=subprocess.PIPE,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "안녕" in messages(records, last_run())


def test_a_line_that_is_printed_in_very_many_pieces_is_one_line(capsys, records, last_run) -> None:
    @task(log_stdout=True)
    def dots():
        for _ in range(300_000):
            print(".", end="")
        print("\n\nend", end="")

    with Flow("f") as f:
        dots()
    began = time.monotonic()
    f.run()
    assert messages(records, last_run())[2:5] == ["." * 300_000, "", "end"]
    assert time.monotonic() - began < 10  # it took half a minute when each piece copied the line
