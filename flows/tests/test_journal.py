from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blocks_flows import Flow, flow, task
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.journal import Journal, close_journal, current_journal
from blocks_flows.journal_rows import LOGS, TASK_RUNS
from blocks_flows.runs import RunFilter
from blocks_registry.sqlite_database import SqliteDatabase


@task
def double(x):
    return 2 * x


def counts(home: Path) -> dict[str, int]:
    connection = sqlite3.connect(home / "blocks.db")
    try:
        tables = ("flow_runs", "task_runs", "run_states", "run_logs")
        return {table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}
    finally:
        connection.close()


def test_everything_of_a_run_is_written_when_it_returns(home, records, last_run) -> None:
    with Flow("f", executor=LocalDaskExecutor(num_workers=4)) as f:
        double.map(list(range(500)))
    f.run()
    assert counts(home) == {"flow_runs": 1, "task_runs": 501, "run_states": 1004, "run_logs": 2}
    assert len(records.logs(last_run()["id"])) == 1004  # what is said of states is read from them
    run = last_run()
    assert run["state_type"] == "Success"
    assert run["process_id"] == os.getpid()
    rows = records.task_runs(run["id"])
    assert {row["state_type"] for row in rows} == {"Success"}
    assert all(row["started_at"] <= row["ended_at"] for row in rows)
    assert sorted(row["map_index"] for row in rows) == list(range(-1, 500))
    assert {row["task_slug"] for row in rows} == {"double-1"}


def test_a_row_that_is_written_twice_is_there_once_and_an_older_one_changes_nothing(tmp_path) -> None:
    def row(state: str, revision: int) -> tuple[object, ...]:
        about = ("id", "run", "t", "t-1", "t", -1, 1)
        return (*about, state, state, "", 5.0, revision, 1.0, None, None, None, None)

    database = SqliteDatabase(tmp_path / "blocks.db", durable=False)
    journal = Journal(database, database.path)
    for state, revision in (("Running", 1), ("Success", 3), ("Running", 1)):
        journal.append(TASK_RUNS, row(state, revision))
        assert journal.flush()
    journal.append(TASK_RUNS, row("Running", 1))
    journal.append(TASK_RUNS, row("Retrying", 2))
    assert journal.flush()
    with database.reading() as connection:
        rows = connection.execute("SELECT id, state_name FROM task_runs").fetchall()
    journal.close()
    assert rows == [("id", "Success")]


def test_a_text_that_utf_8_cannot_hold_is_written_with_escapes(tmp_path) -> None:
    database = SqliteDatabase(tmp_path / "blocks.db", durable=False)
    journal = Journal(database, database.path)
    journal.append(LOGS, ("run", None, 1.0, 20, "test", "file-\udcff"))
    assert journal.flush()
    with database.reading() as connection:
        rows = connection.execute("SELECT message FROM run_logs").fetchall()
    journal.close()
    assert rows == [("file-\\udcff",)]


def test_a_killed_process_leaves_what_it_had_done(home, records) -> None:
    program = """
import sys, time
from blocks_flows import Flow, task

@task
def quick(x):
    return x

@task
def forever(x):
    print("waiting", flush=True)
    time.sleep(60)

with Flow("killed") as f:
    forever(quick(1))
f.run()
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        while "waiting" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(0.5)  # more than the journal gathers rows for
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        process.stdout.close()
    finally:
        process.kill()
        process.wait(timeout=60)
    [run] = records.list_runs(RunFilter())
    assert (run["flow_name"], run["state_type"]) == ("killed", "Running")
    assert [(row["name"], row["state_type"]) for row in records.task_runs(run["id"])] == [
        ("quick", "Success"),
        ("forever", "Running"),
    ]


def test_a_database_that_cannot_be_written_stops_no_flow_and_nothing_is_lost(home, capsys) -> None:
    (home / "blocks.db").mkdir(parents=True)  # no file can be opened there
    with Flow("f") as f:
        doubled = double(21)
    assert f.run().result[doubled].result == 42
    warning = capsys.readouterr().out
    assert warning.count("Runs go on, but what happens in them cannot be recorded now") == 1
    [spooled] = home.glob("*.spool")
    assert spooled.stat().st_mode & 0o777 == 0o600

    close_journal()
    (home / "blocks.db").rmdir()
    with Flow("g") as g:
        double(1)
    g.run()
    assert counts(home)["flow_runs"] == 2
    assert counts(home)["task_runs"] == 2
    assert list(home.glob("*.spool")) == []


def test_rows_are_kept_in_memory_where_not_even_a_file_can_be_written(tmp_path, monkeypatch, capsys) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    monkeypatch.setenv("BLOCKS_HOME", str(obstacle / "home"))
    with Flow("f") as f:
        double(1)
    assert f.run().is_successful()
    obstacle.unlink()
    time.sleep(1.1)  # the journal tries again after a second
    assert current_journal().flush()
    assert counts(obstacle / "home")["flow_runs"] == 1
    capsys.readouterr()


def test_a_forked_child_writes_its_own_rows_only(home) -> None:
    @flow
    def once():
        return 1

    once()
    child = os.fork()
    if child == 0:
        try:
            once()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert counts(home)["flow_runs"] == 2
    assert counts(home)["run_states"] == 4


@pytest.mark.parametrize("number", [1, 3, 5, 100, 1000])
def test_batches_of_any_size_are_written_whole_and_in_order(tmp_path, number) -> None:
    database = SqliteDatabase(tmp_path / "blocks.db", durable=False)
    journal = Journal(database, database.path)
    for index in range(number):
        journal.append(LOGS, ("run", None, 1.0, 20, "test", str(index)))
    assert journal.flush()
    with database.reading() as connection:
        rows = connection.execute("SELECT message FROM run_logs ORDER BY id").fetchall()
    journal.close()
    assert [text for (text,) in rows] == [str(index) for index in range(number)]


@pytest.mark.parametrize("odd", [Path("x"), 2**70, "half a pair \udc80"])
def test_a_value_that_the_database_cannot_hold_keeps_nothing_back(tmp_path, odd) -> None:
    database = SqliteDatabase(tmp_path / "blocks.db", durable=False)
    journal = Journal(database, database.path)
    journal.append(LOGS, ("run", None, 1.0, 20, "test", odd))
    assert journal.flush()
    journal.append(LOGS, ("run", None, 2.0, 20, "test", "after"))
    assert journal.flush()
    with database.reading() as connection:
        rows = connection.execute("SELECT message FROM run_logs ORDER BY id").fetchall()
    journal.close()
    assert [text for (text,) in rows] == [str(odd).encode(errors="backslashreplace").decode(), "after"]


@pytest.mark.parametrize("odd", [Path("x"), 2**70, "half a pair \udc80"])
def test_such_a_value_is_spooled_and_loaded_too(tmp_path, odd, caplog) -> None:
    path = tmp_path / "blocks.db"
    path.mkdir()
    journal = Journal(SqliteDatabase(path, durable=False), path)
    journal.append(LOGS, ("run", None, 1.0, 20, "test", odd))
    assert not journal.flush()
    journal.close()
    path.rmdir()
    database = SqliteDatabase(path, durable=False)
    journal = Journal(database, database.path)
    journal.append(LOGS, ("run", None, 2.0, 20, "test", "after"))
    assert journal.flush()
    with database.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM run_logs").fetchone() == (2,)
    journal.close()
    assert list(tmp_path.glob("*.spool")) == []


def test_a_file_that_cannot_be_spooled_whole_is_not_left_behind(tmp_path, monkeypatch) -> None:
    path = tmp_path / "blocks.db"
    path.mkdir()
    journal = Journal(SqliteDatabase(path, durable=False), path)
    journal.append(LOGS, ("run", None, 1.0, 20, "test", "x" * 100_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # as on a full disk
    try:
        assert not journal.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [each.name for each in tmp_path.iterdir()] == ["blocks.db"]
    path.rmdir()
    time.sleep(1.1)  # the journal tries again after a second
    assert journal.flush()
    journal.close()


def test_a_database_that_is_deleted_is_made_anew(home, records) -> None:
    @flow
    def once():
        return 1

    once()
    for path in home.glob("blocks.db*"):
        path.unlink()
    once()
    assert counts(home)["flow_runs"] == 1
    assert counts(home)["run_states"] == 2


def test_what_a_forked_process_of_a_task_logs_and_runs_is_kept_whole(home) -> None:
    program = """
import multiprocessing
from blocks_flows import Flow, flow, get_run_logger, task

@flow
def child_flow():
    return 1

def work():
    for number in range(12_000):
        get_run_logger().info("child %s", number)
    child_flow()

@task
def forks():
    for number in range(100):
        get_run_logger().info("parent %s", number)
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
    for number in range(100):
        get_run_logger().info("parent %s", number)

with Flow("f") as f:
    forks()
assert f.run().is_successful()
"""
    environment = {**os.environ, "BLOCKS_LOG_LEVEL": "CRITICAL"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    connection = sqlite3.connect(home / "blocks.db")
    try:
        query = "SELECT substr(message, 1, 5), COUNT(*) FROM run_logs WHERE logger = ? GROUP BY 1 ORDER BY 1"
        found = connection.execute(query, ["blocks_flows.forks"]).fetchall()
        ends = connection.execute("SELECT flow_name, state_type FROM flow_runs ORDER BY 1").fetchall()
    finally:
        connection.close()
    assert found == [("child", 12_000), ("paren", 200)]
    assert ends == [("child_flow", "Success"), ("f", "Success")]


def test_a_process_that_can_keep_its_records_nowhere_says_so_at_its_end(tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "blocks.db"
    journal = Journal(SqliteDatabase(path, durable=False), path)
    for number in range(3):
        journal.append(LOGS, ("run", None, 1.0, 20, "test", str(number)))
    with caplog.at_level("WARNING", logger="blocks_flows.Journal"):
        journal.close()
    assert caplog.messages[-1] == "The records of runs are lost in part: 3 rows."
