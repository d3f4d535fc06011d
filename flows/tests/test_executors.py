"""Executors that run tasks in the flow's own process, and the choice of one."""

from __future__ import annotations

import threading

import pytest
from executor_suite import ExecutorSuite

from blocks_flows import Flow, flow, task, unmapped
from blocks_flows.errors import FlowInvalid
from blocks_flows.executors import DaskExecutor, LocalDaskExecutor, LocalExecutor


class TestLocalExecutor(ExecutorSuite):
    @pytest.fixture
    def executor(self):
        return LocalExecutor()


class TestThreads(ExecutorSuite):
    @pytest.fixture
    def executor(self):
        return LocalDaskExecutor(num_workers=3)


@pytest.mark.parametrize("scheduler", ["synchronous", "sync"])
def test_a_synchronous_scheduler_is_the_local_executor(scheduler: str) -> None:
    pool = LocalDaskExecutor(scheduler=scheduler).open(None)
    assert type(pool) is type(LocalExecutor().open(None))


def test_a_scheduler_that_there_is_not_is_refused() -> None:
    with pytest.raises(FlowInvalid, match="Give one of: threads, processes, synchronous, sync"):
        LocalDaskExecutor(scheduler="gpu")


def test_no_workers_are_refused() -> None:
    with pytest.raises(FlowInvalid, match="Give 1 or more, or None"):
        LocalDaskExecutor(num_workers=0)


def test_an_address_and_a_way_to_make_a_cluster_are_refused() -> None:
    with pytest.raises(FlowInvalid, match="the one or the other"):
        DaskExecutor(address="tcp://127.0.0.1:1", cluster_kwargs={"n_workers": 2})


def meeting(parties: int):
    """Return a task that ends when so many of its runs have begun."""
    barrier = threading.Barrier(parties)

    @task
    def meet(_x):
        barrier.wait(60)

    return meet


def test_all_threads_work_where_tasks_wait_for_each_other() -> None:
    with Flow("f", executor=LocalDaskExecutor(num_workers=6)) as f:
        meeting(6).map(list(range(6)))
    assert f.run().is_successful()


def test_threads_that_rested_while_tasks_were_quick_come_back() -> None:
    quick = task(lambda x: x)
    with Flow("f", executor=LocalDaskExecutor(num_workers=6)) as f:
        first = meeting(6).map(list(range(6)))
        between = quick.map(list(range(2_000)), upstream_tasks=[unmapped(first)])
        meeting(6).map(list(range(6)), upstream_tasks=[unmapped(between)])
    assert f.run().is_successful()


def test_a_thread_that_waits_for_another_task_lends_its_place() -> None:
    meet = meeting(2)

    @task
    def outer(x):
        return meet.submit(x).result()

    @flow(executor=LocalDaskExecutor(num_workers=2))
    def nested():
        return [each.result() for each in outer.map([1, 2])]

    assert nested() == [None, None]
