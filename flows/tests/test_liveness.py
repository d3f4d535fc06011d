from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blocks_flows import Flow, task
from blocks_flows.checkpoint_reading import read_checkpoint, sweep
from blocks_flows.checkpoints import Place
from blocks_flows.claiming import LATER, claim, end_all_dead
from blocks_flows.errors import RunRefused
from blocks_flows.journal import close_journal
from blocks_flows.liveness import Life, life_of, own_mark
from blocks_flows.restarting import find_stopped

HOST = socket.gethostname()


def test_this_process_lives() -> None:
    assert life_of(HOST, os.getpid(), own_mark()) is Life.ALIVE


def test_a_process_that_ended_is_gone_and_one_that_waits_to_be_looked_after_too() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from blocks_flows.liveness import own_mark; print(own_mark())"],
        stdout=subprocess.PIPE,
        text=True,
    )
    mark = process.stdout.read().strip()
    until = time.monotonic() + 30
    while life_of(HOST, process.pid, mark) is not Life.GONE and time.monotonic() < until:
        time.sleep(0.01)
    assert life_of(HOST, process.pid, mark) is Life.GONE
    process.communicate()
    assert life_of(HOST, process.pid, mark) is Life.GONE


@pytest.mark.skipif(not Path("/proc").exists(), reason="the system does not say when a process began")
def test_a_number_that_was_given_again_is_another_process() -> None:
    place, _, start = own_mark().rpartition(" ")
    assert life_of(HOST, os.getpid(), f"{place} {int(start) + 1}") is Life.GONE


@pytest.mark.skipif(not Path("/etc/machine-id").exists(), reason="the machine has no name of its own")
def test_what_ran_before_the_machine_was_started_anew_is_gone() -> None:
    machine, _boot, namespace, start = own_mark().split(" ")
    assert life_of(HOST, os.getpid(), f"{machine} another-boot {namespace} {start}") is Life.GONE


def test_nobody_can_tell_of_another_host_or_container() -> None:
    machine, boot, _namespace, start = own_mark().split(" ")
    assert life_of("elsewhere", os.getpid(), own_mark()) is Life.UNKNOWN
    assert life_of(HOST, os.getpid(), f"{machine} {boot} 1 {start}") is Life.UNKNOWN
    assert life_of(HOST, os.getpid(), f"other other 1 {start}") is Life.UNKNOWN
    assert life_of(HOST, os.getpid(), None) is Life.UNKNOWN
    assert life_of(HOST, 2**22 + 1, None) is Life.GONE
    assert life_of(HOST, os.getpid(), "nonsense") is Life.UNKNOWN


def test_a_run_of_another_host_is_restarted_only_by_force(records, last_run) -> None:
    with Flow("f") as f:
        task(lambda: 1 / 0, name="fails")()
    f.run()
    with records.database.transaction() as connection:
        connection.execute(
            "UPDATE flow_runs SET state_type = 'Running', state_name = 'Running', host = 'elsewhere'"
        )
    end_all_dead(records)
    run_id = last_run()["id"]
    with pytest.raises(
        RunRefused, match=r"Running in process \d+ on 'elsewhere', and from here nobody .*add --force"
    ):
        find_stopped(run_id)
    stopped = find_stopped(run_id, force=True)
    assert claim(records.database, stopped.row) == stopped.row["revision"] + LATER
    with pytest.raises(RunRefused, match="somebody else has restarted it"):
        claim(records.database, stopped.row)


def test_a_run_is_claimed_once_on_a_server_too(postgres_url, monkeypatch) -> None:
    from blocks_flows.runs import RunFilter, RunRecords

    monkeypatch.setenv("BLOCKS_URL", postgres_url)
    with Flow("f") as f:
        task(lambda: 1 / 0, name="fails")()
    f.run()
    records = RunRecords()
    try:
        [row] = records.list_runs(RunFilter(limit=1))
        claim(records.database, row)
        with pytest.raises(RunRefused, match="somebody else has restarted it"):
            claim(records.database, row)
        [row] = records.list_runs(RunFilter(limit=1))
        assert row["state_name"] == "Restarted"
    finally:
        records.close()
        close_journal()


def test_what_is_old_is_swept_unless_its_run_goes_on(home, tmp_path) -> None:
    with Flow("f") as f:
        task(lambda x: 1 / 0, name="fails")(task(lambda: list(range(100_000)), name="long")())
    f.run()
    f.run()
    folder = home / "restart"
    lines = sorted(folder.glob("*.lines"))
    assert len(lines) == 2
    sweep(folder, days=1)
    assert len(list(folder.iterdir())) == 4
    old = time.time() - 2 * 86_400
    for path in folder.rglob("*"):
        os.utime(path, (old, old))
    sweep(folder, days=1)
    assert len(list(folder.iterdir())) == 4  # this process wrote them, and lives
    text = lines[0].read_text()
    lines[0].write_text(text.replace(own_mark(), "x x x x"))
    os.utime(lines[0], (old, old))
    (folder / "other").touch()
    os.utime(folder / "other", (old, old))
    sweep(folder, days=1)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["other", lines[1].name, lines[1].stem])
    assert read_checkpoint(Place(folder, lines[1].stem, lines[1].stem)).about["flow_name"] == "f"
    sweep(tmp_path / "none", days=1)
