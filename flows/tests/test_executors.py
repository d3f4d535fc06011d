"""Executors that run tasks in the flow's own process, and the choice of one."""

from __future__ import annotations

import pytest
from executor_suite import ExecutorSuite

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
