"""Tasks and flows that take longer than they may."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from blocks_flows import Flow, context, flow, get_run_logger, task
from blocks_flows.errors import FlowTimedOut, RunStopped, TaskTimedOut
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor

BOTH = pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=2)])
SOON = 0.05


@pytest.fixture
def release():
    """An event that lets go of what a test left running."""
    event = threading.Event()
    yield event
    event.set()


@task
def quick():
    return 1


@BOTH
def test_a_task_on_a_thread_ends_as_timed_out_while_its_thread_goes_on(executor, release, last_run) -> None:
    @task(timeout_seconds=SOON)
    def stuck():
        release.wait()

    with Flow("f", executor=executor) as f:
        first = stuck()
        behind = quick()
        behind.set_upstream(first)
    state = f.run()
    assert (state.result[first].name, state.result[behind].name) == ("TimedOut", "TriggerFailed")
    assert isinstance(state.result[first].result, TaskTimedOut)
    assert isinstance(state.result[first].result, TimeoutError)
    assert "goes on in the background" in state.result[first].message
    assert 'scheduler="processes"' in state.result[first].message
    assert last_run()["state_type"] == "Failed"


def test_a_task_that_is_quick_enough_returns_its_value_in_its_own_run() -> None:
    @task(timeout_seconds=60)
    def timed():
        return quick(), context.task_name

    @flow
    def f():
        return timed(), timed.submit().result()

    assert f() == ((1, "timed"), (1, "timed"))


def test_a_timed_out_task_is_tried_again(records, last_run) -> None:
    tries = []

    @task(timeout_seconds=0.2, retries=1)
    def second_time():
        tries.append(1)
        if len(tries) == 1:
            time.sleep(0.5)
        return "well"

    @flow
    def f():
        return second_time()

    assert f() == "well"
    names = [row["name"] for row in records.states(last_run()["id"]) if row["task_run_id"]]
    assert names == ["Running", "Retrying", "Running", "Success"]


def test_what_a_timed_out_task_had_called_is_cancelled_and_nobody_waits_for_it(
    release, records, last_run
) -> None:
    @task
    def inner():
        release.wait()

    @task(timeout_seconds=SOON)
    def outer():
        inner()

    @flow
    def f():
        return outer.submit().wait().name

    assert f() == "TimedOut"
    states = {row["name"]: row["state_name"] for row in records.task_runs(last_run()["id"])}
    assert states == {"outer": "TimedOut", "inner": "Cancelled"}


def test_what_a_task_does_after_its_time_is_in_no_run_any_more(release, records, last_run, capsys) -> None:
    seen = []
    over = threading.Event()

    @task(timeout_seconds=SOON)
    def stuck():
        logger = get_run_logger()
        logger.info("in time")
        release.wait()
        logger.info("too late")
        try:
            quick()
        except Exception as error:
            seen.append(str(error))
        seen.append(context.get("flow_run_id"))
        over.set()

    @flow
    def f():
        stuck.submit().wait()

    f()
    release.set()
    assert over.wait(20)
    lines = [row["message"] for row in records.logs(last_run()["id"])]
    assert "in time" in lines
    assert "too late" not in lines
    assert "too late" in capsys.readouterr().out
    assert "was called outside of a flow" in seen[0]
    assert seen[1] is None


def test_a_single_worker_whose_task_has_a_limit_still_serves_what_that_waits_for() -> None:
    @task(timeout_seconds=60)
    def waits():
        return quick.submit().result()

    @flow(executor=LocalDaskExecutor(num_workers=1))
    def f():
        return waits.submit().result()

    assert f() == 1


def test_a_flow_function_goes_on_after_its_time_until_it_calls_a_task(inbox, records, last_run) -> None:
    seen = []

    @flow(timeout_seconds=SOON, on_failure=[inbox, lambda flow, run, state: seen.append(state.name)])
    def slow():
        quick()
        while not seen:  # the run is marked, and people are told, while the function goes on
            time.sleep(0.01)
        seen.append(last_run()["state_name"])
        try:
            quick()
        except RunStopped as error:
            seen.append(str(error))
            raise

    with pytest.raises(FlowTimedOut, match=r"took longer than 0\.05 seconds"):
        slow()
    assert seen == ["TimedOut", "TimedOut", "Task 'quick' is not run, as its flow run was stopped."]
    assert [message.title for message in inbox.messages] == ["Flow 'slow': TimedOut"]
    run = last_run()
    assert (run["state_type"], run["state_name"]) == ("Failed", "TimedOut")
    names = [row["name"] for row in records.states(run["id"]) if row["task_run_id"] is None]
    assert names == ["Running", "TimedOut"]


def test_a_flow_that_returns_after_its_time_has_timed_out() -> None:
    @flow(timeout_seconds=SOON)
    def slow():
        time.sleep(0.2)
        return "too late"

    assert slow.run().name == "TimedOut"


def test_a_flows_time_holds_for_its_further_tries_too(records, last_run) -> None:
    tries = []

    @flow(timeout_seconds=0.5, retries=5, retry_delay_seconds=3600)
    def fails():
        tries.append(1)
        raise ConnectionError

    with pytest.raises(FlowTimedOut):
        fails()
    assert tries == [1]
    names = [row["name"] for row in records.states(last_run()["id"]) if row["task_run_id"] is None]
    assert names == ["Running", "Retrying", "TimedOut"]


def test_a_flow_that_is_quick_enough_ends_as_any_other() -> None:
    @flow(timeout_seconds=60)
    def fast():
        return quick()

    assert fast() == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "blocks-deadline"]


@BOTH
def test_a_graph_begins_nothing_more_when_its_time_is_over(executor, records, last_run) -> None:
    @task
    def slow(_x=None):
        time.sleep(0.3)

    with Flow("f", executor=executor, timeout_seconds=0.1) as f:
        first = slow()
        second = slow(first)
    state = f.run()
    assert (state.type.value, state.name) == ("Failed", "TimedOut")
    assert {state.result[first].name, state.result[second].name} == {"Cancelled"}
    assert last_run()["state_name"] == "TimedOut"
    states = {row["state_message"] for row in records.task_runs(last_run()["id"])}
    assert states == {"The flow run took longer than 0.1 seconds."}


def test_an_async_flow_is_cancelled_with_all_that_it_awaits(records, last_run) -> None:
    cancelled = []

    @task
    async def slow():
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.append(1)

    @flow(timeout_seconds=0.3)
    async def f():
        slow.submit()
        await asyncio.gather(slow(), slow())

    with pytest.raises(FlowTimedOut):
        asyncio.run(f())
    assert cancelled == [1, 1, 1]
    assert {row["state_name"] for row in records.task_runs(last_run()["id"])} == {"Cancelled"}


def test_the_time_out_of_a_child_is_a_failure_of_its_parent(last_run) -> None:
    @flow(timeout_seconds=SOON)
    def child():
        time.sleep(0.2)
        quick()

    @flow(timeout_seconds=60)
    def parent():
        child()

    state = parent.run()
    assert state.name == "Failed"
    assert isinstance(state.result, FlowTimedOut)


def test_no_child_begins_when_the_time_of_its_parent_is_over(records) -> None:
    @flow
    def child():
        return 1

    @flow(timeout_seconds=SOON)
    def parent():
        time.sleep(0.2)
        child()

    with pytest.raises(FlowTimedOut):
        parent()
    from blocks_flows.runs import RunFilter

    assert [run["flow_name"] for run in records.list_runs(RunFilter())] == ["parent"]
