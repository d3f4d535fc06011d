"""Tasks on a real Dask cluster of this machine, and what happens when parts of it are killed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from executor_suite import AwaySuite, add, is_alive, wait_until, where

from blocks_core.current import forget_default_library
from blocks_flows import Flow, get_run_logger, task
from blocks_flows.errors import ClusterLost, ClusterUnavailable
from blocks_flows.executors import DaskExecutor, LocalExecutor
from blocks_flows.journal import close_journal
from blocks_flows.states import StateType

if TYPE_CHECKING:
    from distributed import LocalCluster

QUIET = {
    "dashboard_address": None,
    "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},
    "silence_logs": logging.CRITICAL,
}
OWN = DaskExecutor(cluster_kwargs={"n_workers": 2, "threads_per_worker": 2})


@pytest.fixture(scope="module")
def cluster(own_pickling: None) -> Iterator[LocalCluster]:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=2, **QUIET) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def few_deaths() -> Iterator[None]:
    """Dask takes a task for bad when the second worker has died under it, and not the fourth, to save time.

    So it must not close workers itself: those that it finds starting anew 15 seconds after they died, on a slow machine.
    """
    import dask
    import distributed  # noqa: F401 - it brings settings of its own, which would go with those that are set before it

    with dask.config.set(
        {"distributed.scheduler.allowed-failures": 1, "distributed.deploy.lost-worker-timeout": "60s"}
    ):
        yield


def live_in(home: str) -> None:
    """Let a worker use the registry of a test."""
    os.environ["BLOCKS_HOME"] = home
    close_journal()
    forget_default_library()


@pytest.fixture
def on_cluster(cluster: LocalCluster) -> DaskExecutor:
    return DaskExecutor(address=cluster.scheduler_address)


class TestDask(AwaySuite):
    @pytest.fixture
    def executor(self, on_cluster, home):
        from distributed import Client

        with Client(on_cluster.address, set_as_default=False) as client:
            client.run(live_in, str(home))
        return on_cluster


def test_quick_tasks_are_sent_together_and_each_has_its_value(on_cluster, records, last_run) -> None:
    with Flow("f", executor=on_cluster) as f:
        made = add.map(add.map(list(range(1500))))
    assert f.run().result[made].result == list(range(2, 1502))
    rows = records.task_runs(last_run()["id"])
    assert len(rows) == 3002
    assert {row["state_type"] for row in rows} == {"Success"}


def test_a_failure_among_quick_tasks_is_its_own(on_cluster) -> None:
    @task
    def invert(x):
        if x == 700:
            time.sleep(0.3)
        return 1 / x

    with Flow("f", executor=on_cluster) as f:
        made = invert.map(list(range(1000)))
    states = f.run().result[made].map_states
    assert [index for index, state in enumerate(states) if not state.is_successful()] == [0]
    assert states[700].result == 1 / 700


def test_slow_tasks_run_in_parallel(on_cluster, tmp_path: Path) -> None:
    @task
    def meet(name):
        (tmp_path / name).touch()
        end = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 4:
            assert time.monotonic() < end
            time.sleep(0.02)

    with Flow("f", executor=on_cluster) as f:
        meet.map(["a", "b", "c", "d"])
    assert f.run().is_successful()


def test_lines_of_a_long_task_arrive_while_it_runs(on_cluster, tmp_path: Path, records, last_run) -> None:
    @task
    def long():
        get_run_logger().info("still here")
        end = time.monotonic() + 60
        while not (tmp_path / "seen").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        get_run_logger().info("it was seen")

    def look() -> None:
        wait_until(lambda: "still here" in [row["message"] for row in records.logs(last_run()["id"])])
        (tmp_path / "seen").touch()

    with Flow("f", executor=on_cluster) as f:
        long()
    looking = threading.Thread(target=look)
    threading.Timer(1.0, looking.start).start()
    assert f.run().is_successful()
    looking.join()
    messages = [row["message"] for row in records.logs(last_run()["id"])]
    assert messages.count("still here") == messages.count("it was seen") == 1
    assert messages.index("still here") < messages.index("it was seen")


def test_a_large_closure_is_sent_once_to_each_worker(on_cluster) -> None:
    data = os.urandom(3_000_000)

    @task
    def pick(index):
        return data[index]

    with Flow("f", executor=on_cluster) as f:
        made = pick.map(list(range(100)))
    assert f.run().result[made].result == list(data[:100])


def test_a_time_out_is_told_though_the_task_goes_on(on_cluster) -> None:
    @task(timeout_seconds=0.3)
    def slow():
        time.sleep(1.5)

    with Flow("f", executor=on_cluster) as f:
        made = slow()
    assert f.run().result[made].name == "TimedOut"


def test_what_a_killed_worker_was_running_is_run_again(tmp_path: Path) -> None:
    @task
    def work(x):
        mark = tmp_path / "killed"
        if x == 5 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        return x * x

    with Flow("f", executor=OWN) as f:
        made = work.map(list(range(40)))
    assert f.run().result[made].result == [x * x for x in range(40)]


def test_a_task_that_kills_each_worker_is_crashed_after_its_retries(tmp_path: Path, records, last_run):
    deaths = tmp_path / "deaths"

    @task(retries=1)
    def deadly():
        with deaths.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

    with Flow("f", executor=OWN) as f:
        died = deadly()
        fine = add(1)
    state = f.run()
    assert state.is_failed()
    assert state.result[fine].result == 2
    assert state.result[died].name == "Crashed"
    assert "was begun again and again on Dask workers, and each of them died" in state.result[died].message
    assert len(deaths.read_text()) == 6  # twice with others, then twice alone, and again at the next try
    rows = {row["task_name"]: row for row in records.task_runs(last_run()["id"])}
    assert rows["deadly"]["run_count"] == 2


def test_a_quick_task_that_kills_its_worker_takes_no_other_with_it() -> None:
    @task
    def work(x):
        if x == 100:  # the last is run first: by then the task is known to be quick
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    with Flow("f", executor=OWN) as f:
        made = work.map(list(range(1000)))
    states = f.run().result[made].map_states
    failed = {index: state.message for index, state in enumerate(states) if not state.is_successful()}
    assert set(failed) == {100}, failed
    assert states[100].type is StateType.CRASHED


def test_a_cluster_of_ones_own_is_started_and_ended(last_run) -> None:
    executor = DaskExecutor(cluster_kwargs={"n_workers": 1, "threads_per_worker": 1})
    with Flow("f", executor=executor) as f:
        made = where()
    worker, _thread = f.run().result[made].result
    assert worker != os.getpid()
    wait_until(lambda: not is_alive(worker))


def test_a_cluster_class_is_found_by_its_name_and_may_grow() -> None:
    executor = DaskExecutor(
        cluster_class="distributed.LocalCluster",
        cluster_kwargs={"n_workers": 0, "processes": False, **QUIET},
        adapt_kwargs={"minimum": 0, "maximum": 1},
    )
    with Flow("f", executor=executor) as f:
        made = add.map(list(range(10)))
    assert f.run().result[made].result == list(range(1, 11))


def test_a_cluster_class_that_there_is_not_is_named(last_run) -> None:
    with Flow("f", executor=DaskExecutor(cluster_class="nowhere.Cluster")) as f:
        add(1)
    with pytest.raises(
        ClusterUnavailable, match=r"cluster_class='nowhere.Cluster', which cannot be imported"
    ):
        f.run()
    assert last_run()["state_type"] == "Crashed"


def test_a_scheduler_that_is_not_there_is_named(last_run) -> None:
    executor = DaskExecutor(address="tcp://127.0.0.1:9", client_kwargs={"timeout": 1})
    with Flow("f", executor=executor) as f:
        add(1)
    with pytest.raises(
        ClusterUnavailable, match=r"The Dask scheduler at tcp://127.0.0.1:9 cannot be reached"
    ):
        f.run()
    run = last_run()
    assert run["state_type"] == "Crashed"
    assert "cannot be reached" in run["state_message"]


def test_a_flow_without_tasks_for_the_cluster_needs_none() -> None:
    with Flow("f", executor=DaskExecutor(address="tcp://127.0.0.1:9")) as f:
        pass
    assert f.run().is_successful()


SCHEDULER = """
import time
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        print(cluster.scheduler_address, flush=True)
        time.sleep(600)
"""


def test_a_scheduler_that_dies_ends_the_run_as_crashed(tmp_path: Path, last_run, records) -> None:
    program = tmp_path / "scheduler.py"
    program.write_text(SCHEDULER)
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()

        @task
        def sleep():
            time.sleep(600)

        executor = DaskExecutor(address=address, client_kwargs={"timeout": 2})
        with Flow("f", executor=executor) as f:
            sleep()
        threading.Timer(2.0, process.kill).start()
        with pytest.raises(ClusterLost, match=f"The Dask scheduler at {address} was lost"):
            f.run()
    finally:
        process.kill()
        process.communicate()
    run = last_run()
    assert run["state_type"] == "Crashed"
    assert "was lost while the run went on" in run["state_message"]
    assert {row["state_type"] for row in records.task_runs(run["id"])} == {"Cancelled"}


PROGRAM = """
import os, time
from blocks_flows import Flow, task
from blocks_flows.executors import DaskExecutor

@task
def work(x):
    open(os.path.join(os.environ["IDS"], str(os.getpid())), "w").close()
    time.sleep(600)

with Flow("f", executor=DaskExecutor(cluster_kwargs={"n_workers": 2, "threads_per_worker": 1})) as f:
    work.map([1, 2, 3])

if __name__ == "__main__":
    f.run()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_flow_that_is_stopped_leaves_no_worker_of_its_own_cluster(number, tmp_path: Path, records) -> None:
    program, ids = tmp_path / "program.py", tmp_path / "ids"
    program.write_text(PROGRAM)
    ids.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BLOCKS_LOG_LEVEL": "CRITICAL", "IDS": str(ids)},
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(list(ids.iterdir())) == 2, 60)
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: to the workers, too
        else:
            process.send_signal(number)
        _out, err = process.communicate(timeout=60)
        wait_until(lambda: not any(is_alive(int(path.name)) for path in ids.iterdir()))
    finally:
        process.kill()
        process.communicate()
    if number is signal.SIGINT:
        assert err.rstrip().endswith("KeyboardInterrupt")
        (run,) = records._select("SELECT * FROM flow_runs", [])
        assert run["state_type"] == "Cancelled"


def test_a_program_without_a_guard_is_told_what_to_do(tmp_path: Path, records) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace('if __name__ == "__main__":\n    f.run()', "f.run()"))
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "BLOCKS_LOG_LEVEL": "CRITICAL", "IDS": str(tmp_path)},
        timeout=120,
    )
    assert done.returncode == 1
    assert "if __name__ == '__main__'" in done.stderr


def test_tasks_may_use_the_cluster_themselves(on_cluster) -> None:
    @task
    def use():
        from distributed import worker_client

        with worker_client() as client:
            return client.submit(sum, [1, 2]).result()

    with Flow("f", executor=on_cluster) as f:
        made = use()
    assert f.run().result[made].result == 3


def test_the_client_of_a_run_is_no_default_for_others(on_cluster) -> None:
    with Flow("f", executor=on_cluster) as f:
        add(1)
    assert f.run().is_successful()
    from distributed import Client

    with pytest.raises(ValueError, match="No clients found"):
        Client.current()
    assert f.run(executor=LocalExecutor()).is_successful()
