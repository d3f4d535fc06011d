"""The record of runs on a PostgreSQL server: the same rows, and nothing lost while the server is away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from postgres_server import PostgresServer

from blocks_flows import Flow, flow, get_run_logger, task
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.journal import close_journal, current_journal
from blocks_flows.journal_rows import LOGS
from blocks_flows.runs import RunFilter, RunRecords
from blocks_registry.cli import main


@task
def double(x):
    return 2 * x


@pytest.fixture(autouse=True)
def server_url(home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BLOCKS_URL", postgres_url)
    return postgres_url


def counts(server: PostgresServer, url: str) -> dict[str, int]:
    tables = ("flow_runs", "task_runs", "run_states", "run_logs")
    database = url.rpartition("/")[2]
    return {table: server.run(f"SELECT COUNT(*) FROM {table}", database=database)[0][0] for table in tables}


def test_everything_of_a_run_is_written_when_it_returns(
    postgres_server, server_url, records, last_run
) -> None:
    with Flow("f", executor=LocalDaskExecutor(num_workers=4)) as f:
        double.map(list(range(500)))
    f.run()
    assert counts(postgres_server, server_url) == {
        "flow_runs": 1,
        "task_runs": 501,
        "run_states": 1004,
        "run_logs": 2,
    }
    run = last_run()
    assert len(records.logs(run["id"])) == 1004  # what is said of states is read from them
    assert (run["state_type"], run["process_id"]) == ("Success", os.getpid())
    rows = records.task_runs(run["id"])
    assert {row["state_type"] for row in rows} == {"Success"}
    assert all(row["started_at"] <= row["ended_at"] for row in rows)
    assert abs(rows[0]["state_at"] - run["state_at"]) < 60, "a time lost its digits"
    assert records.find_run(run["id"][:8])["id"] == run["id"]


def test_texts_that_the_database_cannot_hold_are_written_with_escapes(records) -> None:
    journal = current_journal()
    for message in ("fine", "a\x00b", "file-\udcff"):
        journal.append(LOGS, ("run", None, 1.0, 20, "test", message))
    assert journal.flush()
    assert [row["message"] for row in records.logs("run")] == ["fine", "a\\x00b", "file-\\udcff"]


def test_a_server_that_is_away_stops_no_flow_and_nothing_is_lost(postgres_server, home, records) -> None:
    with Flow("f") as f:
        double(1)
    f.run()
    postgres_server.stop("fast")  # a crash may take what was committed in its last moments
    try:
        f.run()
        close_journal()
        [spooled] = home.glob("*.spool")
        assert spooled.stat().st_mode & 0o077 == 0
    finally:
        postgres_server.start()
    f.run()
    close_journal()
    assert [run["state_type"] for run in records.list_runs(RunFilter())] == ["Success"] * 3
    assert list(home.glob("*.spool")) == []


def test_a_forked_child_writes_what_is_its_own(records) -> None:
    @flow
    def here(name: str):
        get_run_logger().info("said by %s", name)

    here("parent")
    child = os.fork()
    if child == 0:
        try:
            here("child")
            close_journal()
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    here("parent again")
    runs = records.list_runs(RunFilter())
    assert [run["parameters"]["name"] for run in reversed(runs)] == ["parent", "child", "parent again"]


def test_the_commands_read_the_record_from_the_server(home, last_run) -> None:
    with Flow("nightly") as f:
        double(1)
    f.run()
    listed = CliRunner().invoke(main, ["run", "ls", "--state", "success"])
    assert listed.exit_code == 0, listed.output
    assert "nightly" in listed.output
    shown = CliRunner().invoke(main, ["run", "logs", last_run()["id"][:8]])
    assert "double" in shown.output
    assert not (home / "blocks.db").exists()


def test_a_missing_run_is_the_same_error(records: RunRecords) -> None:
    with pytest.raises(LookupError, match="No flow run"):
        records.find_run("ffffffff")
