"""What a run comes to when the storages around it fail: of its results, of its record."""

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from shelf_storage import ShelfStorage

from blocks_flows import Flow, flow, task
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor
from blocks_flows.journal import close_journal
from blocks_flows.runs import RunFilter, RunRecords

EXECUTORS = [LocalExecutor(), LocalDaskExecutor(num_workers=3)]


class FailingStorage(ShelfStorage, slug="test-failing"):
    """A storage whose third write fails, and no other."""

    def write(self, path: str, data: bytes) -> str:
        if len(self._files) == 2 and "failed" not in self._files:
            self._files["failed"] = b""
            raise ConnectionResetError("the connection was reset by the peer")
        return super().write(path, data)


@task
def double(x):
    return 2 * x


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_result_that_cannot_be_written_fails_its_task_only_and_says_why(
    executor, records, last_run
) -> None:
    with Flow("f", executor=executor, result_storage=FailingStorage()) as f:
        doubled = double.map([1, 2, 3, 4])
    state = f.run()
    assert state.is_failed()
    ends = [each.name for each in state.result[doubled].map_states]
    assert sorted(ends) == ["Failed", "Success", "Success", "Success"]
    [failed] = [
        row
        for row in records.task_runs(last_run()["id"])
        if row["state_name"] == "Failed" and row["map_index"] >= 0
    ]
    assert "ConnectionResetError: the connection was reset by the peer" in failed["state_message"]
    assert failed["result_path"] is None


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_task_whose_result_cannot_be_written_is_tried_again(executor, records, last_run) -> None:
    storage = FailingStorage()
    with Flow("f", executor=executor, result_storage=storage) as f:
        doubled = double.map([1, 2, 3, 4], task_args={"max_retries": 1, "retry_delay": 0.01})
    state = f.run()
    assert state.result[doubled].result == [2, 4, 6, 8]
    runs = [row for row in records.task_runs(last_run()["id"]) if row["map_index"] >= 0]
    assert sorted(row["run_count"] for row in runs) == [1, 1, 1, 2]
    assert all(row["result_path"] in storage.files for row in runs)


def test_a_flow_function_whose_own_result_cannot_be_written_fails(last_run) -> None:
    storage = FailingStorage()
    storage.write("one", b"")
    storage.write("two", b"")

    @flow(result_storage=storage)
    def f():
        return 1

    with pytest.raises(ConnectionResetError):
        f()
    assert last_run()["state_name"] == "Failed"
    assert "ConnectionResetError" in last_run()["state_message"]


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def recorded_after_a_run() -> set[tuple[str, str, int]]:
    """Run a flow; return the names, states and numbers of task runs of all that are recorded then."""
    with Flow("after") as after:
        double(1)
    assert after.run().is_successful()
    records = RunRecords()
    try:
        runs = records.list_runs(RunFilter(limit=100))
        return {(run["flow_name"], run["state_type"], len(records.task_runs(run["id"]))) for run in runs}
    finally:
        records.close()


def test_a_full_disk_under_the_journal_stops_no_flow_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        monkeypatch.setenv("BLOCKS_HOME", str(mount / "home"))
        with Flow("fits") as fits:
            double(1)
        assert fits.run().is_successful()
        filler = mount / "filler"
        fill(filler)
        with Flow("full", executor=LocalDaskExecutor(num_workers=2)) as full:
            doubled = double.map(list(range(500)))
        state = full.run()
        assert state.result[doubled].result[-1] == 998
        assert "cannot be recorded now" in capsys.readouterr().out
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", str(mount)], check=True)
        ends = recorded_after_a_run()
        while len(ends) < 3:  # what could not be written is tried again once a second
            time.sleep(0.1)
            ends = recorded_after_a_run()
        assert ends == {("fits", "Success", 1), ("full", "Success", 501), ("after", "Success", 1)}
    finally:
        close_journal()
        shutil.rmtree(mount / "home", ignore_errors=True)
        subprocess.run(["umount", str(mount)], check=True)
