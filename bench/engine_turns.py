"""One process of `bench/engine.py`: it is told in lines of JSON what to run how often, and answers in seconds.

A process has one way to run tasks, and imports only what that needs: Prefect's runs in an environment of its own.
What is run for the first time is run before the process says that it is ready.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from threading import Event, Thread
from time import monotonic, perf_counter, sleep, time
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

Turns = dict[str, Callable[[int], list[float]]]
"""What can be run: it takes a count and returns seconds, one for each run that was timed."""

WORKERS = max(4, os.cpu_count() or 1)
WARM_TASKS = 200
GATHER_SECONDS = 0.05
SERVER_SECONDS = 180


def increment(x: int) -> int:
    return x + 1


def seconds(act: Callable[[], object]) -> list[float]:
    start = perf_counter()
    act()
    return [perf_counter() - start]


def each(act: Callable[[], object]) -> Callable[[int], list[float]]:
    return lambda count: [taken for _ in range(count) for taken in seconds(act)]


def peak(_count: int) -> list[float]:
    """Return the most memory that this process had, in bytes, in place of seconds."""
    return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)]


@contextmanager
def blocks(folder: Path) -> Generator[Turns]:
    """Flows of ours, recorded in a SQLite file of their own."""
    os.environ["BLOCKS_HOME"] = str(folder / "home")
    os.environ.pop("BLOCKS_URL", None)
    from blocks_flows import Flow, flow, task
    from blocks_flows.executors import LocalDaskExecutor
    from blocks_flows.journal import close_journal

    work = task(increment)

    def graph(count: int) -> list[float]:
        with Flow("graph", executor=LocalDaskExecutor(num_workers=WORKERS)) as made:
            mapped = work.map(list(range(count)))
        states: list[Any] = []
        taken = seconds(lambda: states.append(made.run()))
        assert states[0].result[mapped].result[-1] == count
        return taken

    @flow(executor=LocalDaskExecutor(num_workers=WORKERS))
    def function(count: int) -> Any:
        return [future.result() for future in work.map(list(range(count)))]

    @flow
    def empty() -> None:
        pass

    @flow
    def one() -> Any:
        return work(1)

    with Flow("empty") as empty_graph:
        pass
    with Flow("one") as one_graph:
        work(1)
    yield {
        "graph": graph,
        "function": lambda count: seconds(lambda: function(count)),
        "empty function": each(empty),
        "one function": each(one),
        "empty graph": each(empty_graph.run),
        "one graph": each(one_graph.run),
        "peak": peak,
    }
    close_journal()


@contextmanager
def masked(folder: Path) -> Generator[Turns]:
    """The same where a block with a secret is in use, which is looked for in all that is recorded."""
    from blocks_core.mask import SECRETS_IN_USE

    SECRETS_IN_USE.add(["correct-horse-battery-staple"])
    with blocks(folder) as turns:
        yield {name: turns[name] for name in ("graph", "one function")}


@contextmanager
def pool(folder: Path) -> Generator[Turns]:
    """A bare thread pool whose tasks leave three rows each, which one more thread writes in batches."""
    connection = sqlite3.connect(folder / "pool.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, task INTEGER, at REAL, text TEXT)")
    rows: deque[tuple[int, float, str]] = deque()

    def write() -> None:
        batch = [rows.popleft() for _ in range(len(rows))]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO events (task, at, text) VALUES (?, ?, ?)", batch)
        connection.execute("COMMIT")

    def run(x: int) -> int:
        rows.append((x, time(), "Running"))
        value = increment(x)
        rows.append((x, time(), "Success"))
        rows.append((x, time(), f"Task 'increment[{x}]': Finished task run"))
        return value

    def mapped(count: int) -> None:
        done = Event()

        def keep_writing() -> None:
            while not done.wait(GATHER_SECONDS):
                write()

        writer = Thread(target=keep_writing)
        writer.start()
        with ThreadPoolExecutor(WORKERS) as threads:
            futures = [threads.submit(run, x) for x in range(count)]
            assert [future.result() for future in futures][-1] == count
        done.set()
        writer.join()
        write()

    yield {"mapped": lambda count: seconds(lambda: mapped(count))}
    connection.close()


@contextmanager
def prefect(folder: Path) -> Generator[Turns]:
    """Prefect 3 with a server of its own, without what costs it time and is not asked for here.

    That is: heartbeats (each run waits a second for theirs), analytics, log lines sent to the server.
    """
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        from prefect import flow, task  # pyright: ignore[reportMissingImports] it has an environment of its own
        from prefect.settings import (  # pyright: ignore[reportMissingImports]
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            temporary_settings,
        )
        from prefect.task_runners import ThreadPoolTaskRunner  # pyright: ignore[reportMissingImports]

        work = task(increment)

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=WORKERS))
        def function(count: int) -> Any:
            return [future.result() for future in work.map(list(range(count)))]

        @flow
        def empty() -> None:
            pass

        @flow
        def one() -> Any:
            return work(1)

        await_server(f"http://127.0.0.1:{port}/api/health", server)
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield {
                "function": lambda count: seconds(lambda: function(count)),
                "empty function": each(empty),
                "one function": each(one),
            }
    finally:
        server.terminate()
        server.wait()


def await_server(url: str, server: subprocess.Popen[bytes]) -> None:
    end = monotonic() + SERVER_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            if server.poll() is not None or monotonic() > end:
                raise
            sleep(0.2)


@contextmanager
def dask(folder: Path) -> Generator[Turns]:
    """A cluster of two processes: its own client, and flows of ours where there is an executor for it."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):

        def gathered(count: int) -> None:
            futures = client.map(
                increment, range(count), pure=False
            )  # else the second round has nothing to do
            assert client.gather(futures)[-1] == count

        turns: Turns = {"client": lambda count: seconds(lambda: gathered(count))}
        try:
            from blocks_flows.executors import DaskExecutor
        except ImportError:
            yield turns
            return
        with blocks(folder):
            from blocks_flows import Flow, task

            with Flow("dask", executor=DaskExecutor(address=cluster.scheduler_address)) as made:
                from blocks_flows import Parameter

                mapped = task(increment).map(Parameter("numbers"))

            def executed(count: int) -> list[float]:
                states: list[Any] = []
                taken = seconds(lambda: states.append(made.run(numbers=list(range(count)))))
                assert states[0].result[mapped].result[-1] == count
                return taken

            yield {**turns, "executor": executed}


WAYS = {"blocks": blocks, "masked": masked, "pool": pool, "prefect": prefect, "dask": dask}


def main() -> None:
    """Serve one way until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what flows and servers say
    way, folder, warm = sys.argv[1:]
    with WAYS[way](Path(folder)) as turns:
        if warm == "warm":
            for name, turn in turns.items():
                turn(3 if "empty" in name or "one" in name else WARM_TASKS)
        print(json.dumps(list(turns)), file=answers)
        for line in sys.stdin:
            name, count = json.loads(line)
            print(json.dumps(turns[name](count)), file=answers)


if __name__ == "__main__":
    main()
