from __future__ import annotations

import threading
import time
from datetime import date

import pytest
from pydantic import SecretStr

import blocks_flows
from blocks_core import Block
from blocks_flows import flow, get_run_logger, task, unmapped
from blocks_flows.errors import (
    FlowInvalid,
    OptionUnknown,
    ParametersInvalid,
    RunMissing,
    TasksFailed,
    UpstreamFailed,
)
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor
from blocks_flows.runs import RunFilter


class Login(Block, slug="test-login"):
    user: str
    password: SecretStr


@task
def add(x, y=1):
    return x + y


@task
def fail(x=None):
    raise ValueError("internal error")


def test_a_flow_runs_as_python_runs_and_returns_its_value() -> None:
    @flow
    def total(n: int) -> int:
        """Add up."""
        result = 0
        for number in range(n):
            result = add(result, number)
        return result

    assert total(4) == 6
    assert total.__name__ == "total"
    assert total.options.description == "Add up."
    assert total.run(n=3).result == 3


def test_a_failing_flow_raises_its_own_exception_after_it_is_recorded(last_run) -> None:
    @flow
    def broken():
        fail()

    with pytest.raises(ValueError, match="internal error"):
        broken()
    run = last_run()
    assert (run["state_type"], run["state_message"]) == ("Failed", "ValueError: internal error")
    state = broken.run()
    assert state.is_failed()
    assert isinstance(state.result, ValueError)


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=2)])
def test_futures_are_awaited_as_arguments_and_are_upstreams(executor) -> None:
    @flow(task_runner=executor)
    def chain():
        first = add.submit(1)
        second = add.submit(first, y=first)
        nested = task(lambda values: sum(values["all"])).submit({"all": [first, second]})
        assert nested.wait().is_successful()
        assert nested.state.is_finished()
        return add(nested, second), first.result()

    assert chain() == (10, 2)


def test_map_gives_a_list_of_futures_that_run_in_parallel() -> None:
    together = threading.Barrier(6)

    @task
    def meet(x, offset):
        together.wait(timeout=60)
        return x + offset, blocks_flows.context.map_index, blocks_flows.context.task_run_name

    @flow(executor=LocalDaskExecutor(num_workers=6))
    def parallel():
        return meet.map(list(range(6)), unmapped(10))

    assert parallel() == [(10 + index, index, f"meet[{index}]") for index in range(6)]


def test_mapping_takes_futures_whole_and_one_by_one() -> None:
    @flow
    def mapped():
        whole = task(lambda: [1, 2, 3]).submit()
        once = add.map(whole)
        twice = add.map(once, y=unmapped(add.submit(9)))
        return [future.result() for future in twice]

    assert mapped() == [12, 13, 14]


def test_a_task_behind_a_failed_future_is_not_run() -> None:
    @flow
    def broken():
        failed = fail.submit()
        behind = add.submit(failed)
        assert behind.wait().name == "TriggerFailed"
        with pytest.raises(UpstreamFailed, match="'fail' before it ended as Failed"):
            behind.result()
        with pytest.raises(UpstreamFailed):
            add(failed)
        return failed.result(raise_on_failure=False)

    assert isinstance(broken(), ValueError)


def test_a_failure_nobody_looked_at_fails_the_flow() -> None:
    @flow
    def careless():
        fail.submit()

    with pytest.raises(TasksFailed, match=r"A submitted task run failed .* \(fail\)"):
        careless()


def test_tasks_called_in_tasks_are_runs_of_the_same_flow(records, last_run) -> None:
    @task
    def outer():
        return add(add.submit(1).result(), 1)

    @flow(executor=LocalDaskExecutor(num_workers=1))
    def nested():
        return outer.submit().result()

    assert nested() == 3
    assert sorted(row["name"] for row in records.task_runs(last_run()["id"])) == ["add", "add", "outer"]


def test_a_flow_is_tried_again_in_the_same_run(records, last_run) -> None:
    tries = []

    @flow(retries=2, retry_delay_seconds=[0.01, 0.02])
    def flaky():
        tries.append(time.monotonic())
        if len(tries) < 3:
            fail()
        return "done"

    assert flaky() == "done"
    run = last_run()
    assert run["run_count"] == 3
    states = [row["name"] for row in records.states(run["id"]) if row["task_run_id"] is None]
    assert states == ["Running", "Retrying", "Running", "Retrying", "Running", "Success"]
    assert tries[2] - tries[1] >= 0.02


def test_a_flow_called_in_a_flow_is_a_child_run(records) -> None:
    @flow
    def inner(x):
        return add(x)

    @flow
    def outer():
        return inner(inner(1))

    assert outer() == 3
    runs = records.list_runs(RunFilter(flow="inner"))
    [parent] = records.list_runs(RunFilter(flow="outer"))
    assert [run["parent_flow_run_id"] for run in runs] == [parent["id"]] * 2
    assert {run["id"] for run in records.children(parent["id"])} == {run["id"] for run in runs}


def test_parameters_are_converted_as_annotated_and_blocks_stay_the_same_object() -> None:
    login = Login(user="ann", password="canary-7531")

    @flow
    def typed(day: date, login: Login, count: int = 1, *rest, **more):
        return day, login, count, rest, more

    day, given, count, rest, more = typed("2021-10-04", login, "3", 4, extra=5)
    assert day == date(2021, 10, 4)
    assert given is login
    assert (count, rest, more) == (3, (4,), {"extra": 5})


def test_wrong_parameters_are_named_without_their_values_and_nothing_runs(records) -> None:
    @flow
    def typed(count: int, login: Login | None = None):
        raise AssertionError

    with pytest.raises(ParametersInvalid, match=r"count: .*valid integer") as raised:
        typed("canary-7531")
    assert "canary-7531" not in str(raised.value)
    with pytest.raises(ParametersInvalid, match=r"count: a value is needed"):
        typed()
    with pytest.raises(ParametersInvalid, match="cuont: there is no such parameter, did you mean 'count'"):
        typed(cuont=1)
    assert records.list_runs(RunFilter()) == []


def test_validation_can_be_left_out() -> None:
    @flow(validate_parameters=False)
    def loose(count: int):
        return count

    assert loose("three") == "three"


def test_secrets_in_parameters_are_not_recorded(home, last_run) -> None:
    @flow(flow_run_name="load-{table}")
    def load(table: str, token: SecretStr, login: Login, more: dict):
        return None

    secret = SecretStr("canary-7531")
    load(
        "users", secret, Login(user="ann", password="canary-7531"), {"tokens": [secret], "day": date.today()}
    )
    run = last_run()
    assert run["name"] == "load-users"
    assert run["parameters"]["token"] == run["parameters"]["more"]["tokens"][0] == "**********"
    assert run["parameters"]["login"] == {"block": "test-login"}
    blocks_flows.journal.close_journal()
    assert not any(b"canary-7531" in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_run_logger_is_for_runs() -> None:
    with pytest.raises(RunMissing, match="outside of a run"):
        get_run_logger()
    with pytest.raises(RunMissing, match=r"context\.flow_run_id"):
        _ = blocks_flows.context.flow_run_id
    with pytest.raises(AttributeError, match="has no 'flow_id'"):
        _ = blocks_flows.context.flow_id
    assert not hasattr(blocks_flows.context, "flow_run_id")


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(OptionUnknown, match="did you mean 'retries'"):
        flow(retires=2)(add.fn)


def test_many_small_tasks_on_threads_all_come_back() -> None:
    @flow(executor=LocalDaskExecutor(num_workers=8))
    def many():
        return sum(future.result() for future in add.map(list(range(2000))))

    assert many() == sum(range(1, 2001))


def test_state_handlers_see_each_change_and_cannot_break_the_run(capsys) -> None:
    changes = []

    def handler(subject, old, new):
        changes.append((subject.name, old.name, new.name))
        raise RuntimeError("handler bug")

    @flow(state_handlers=[handler])
    def watched():
        return task(state_handlers=[handler], name="step")(lambda: 1)()

    assert watched() == 1
    assert changes == [
        ("watched", "Pending", "Running"),
        ("step", "Pending", "Running"),
        ("step", "Running", "Success"),
        ("watched", "Running", "Success"),
    ]
    assert "RuntimeError: handler bug" in capsys.readouterr().out


def test_a_thread_that_waits_for_a_task_serves_others_and_their_retries() -> None:
    tries = []

    @task(retries=1, retry_delay_seconds=0.01)
    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError
        return "done"

    @flow(executor=LocalDaskExecutor(num_workers=1))
    def nested():
        return task(lambda: flaky.submit().result())().upper(), task(
            lambda: flaky.submit().result()
        ).submit().result()

    assert nested() == ("DONE", "done")


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=1)])
def test_tasks_run_tasks_deeper_than_one_stack(executor) -> None:
    @task
    def called(n):
        return 1 + called(n - 1) if n else 0

    @task
    def submitted(n):
        return 1 + submitted.submit(n - 1).result() if n else 0

    @flow(executor=executor)
    def deep():
        return called(300), submitted.submit(300).result()

    assert deep() == (300, 300)


def test_a_thread_serves_any_number_of_tasks_that_wait_for_one() -> None:
    @flow(executor=LocalDaskExecutor(num_workers=2))
    def crowded():
        go = threading.Event()
        awaited = task(go.wait).submit()
        waiting = [task(awaited.result).submit() for _ in range(400)]
        go.set()
        return [each.result() for each in waiting]

    assert crowded() == [True] * 400


def test_a_flow_can_be_a_method_of_any_kind() -> None:
    class Etl:
        factor = 2

        @flow
        def run(self, x: int):
            return self.factor * add(x)

        @staticmethod
        @flow
        def alone(x: int):
            return add(x)

        @flow
        @staticmethod
        def alone_too(x: int):
            return add(x)

        @classmethod
        @flow
        def of_class(cls, x: int):
            return cls.factor * x

    etl = Etl()
    assert (etl.run("3"), etl.alone("3"), etl.alone_too("3"), etl.of_class("3")) == (8, 4, 4, 6)


def test_what_runs_after_its_run_is_no_flow() -> None:
    def generator():
        yield 1

    async def stream():
        yield 1

    with pytest.raises(FlowInvalid, match="is a generator: it would run only after its run is over"):
        flow(generator)
    with pytest.raises(FlowInvalid, match="is a generator"):
        flow(stream)
    with pytest.raises(FlowInvalid, match="generator"):
        task(stream)


def test_parameters_that_json_cannot_hold_are_recorded_as_texts(last_run) -> None:
    @flow(validate_parameters=False)
    def odd(a, b):
        return None

    odd([float("nan"), float("-inf")], 10**5000)
    assert last_run()["parameters"]["a"] == ["nan", "-inf"]
    assert last_run()["parameters"]["b"] == "<int>"


def test_an_argument_that_holds_itself_is_refused() -> None:
    inside = []
    inside.append(inside)
    with pytest.raises(FlowInvalid, match="An argument holds itself, or is nested deeper"):
        flow(lambda x: x)(inside)


CANARY = "c4n4ry/ü+1 2"


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=2)])
def test_the_secrets_a_run_was_given_are_nowhere_in_its_record(
    executor, home, inbox, capsys, last_run
) -> None:
    @task(retries=1)
    def call(login):
        print_to = get_run_logger()
        print_to.warning("logging in with %s", login.password.get_secret_value())
        raise PermissionError(f"401 for {login.password.get_secret_value()}")

    @task(log_stdout=True)
    def tell(secret):
        print("it is", secret["token"].get_secret_value())

    @flow(executor=executor, on_failure=inbox, flow_run_name="as-{login}")
    def use(login: Login, more: dict[str, SecretStr]):
        tell.submit(more).wait()
        return call.submit(login).result()

    with pytest.raises(PermissionError):
        use(Login(user="me", password=CANARY), {"token": SecretStr("t0k3n-canary")})

    from blocks_flows.journal import close_journal

    close_journal()
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    shown = capsys.readouterr().out.encode() + repr(inbox.messages).encode()
    for form in (CANARY, "t0k3n-canary", "c4n4ry"):
        assert form.encode() not in written
        assert form.encode() not in shown
    assert "401 for **********" in last_run()["state_message"]
