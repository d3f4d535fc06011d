"""Futures: waiting for them in several ways, and what a flow returns of them."""

from __future__ import annotations

import threading

import pytest

from blocks_flows import flow, task
from blocks_flows.errors import FlowFailed, FutureNotReady, RunStopped, TasksFailed
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor
from blocks_flows.futures import as_completed, wait


@task
def add(x, y=1):
    return x + y


@task
def fail(x=None):
    raise ValueError("internal error")


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=2)])
def test_a_map_gives_its_futures_as_a_list_that_can_be_waited_for(executor) -> None:
    @flow(executor=executor)
    def mapped():
        futures = add.map([1, 2, 3])
        assert [state.name for state in futures.wait()] == ["Success"] * 3
        total = task(lambda values: (type(values), sum(values))).submit(futures)
        return futures.result(), total.result()

    assert mapped() == ([2, 3, 4], (list, 9))


def test_waiting_can_be_limited_and_the_task_goes_on() -> None:
    go = threading.Event()

    @flow
    def limited():
        slow = task(go.wait, name="slow").submit()
        with pytest.raises(FutureNotReady, match=r"'slow' was not finished after 0\.01 seconds"):
            slow.result(timeout=0.01)
        assert not slow.wait(timeout=0).is_finished()
        assert not slow.done()
        done, not_done = wait([slow, quick := add.submit(1)], timeout=0.2)
        assert (done, not_done) == ({quick}, {slow})
        with pytest.raises(TimeoutError, match="1 of 2 task runs were not finished"):
            list(as_completed([slow, quick], timeout=0.05))
        go.set()
        return slow.result(timeout=20)

    assert limited() is True


def test_futures_come_as_they_finish() -> None:
    gates = {name: threading.Event() for name in "abc"}

    @flow(executor=LocalDaskExecutor(num_workers=3))
    def ordered():
        futures = {name: task(gate.wait, name=name).submit() for name, gate in gates.items()}
        seen = []
        gates["c"].set()
        for future in as_completed(futures.values()):
            seen.append(future.name)
            if len(seen) < 3:
                gates["ba"[len(seen) - 1]].set()
        return seen

    assert ordered() == ["c", "b", "a"]


def test_a_worker_that_waits_for_several_serves_them() -> None:
    @task
    def outer():
        futures = [add.submit(number) for number in range(3)]
        return sorted(future.result() for future in as_completed(futures)), len(wait(futures).done)

    @flow(executor=LocalDaskExecutor(num_workers=1))
    def nested():
        return outer.submit().result()

    assert nested() == ([1, 2, 3], 3)


def test_a_returned_future_decides_how_the_flow_ends() -> None:
    @flow
    def returned(work):
        return [add.submit(1), work.submit(2)]

    assert returned(add) == [2, 3]
    with pytest.raises(ValueError, match="internal error"):
        returned(fail)


def test_a_returned_state_decides_how_the_flow_ends(last_run) -> None:
    @flow
    def one(work):
        return work.submit(1).wait()

    assert one(add) == 2
    with pytest.raises(ValueError, match="internal error"):
        one(fail)
    assert last_run()["state_type"] == "Failed"


def test_of_several_returned_states_one_failure_is_enough() -> None:
    @flow
    def several():
        return [add.submit(1).wait(), fail.submit(1).wait(), fail.submit(1).wait()]

    with pytest.raises(
        FlowFailed, match=r"2 of 3 states .* did not succeed: ValueError: internal error"
    ) as raised:
        several()
    assert isinstance(raised.value.__cause__, ValueError)


def test_a_flow_that_catches_a_failure_and_returns_has_succeeded() -> None:
    @flow
    def careful():
        if fail.submit().wait().is_failed():
            return "handled"
        return "succeeded"

    assert careful() == "handled"


def test_a_future_of_another_flow_is_an_argument_of_a_child() -> None:
    @flow
    def child(x):
        return add(x)

    @flow
    def parent():
        return child(add.submit(1))

    assert parent() == 3


def test_a_task_that_runs_on_after_its_flow_was_stopped_has_no_value() -> None:
    stopped = []

    @flow(timeout_seconds=0.1)
    def slow():
        future = task(lambda: threading.Event().wait(0.4)).submit()
        try:
            future.result()
        except RunStopped as error:
            stopped.append(str(error))

    assert slow.run().name == "TimedOut"
    assert "was not run to its end. The flow run took longer than 0.1 seconds." in stopped[0]


def test_a_failure_is_told_by_the_task_behind_it() -> None:
    @flow
    def looks_at_the_last_ones():
        return [state.name for state in add.map(fail.map([1, 2])).wait()]

    assert looks_at_the_last_ones() == ["TriggerFailed", "TriggerFailed"]

    @flow
    def looks_at_none():
        add.submit(fail.submit())

    with pytest.raises(TasksFailed, match=r"A submitted task run failed .*\(add\)"):
        looks_at_none()
