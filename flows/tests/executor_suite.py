"""What every executor does alike: inherit `ExecutorSuite` and give the executor."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks_core import Block, current_library, use_library
from blocks_core.current import process_actor
from blocks_core.mask import MIN_CHARACTERS, Mask
from blocks_core.masking import HIDDEN, SECRETS_IN_USE
from blocks_flows import Flow, Parameter, context, flow, get_run_logger, signals, task, unmapped
from blocks_flows.pools import Executor
from blocks_registry.opening import open_library

CORE = "Eichelh4eher7Kq"


class Key(Block, slug="test-executor-key"):
    """Has a secret."""

    value: SecretStr


class Point:
    """Something of a class of one's own."""

    def __init__(self, x: int) -> None:
        self.x = x


class OddError(Exception):
    """An exception that can be pickled and not be made again."""

    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(f"{code}: {text}")


@task
def add(x, y=1):
    return x + y


@task
def where():
    return os.getpid(), threading.get_ident()


def is_alive(process_id: int) -> bool:
    """Tell whether a process runs; one that has ended may be waited for still."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


class ExecutorSuite:
    """The tests; `runs_here` tells whether tasks run in the flow's process."""

    runs_here = True

    @pytest.fixture
    def executor(self) -> Executor:
        raise NotImplementedError

    def test_values_go_from_task_to_task(self, executor) -> None:
        @task
        def make():
            return Point(3)

        @task
        def take(point, *, times):
            assert type(point) is Point
            return [point.x] * times

        with Flow("f", executor=executor) as f:
            taken = take(make(), times=Parameter("times", default=2))
            last = taken[-1]
        state = f.run(times=3)
        assert state.is_successful(), state
        assert state.result[taken].result == [3, 3, 3]
        assert state.result[last].result == 3

    def test_many_mapped_runs_keep_their_places(self, executor, records, last_run) -> None:
        with Flow("f", executor=executor) as f:
            mapped = add.map(list(range(200)), unmapped(5))
        assert f.run().result[mapped].result == list(range(5, 205))
        rows = records.task_runs(last_run()["id"])
        assert sorted(row["map_index"] for row in rows) == list(range(-1, 200))
        assert {row["state_type"] for row in rows} == {"Success"}

    def test_a_map_follows_a_map(self, executor) -> None:
        with Flow("f", executor=executor) as f:
            second = add.map(add.map(list(range(20))))
            total = task(sum)(second)
        assert f.run().result[total].result == sum(range(2, 22))

    def test_a_task_that_is_submitted_gives_a_future(self, executor) -> None:
        @flow(executor=executor)
        def f():
            futures = [add.submit(number) for number in range(5)]
            return add.submit(futures[0], futures[1]).result(), [each.result() for each in futures]

        assert f() == (3, [1, 2, 3, 4, 5])

    def test_what_a_task_raises_is_in_its_state_and_its_traceback_in_the_log(
        self, executor, records, last_run
    ) -> None:
        @task
        def broken(x):
            raise LookupError(f"no {x} here")

        with Flow("f", executor=executor) as f:
            made = broken("rose")
            add(made)
        state = f.run()
        error = state.result[made].result
        assert type(error) is LookupError
        assert str(error) == "no rose here"
        lines = [row["message"] for row in records.logs(last_run()["id"])]
        (line,) = [line for line in lines if "Exception encountered" in line]
        assert 'raise LookupError(f"no {x} here")' in line
        assert line.endswith("LookupError: no rose here")
        assert line.count("Traceback") == 1

    def test_a_flow_sees_the_exception_of_its_task(self, executor) -> None:
        @task
        def broken():
            raise LookupError("rose")

        @flow(executor=executor)
        def f():
            broken.submit().result()

        with pytest.raises(LookupError, match="rose"):
            f()

    def test_an_exception_that_cannot_be_made_again_keeps_its_text(self, executor, records, last_run) -> None:
        @task
        def odd():
            raise OddError(4, text="gone")

        with Flow("f", executor=executor) as f:
            odd()
        assert f.run().is_failed()
        (row,) = records.task_runs(last_run()["id"])
        assert "OddError: 4: gone" in row["state_message"]
        lines = [row["message"] for row in records.logs(last_run()["id"])]
        assert any("OddError: 4: gone" in line and "Traceback" in line for line in lines)

    def test_an_exception_of_many_megabytes_ends_its_task_only(self, executor, records, last_run) -> None:
        @task
        def huge():
            raise ValueError("x" * 20_000_000)

        with Flow("f", executor=executor) as f:
            huge()
            fine = add(1)
        state = f.run()
        assert state.result[fine].result == 2
        rows = {row["task_name"]: row for row in records.task_runs(last_run()["id"])}
        assert rows["huge"]["state_name"] == "Failed"
        assert "ValueError: xxx" in rows["huge"]["state_message"]
        assert len(rows["huge"]["state_message"]) < 5_000

    def test_values_of_many_megabytes_pass_and_lines_are_cut(self, executor, records, last_run) -> None:
        @task(log_stdout=True)
        def large(x):
            get_run_logger().info("y" * 10_000_000)
            print("z" * 10_000_000)
            return x + x

        with Flow("f", executor=executor) as f:
            made = large("x" * 12_000_000)
        state = f.run()
        assert state.is_successful(), state
        assert state.result[made].result == "x" * 24_000_000
        lines = [row["message"] for row in records.logs(last_run()["id"])]
        cut = "… (cut: it has 10000000 characters)"
        assert {line[0] for line in lines if line.endswith(cut) and len(line) < 1_001_000} == {"y", "z"}

    def test_a_task_is_tried_again_after_its_delay(self, executor, tmp_path: Path, records, last_run) -> None:
        tries = tmp_path / "tries"

        @task(retries=2, retry_delay_seconds=0.05)
        def third_time():
            with tries.open("a") as file:
                file.write("x")
            if len(tries.read_text()) < 3:
                raise ConnectionError("not yet")
            return "done"

        with Flow("f", executor=executor) as f:
            made = third_time()
        assert f.run().result[made].result == "done"
        (row,) = records.task_runs(last_run()["id"])
        assert row["run_count"] == 3

    def test_signals_end_runs_in_their_way(self, executor) -> None:
        @task
        def skip():
            raise signals.SKIP("nothing new", result=7)

        @task
        def enough():
            raise signals.SUCCESS("early", result=8)

        with Flow("f", executor=executor) as f:
            skipped, early = skip(), enough()
            behind = add(skipped)
        results = f.run().result
        assert (results[skipped].name, results[skipped].message) == ("Skipped", "nothing new")
        assert (results[early].type.value, results[early].result) == ("Success", 8)
        assert results[behind].is_skipped()

    def test_a_paused_task_pauses_the_run(self, executor) -> None:
        @task
        def pause():
            raise signals.PAUSE("look first")

        with Flow("f", executor=executor) as f:
            add(pause())
        assert f.run().is_paused()

    def test_what_tasks_log_and_print_is_kept_with_their_runs(
        self, executor, records, last_run, capsys
    ) -> None:
        @task(log_stdout=True)
        def talk(x):
            get_run_logger().warning("logged %s", x)
            logging.getLogger("blocks_flows.mine").info("by another logger")
            print("printed", x)
            print("in two", end=" ")
            print("parts")

        before = time.time()
        with Flow("f", executor=executor) as f:
            talk("rose")
        assert f.run().is_successful()
        (row,) = records.task_runs(last_run()["id"])
        lines = [line for line in records.logs(last_run()["id"]) if line["task_run_id"] == row["id"]]
        told = [(line["level"], line["logger"], line["message"]) for line in lines]
        assert told[1:-1] == [
            (logging.WARNING, "blocks_flows.talk", "logged rose"),
            (logging.INFO, "blocks_flows.mine", "by another logger"),
            (logging.INFO, "blocks_flows.TaskRunner", "printed rose"),
            (logging.INFO, "blocks_flows.TaskRunner", "in two parts"),
        ]
        assert all(before <= line["at"] <= time.time() for line in lines)
        shown = capsys.readouterr().out
        assert shown.count("logged rose") == shown.count("printed rose") == 1
        assert "WARNING - blocks_flows.talk | logged rose" in shown

    def test_the_context_is_that_of_the_task(self, executor, last_run) -> None:
        @task(tags=["red"])
        def look(x):
            return (
                *(context.flow_run_id, context.flow_name, context.task_name, context.map_index),
                *(context.parameters["day"], context.tags, str(context.scheduled_start_time.timezone_name)),
            )

        with Flow("f", executor=executor, tags=["blue"]) as f:
            Parameter("day", default="monday")
            made = look.map([1, 2])
        state = f.run(day="friday")
        assert state.is_successful(), state
        run_id = last_run()["id"]
        assert state.result[made].result == [
            (run_id, "f", "look", index, "friday", ("blue", "red"), "UTC") for index in range(2)
        ]

    @pytest.fixture
    def key(self, home) -> Iterator[None]:
        """A block in the registry that the settings name: its secret is known to nobody here."""
        library = open_library()
        with use_library(library):
            Key(value=SecretStr(f"secret-{CORE}")).save("prod")
            vars(SECRETS_IN_USE).update(vars(Mask(min_characters=MIN_CHARACTERS)))
            yield
        library.close()

    def test_a_secret_that_a_task_loads_is_masked_everywhere(
        self, executor, key, home, records, last_run, capfd
    ) -> None:
        @task(log_stdout=True)
        def leak():
            secret = Key.load("prod").value.get_secret_value()
            print("printed", secret)
            get_run_logger().info("logged %s", secret)
            return secret

        @task(log_stdout=True)
        def repeat(secret):
            print("again", secret)
            raise ValueError(f"refused {secret}")

        with Flow("f", executor=executor) as f:
            made = leak()
            repeat(made)
        state = f.run()
        assert state.result[made].result.endswith(CORE)
        lines = [row["message"] for row in records.logs(last_run()["id"])]
        assert {f"printed {HIDDEN}", f"logged {HIDDEN}", f"again {HIDDEN}"} <= set(lines)
        assert any(line.endswith(f"ValueError: refused {HIDDEN}") for line in lines)
        assert CORE not in str(lines) + "".join(capfd.readouterr())
        for file in home.rglob("*"):
            assert not file.is_file() or CORE.encode() not in file.read_bytes()

    def test_a_block_that_a_task_loads_is_used_by_its_run(self, executor, key, last_run) -> None:
        @task
        def load():
            Key.load("prod")

        with Flow("f", executor=executor) as f:
            load()
        assert f.run().is_successful()
        usages = current_library().registry.usages("test-executor-key", "prod")
        users = [(usage.actor.kind, usage.actor.name, usage.actor.id, usage.actor.user) for usage in usages]
        assert users == [("task", "load", last_run()["id"], process_actor().user)]

    def test_a_result_is_kept_by_who_runs_the_task(self, executor, tmp_path: Path) -> None:
        from blocks_standard import LocalFileSystem

        shelf = LocalFileSystem(base_path=tmp_path / "results")

        @task(result_storage=shelf)
        def make():
            return [1, 2]

        with Flow("f", executor=executor) as f:
            made = make()
        assert f.run().result[made].result == [1, 2]
        assert len([path for path in (tmp_path / "results").rglob("*.result") if path.is_file()]) == 1

    def test_a_flow_in_a_task_is_a_run_of_its_own(self, executor, records, last_run) -> None:
        @task
        def outer():
            @flow
            def inner(x: int):
                return x + 1

            return inner("4")

        with Flow("f", executor=executor) as f:
            made = outer()
        state = f.run()
        assert state.is_successful(), state.result[made]
        assert state.result[made].result == 5
        runs = records._select("SELECT id, flow_name, state_type, parent_flow_run_id FROM flow_runs", [])
        by_name = {run["flow_name"]: run for run in runs}
        assert by_name["inner"]["state_type"] == "Success"
        assert by_name["inner"]["parent_flow_run_id"] == by_name["f"]["id"]

    def test_a_task_in_a_task_runs_or_is_refused_in_plain_words(self, executor) -> None:
        @task
        def outer():
            return add(1)

        with Flow("f", executor=executor) as f:
            made = outer()
        state = f.run().result[made]
        if self.runs_here:
            assert state.result == 2
        else:
            assert "Call add.run(...)" in str(state.result)
            assert type(state.result).__name__ == "FlowMissing"

    def test_an_exit_in_a_task_ends_the_task_only(self, executor) -> None:
        @task
        def leave():
            raise SystemExit(3)

        with Flow("f", executor=executor) as f:
            left, fine = leave(), add(1)
        results = f.run().result
        assert results[left].is_failed()
        assert results[fine].result == 2

    def test_an_interrupt_in_a_task_stops_the_run(self, executor, last_run) -> None:
        @task
        def interrupt():
            raise KeyboardInterrupt

        with Flow("f", executor=executor) as f:
            add(interrupt())
        with pytest.raises(KeyboardInterrupt):
            f.run()
        assert last_run()["state_type"] == "Cancelled"

    def test_handlers_are_called_in_the_flows_process(self, executor) -> None:
        seen: list[tuple[str, int]] = []

        def handler(_task, _old, new):
            seen.append((new.name, os.getpid()))

        @task(state_handlers=[handler])
        def quiet():
            return threading.Lock  # a class; its module-level state handler holds a list of this process

        with Flow("f", executor=executor) as f:
            quiet()
        assert f.run().is_successful()
        assert seen == [("Running", os.getpid()), ("Success", os.getpid())]


class AwaySuite(ExecutorSuite):
    """What executors do alike whose tasks run in other processes."""

    runs_here = False

    def test_tasks_run_in_other_processes(self, executor) -> None:
        with Flow("f", executor=executor) as f:
            here = where()
        assert f.run().result[here].result[0] != os.getpid()

    def test_a_value_that_cannot_be_sent_fails_its_task_with_the_remedy(self, executor) -> None:
        @task
        def make():
            return threading.Lock()

        with Flow("f", executor=executor) as f:
            made = make()
        error = f.run().result[made].result
        assert type(error).__name__ == "NotSendable"
        assert "Task 'make' returned a value of type lock, which cannot be sent back" in str(error)
        assert "Return plain data" in str(error)

    def test_an_argument_that_cannot_be_sent_is_named(self, executor) -> None:
        @task
        def use(x, connection):
            return x

        with Flow("f", executor=executor) as f:
            used, fine = use(1, connection=threading.Lock()), add(1)
        results = f.run().result
        assert "Argument 'connection' is of type lock, which cannot be pickled" in str(results[used].result)
        assert results[fine].result == 2

    def test_a_task_that_cannot_be_sent_is_named(self, executor) -> None:
        lock = threading.Lock()

        @task
        def use():
            return lock.locked()

        with Flow("f", executor=executor) as f:
            used = use()
        assert "Task 'use' cannot be sent to a worker process" in str(f.run().result[used].result)

    def test_an_exception_that_cannot_be_pickled_keeps_its_text_and_traceback(
        self, executor, records, last_run
    ) -> None:
        @task
        def broken():
            raise ValueError("no luck", threading.Lock())

        with Flow("f", executor=executor) as f:
            made = broken()
        error = f.run().result[made].result
        assert type(error).__name__ == "TaskRaised"
        assert "ValueError: ('no luck'" in str(error)
        lines = [row["message"] for row in records.logs(last_run()["id"])]
        assert any('raise ValueError("no luck", threading.Lock())' in line for line in lines)

    def test_a_parameter_that_cannot_be_sent_stays_behind(self, executor) -> None:
        @task
        def look():
            return repr(context.parameters["lock"]), context.parameters["day"]

        @flow(executor=executor, validate_parameters=False)
        def f(lock, day):
            return look.submit().result()

        assert f(threading.Lock(), "friday") == ("NotSent(name='lock', type_name='lock')", "friday")

    def test_a_function_that_uses_what_cannot_be_sent_is_found_by_its_name(self, executor) -> None:
        with Flow("f", executor=executor) as f:
            made = locked()
        assert f.run().result[made].result is False


LOCK = threading.Lock()


@task
def locked():
    return LOCK.locked()
