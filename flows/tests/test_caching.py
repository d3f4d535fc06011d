"""Cached values: found again, made once for all who want them at the same time, and never a task's undoing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Barrier, Event, Thread

import pytest
from pydantic import SecretStr
from shelf_storage import ShelfStorage

from blocks_core.errors import StorageFailed
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows import Flow, flow, task, unmapped
from blocks_flows.cache_keys import task_input_hash
from blocks_flows.caching import CacheEntry
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import Frame
from blocks_flows.errors import CacheKeyInvalid, ResultNotStorable
from blocks_flows.executors import DaskExecutor, LocalDaskExecutor
from blocks_flows.journal import close_journal
from blocks_flows.leases import leases_of
from blocks_flows.performing import perform
from blocks_flows.results import collect_expired, read_header, read_result, write_result
from blocks_flows.runs import RunFilter, RunRecords
from blocks_registry.settings import Settings
from blocks_standard import LocalFileSystem

SECRET = "planted-s3cret-of-an-argument"

PROGRAM = """
import sys, time
from pathlib import Path
from blocks_flows import flow, task
from blocks_flows.cache_keys import task_input_hash
from blocks_standard import LocalFileSystem

folder = Path(sys.argv[1])

@task(cache_key_fn=task_input_hash, result_storage=LocalFileSystem(base_path=folder / "cache"))
def slow(x):
    with open(folder / "ran", "a") as file:
        file.write("x")
    (folder / "running").touch()
    until = time.monotonic() + 60
    while not (folder / "go").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return x * 7

@flow
def run():
    return slow(6)

print("value", run(), flush=True)
"""


class TornShelf(ShelfStorage, slug="test-torn-shelf"):
    """Takes nothing, or gives nothing."""

    fails_to: str

    def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        if self.fails_to == "read":
            raise StorageFailed("The shelf is torn: no space.")
        return super().read(path, start=start, end=end)

    def write(self, path: str, data: bytes) -> str:
        if self.fails_to == "write":
            raise StorageFailed("The shelf is torn: no space.")
        return super().write(path, data)


def counted(**options):
    """Return a task that is cached, and what it was called with so far."""
    ran = []
    options = {"cache_key_fn": task_input_hash, **options}

    @task(**options)
    def work(x):
        ran.append(x)
        return [x]

    return work, ran


def run_once(work, *args, **options):
    with Flow("f", **options) as f:
        placed = work(*args)
    return f.run().result[placed]


def logged(records, last_run) -> str:
    return "\n".join(row["message"] for row in records.logs(last_run()["id"]))


@pytest.fixture
def programs(tmp_path):
    """Start programs that want the same value; all are ended."""
    (tmp_path / "program.py").write_text(PROGRAM)
    started = []

    def start():
        command = [sys.executable, "program.py", str(tmp_path)]
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


@pytest.fixture
def records_on_postgres(home, postgres_url, monkeypatch):
    monkeypatch.setenv("BLOCKS_URL", postgres_url)
    reader = RunRecords()
    yield reader
    reader.close()


def is_one_waiting(records) -> bool:
    lines = [line for run in records.list_runs(RunFilter()) for line in records.logs(run["id"])]
    return any("waits for its value" in line["message"] for line in lines)


def test_a_value_is_made_once_for_each_key_and_its_later_runs_are_cached(shelf, records, last_run) -> None:
    work, ran = counted(result_storage=shelf)
    assert run_once(work, 1).name == "Success"
    state = run_once(work, 1)
    assert (state.name, state.result, state.is_cached()) == ("Cached", [1], True)
    [row] = records.task_runs(last_run()["id"])
    assert row["state_name"] == "Cached"
    assert row["result_path"].startswith("cache/")
    assert read_result(shelf, row["result_path"]) == [1]
    assert run_once(work, 2).name == "Success"
    assert ran == [1, 2]
    assert read_header(shelf, row["result_path"]).expires is None


def test_a_function_flow_finds_cached_values_too_in_the_flow_s_storage(shelf) -> None:
    work, ran = counted()

    @flow(result_storage=shelf)
    def run():
        return work(1), work(1), [future.result() for future in work.map([1, 2, 2])]

    assert run() == ([1], [1], [[1], [2], [2]])
    assert ran == [1, 2]


def test_where_no_storage_is_named_values_lie_in_the_blocks_home(home) -> None:
    work, ran = counted()
    run_once(work, 1)
    assert run_once(work, 1).is_cached()
    [file] = (home / "results" / "cache").rglob("*.result")
    assert len(file.stem) == 64
    assert ran == [1]


def test_a_value_is_good_for_as_long_as_it_says_and_as_the_code_says_now(shelf) -> None:
    work, _ = counted(cache_expiration=timedelta(days=2), result_storage=shelf)
    call = TaskCall(work, (1,), {}, Frame(task_name="work"), shelf)
    entry, made = CacheEntry(call, shelf, "key"), datetime(2026, 1, 1, tzinfo=UTC)
    entry.keep([1], now=made)
    assert entry.look(made + timedelta(days=1)).value == [1]
    assert entry.look(made + timedelta(days=2)) is None
    shorter, _ = counted(cache_expiration=timedelta(hours=1), result_storage=shelf)
    entry = CacheEntry(TaskCall(shorter, (1,), {}, Frame(task_name="work"), shelf), shelf, "key")
    assert entry.look(made + timedelta(minutes=59)).value == [1]
    assert entry.look(made + timedelta(hours=1)) is None
    assert collect_expired(shelf, now=made + timedelta(days=1)).removed == 0
    assert collect_expired(shelf, now=made + timedelta(days=2)).removed == 1


def test_an_old_value_is_made_anew(shelf) -> None:
    work, ran = counted(cache_for=timedelta(hours=1), result_storage=shelf)
    run_once(work, 1)
    [path] = shelf.files
    write_result(shelf, ["old"], path=path, now=datetime.now(UTC) - timedelta(hours=2))
    assert run_once(work, 1).result == [1]
    assert run_once(work, 1).is_cached()
    assert ran == [1, 1]


def test_a_key_function_that_returns_none_leaves_the_cache_aside(shelf) -> None:
    work, ran = counted(cache_key_fn=lambda *_: None, result_storage=shelf)
    run_once(work, 1)
    assert not run_once(work, 1).is_cached()
    assert ran == [1, 1]
    assert not [path for path in shelf.files if path.startswith("cache/")]


def test_a_key_function_that_raises_fails_the_task_before_it_is_run(shelf) -> None:
    work, ran = counted(cache_key_fn=lambda *_: 1 / 0, result_storage=shelf)
    assert isinstance(run_once(work, 1).result, ZeroDivisionError)
    work, ran = counted(result_storage=shelf)
    assert isinstance(run_once(work, Event()).result, CacheKeyInvalid)
    assert ran == []


def test_the_same_key_of_tasks_with_other_names_is_another_value(shelf) -> None:
    options = {"cache_key_fn": lambda *_: "2026-01-31", "result_storage": shelf}
    assert run_once(task(name="a", **options)(lambda: 1)).result == 1
    assert run_once(task(name="b", **options)(lambda: 2)).result == 2
    assert run_once(task(name="a", **options)(lambda: 3)).result == 1


def test_refreshing_runs_the_task_and_keeps_its_value_anew(shelf) -> None:
    key = {"cache_key_fn": lambda *_: "k", "result_storage": shelf, "name": "t"}
    run_once(task(**key)(lambda: 1))
    assert run_once(task(refresh_cache=True, **key)(lambda: 2)).name == "Success"
    assert run_once(task(**key)(lambda: 3)).result == 2


def test_a_failure_is_not_cached_and_a_retry_looks_again(shelf) -> None:
    tries = []

    @task(cache_key_fn=task_input_hash, retries=1, result_storage=shelf)
    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return 1

    assert run_once(flaky).name == "Success"
    assert run_once(flaky).is_cached()
    assert len(tries) == 2
    assert leases_of(Settings.from_environment()).look("any") is None


def test_a_named_file_is_written_besides_the_cached_value(shelf) -> None:
    work, _ = counted(result_storage=shelf, result_storage_key="{x}.pkl", cache_expiration=timedelta(days=1))
    run_once(work, 1)
    assert read_result(shelf, "1.pkl") == [1]
    assert read_header(shelf, "1.pkl").expires is None
    assert run_once(work, 1).is_cached()
    assert len(shelf.files) == 2


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:-1], lambda data: data.replace(b"x", b"y"), lambda _: b"a,b"],
)
def test_what_is_damaged_or_foreign_counts_as_not_there(shelf, records, last_run, damage) -> None:
    work, ran = counted(result_storage=shelf)
    run_once(work, "xxxx")
    [path] = shelf.files
    shelf.files[path] = damage(shelf.files[path])
    assert run_once(work, "xxxx").name == "Success"
    assert "its cached value is not used, so it is run" in logged(records, last_run)
    assert run_once(work, "xxxx").is_cached()
    assert ran == ["xxxx"] * 2


def test_a_storage_that_gives_nothing_only_costs_the_run(records, last_run) -> None:
    work, ran = counted(result_storage=TornShelf(fails_to="read"))
    assert run_once(work, 1).name == run_once(work, 1).name == "Success"
    assert "its cached value cannot be looked for, so it is run. StorageFailed: The shelf is torn" in logged(
        records, last_run
    )
    assert ran == [1, 1]


def test_a_named_storage_that_takes_nothing_fails_the_task_as_without_a_cache() -> None:
    work, ran = counted(result_storage=TornShelf(fails_to="write"))
    assert isinstance(run_once(work, 1).result, StorageFailed)
    assert ran == [1]


def test_where_only_the_cache_wants_a_value_its_failure_is_told_and_the_value_is_there(
    home, records, last_run
) -> None:
    home.mkdir(parents=True)
    (home / "results").write_text("in the way")
    work, _ = counted()
    assert run_once(work, 1).result == [1]
    assert "its value cannot be cached, so that it is run the next time" in logged(records, last_run)
    made = task(cache_key_fn=lambda *_: "k")(lambda: (each for each in "abc"))
    (home / "results").unlink()
    assert [*run_once(made).result] == ["a", "b", "c"]
    assert "ResultNotStorable" in logged(records, last_run)
    assert isinstance(
        run_once(task(persist_result=True, cache_key_fn=lambda *_: "k")(lambda: iter("a")).copy()).result,
        object,
    )


@pytest.mark.parametrize("more", [{"result_storage": ShelfStorage()}, {"persist_result": True}])
def test_a_value_that_is_to_be_kept_and_cannot_be_fails_the_task(more) -> None:
    made = task(cache_key_fn=lambda *_: "k", **more)(lambda: (each for each in "abc"))
    assert isinstance(run_once(made).result, ResultNotStorable)


def test_the_cache_takes_the_serializer_of_the_task(shelf) -> None:
    work, _ = counted(result_storage=shelf, result_serializer="compressed/json")
    run_once(work, 1)
    [path] = shelf.files
    assert read_header(shelf, path).serializer == "compressed/json"
    assert run_once(work, 1).result == [1]


def test_a_secret_argument_stands_nowhere(shelf, home, capsys) -> None:
    SECRETS_IN_USE.add([SECRET])

    @task(cache_key_fn=task_input_hash, result_storage=shelf)
    def work(key, plain):
        return 1

    assert run_once(work, SecretStr(SECRET), SECRET).name == "Success"
    assert run_once(work, SecretStr(SECRET), SECRET).is_cached()
    assert run_once(work, SecretStr(SECRET + "x"), SECRET).name == "Success"
    everything = "".join(capsys.readouterr()) + repr(shelf.files)
    assert SECRET not in everything
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_runs_at_the_same_time_on_threads_make_one_value(shelf) -> None:
    ran = []

    @task(cache_key_fn=lambda *_: "one", result_storage=shelf)
    def slow(x):
        ran.append(x)
        time.sleep(0.2)
        return "value"

    with Flow("f", executor=LocalDaskExecutor(num_workers=4)) as f:
        mapped = slow.map(list(range(12)))
    state = f.run().result[mapped]
    assert state.result == ["value"] * 12
    assert len(ran) == 1
    assert sorted(each.name for each in state.map_states) == ["Cached"] * 11 + ["Success"]


def test_two_flows_at_the_same_time_make_one_value_each_with_all_threads_waiting(shelf) -> None:
    ran, barrier = [], Barrier(2)

    @task(cache_key_fn=lambda context, arguments: str(arguments["x"] % 3), result_storage=shelf)
    def slow(x):
        ran.append(x % 3)
        time.sleep(0.05)
        return x % 3

    def run():
        with Flow("f", executor=LocalDaskExecutor(num_workers=3)) as f:
            slow.map(list(range(9)))
        barrier.wait()
        results.append(f.run())

    results: list = []
    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [state.name for state in results] == ["Success"] * 2
    assert sorted(ran) == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cached_task_that_waits_for_tasks_does_not_wait_for_itself(shelf, workers) -> None:
    """Its thread runs others meanwhile, one of which wants the very value that it makes."""
    outside = Event()

    @task
    def part(x):
        outside.wait(0.2)
        return x

    @task(cache_key_fn=lambda *_: "whole", result_storage=shelf)
    def whole(depth):
        return sum(future.result() for future in part.map([1, 2, 3]))

    @flow(task_runner=LocalDaskExecutor(num_workers=workers))
    def run():
        return [future.result() for future in whole.map([0, 0, 0, 0])]

    assert run() == [6] * 4


def test_a_run_without_a_database_makes_its_value_and_says_so(shelf, home, monkeypatch, capsys) -> None:
    monkeypatch.setenv("BLOCKS_URL", "postgresql://nobody:planted-p4ss@127.0.0.1:1/none")
    work, ran = counted(result_storage=shelf)
    assert run_once(work, 1).result == [1]
    assert run_once(work, 1).is_cached()
    assert ran == [1]
    close_journal()
    out = "".join(capsys.readouterr())
    assert (
        "nobody else is kept from making its value at the same time, as the database cannot be used." in out
    )
    assert "planted-p4ss" not in out


def test_a_bare_call_has_no_steps_around_it() -> None:
    @task
    def add(x):
        return x + 1

    call = TaskCall(add, (1,), {}, Frame())
    assert call.is_bare
    assert perform(call) == Outcome(2)


def test_two_processes_make_one_value(tmp_path, programs, records) -> None:
    first = programs()
    wait_for((tmp_path / "running").exists)
    second = programs()
    wait_for(lambda: is_one_waiting(records))
    (tmp_path / "go").touch()
    assert first.stdout.read().splitlines()[-1] == second.stdout.read().splitlines()[-1] == "value 42"
    assert (tmp_path / "ran").read_text() == "x"


def test_who_waits_for_a_process_that_is_killed_makes_the_value(tmp_path, programs, records) -> None:
    first = programs()
    wait_for((tmp_path / "running").exists)
    second = programs()
    wait_for(lambda: is_one_waiting(records))
    first.send_signal(signal.SIGKILL)
    first.wait()
    (tmp_path / "go").touch()
    leases = leases_of(Settings.from_environment())
    with leases._database.transaction() as connection:  # instead of half a minute's wait
        connection.execute("UPDATE leases SET expires_at = ?", (time.time(),))
    assert second.stdout.read().splitlines()[-1] == "value 42"
    assert (tmp_path / "ran").read_text() == "xx"


def test_who_waits_can_be_interrupted(tmp_path, programs, records) -> None:
    programs()
    wait_for((tmp_path / "running").exists)
    second = programs()
    wait_for(lambda: is_one_waiting(records))
    second.send_signal(signal.SIGINT)
    assert second.wait(60) != 0
    assert (tmp_path / "ran").read_text() == "x"


@pytest.mark.parametrize(
    "executor", ["LocalExecutor()", "LocalDaskExecutor(num_workers=2)"], ids=["inline", "threads"]
)
def test_a_stopped_run_does_not_wait_on(executor, home, records) -> None:
    """The flow is interrupted in another process, while a thread of it waits for a lease of this one."""
    storage = LocalFileSystem(base_path=home / "kept")
    call = TaskCall(task(name="work")(lambda: 1), (), {}, Frame(task_name="work"), storage)
    place = sha256(storage.location(CacheEntry(call, storage, "k").path).encode()).hexdigest()
    program = (
        "import sys\n"
        "from blocks_flows import Flow, task\n"
        "from blocks_flows.executors import LocalDaskExecutor, LocalExecutor\n"
        "from blocks_standard import LocalFileSystem\n"
        "@task(cache_key_fn=lambda *_: 'k', result_storage=LocalFileSystem(base_path=sys.argv[1]))\n"
        "def work(): return 1\n"
        f"with Flow('f', executor={executor}) as f:\n    work()\n"
        "f.run()\n"
    )
    command = [sys.executable, "-c", program, str(home / "kept")]
    with leases_of(Settings.from_environment()).take(place):
        process = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: is_one_waiting(records))
            process.send_signal(signal.SIGINT)
            assert process.wait(60) != 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "executor",
    [LocalDaskExecutor(num_workers=2, scheduler="processes"), DaskExecutor(cluster_kwargs={"n_workers": 1})],
    ids=["processes", "dask"],
)
def test_workers_in_other_processes_make_one_value(tmp_path, executor) -> None:
    @task(cache_key_fn=lambda *_: "one")
    def slow(x, file):
        with open(file, "a") as opened:
            opened.write("x")
        time.sleep(0.3)
        return "value"

    with Flow("f", executor=executor) as f:
        mapped = slow.map([1, 2, 3, 4], unmapped(str(tmp_path / "ran")))
    state = f.run().result[mapped]
    assert state.result == ["value"] * 4, state
    assert (tmp_path / "ran").read_text() == "x"
    assert sorted(each.name for each in state.map_states) == ["Cached"] * 3 + ["Success"]


def test_async_tasks_that_want_one_value_at_once_make_it_once(shelf) -> None:
    ran = []

    @task(cache_key_fn=lambda *_: "one", result_storage=shelf)
    async def slow(x):
        ran.append(x)
        await asyncio.sleep(0.1)
        return "value"

    @flow
    async def run():
        return await asyncio.gather(*(slow(x) for x in range(40)))

    assert asyncio.run(run()) == ["value"] * 40
    assert len(ran) == 1


def test_values_in_a_bucket_are_made_once_by_two_processes_on_postgresql(
    tmp_path, programs, records_on_postgres, rclone_server
) -> None:
    credentials = (
        f"AwsCredentials(access_key_id={rclone_server.id!r}, secret_access_key={rclone_server.secret!r}, "
        f"endpoint_url={rclone_server.url!r}, region='us-east-1')"
    )
    storage = f"S3(bucket='raw', prefix='results', credentials={credentials})"
    program = PROGRAM.replace('LocalFileSystem(base_path=folder / "cache")', storage)
    program = program.replace(
        "blocks_standard import LocalFileSystem", "blocks_aws import S3, AwsCredentials"
    )
    (tmp_path / "program.py").write_text(program)
    first = programs()
    wait_for((tmp_path / "running").exists)
    second = programs()
    wait_for(lambda: is_one_waiting(records_on_postgres))
    (tmp_path / "go").touch()
    assert first.stdout.read().splitlines()[-1] == second.stdout.read().splitlines()[-1] == "value 42"
    assert (tmp_path / "ran").read_text() == "x"
    [file] = (rclone_server.folder / "raw" / "results" / "cache").rglob("*.result")
    assert b"cloudpickle" in file.read_bytes()
