"""Flows and tasks whose functions are awaited."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from blocks_flows import Flow, context, flow, task
from blocks_flows.errors import TaskTimedOut
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor


@task
async def add(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


@task
def double(x: int) -> int:
    return x * 2


@flow
async def total(numbers: list[int]) -> int:
    added = await asyncio.gather(*[add(number) for number in numbers])
    return double(sum(added))


def test_an_async_flow_is_a_coroutine_outside_of_runs_and_run_to_its_end_by_run() -> None:
    assert asyncio.run(total([1, 2])) == 10
    assert total.run(numbers=[1]).result == 4


def test_an_async_flow_that_a_plain_one_calls_gives_its_value() -> None:
    @flow
    def plain() -> int:
        return total([1, 2]) + task(lambda: total([1])).submit().result()

    assert plain() == 14


def test_a_flow_that_nobody_awaits_is_named_in_the_warning() -> None:
    def forget() -> None:
        total([1])
        gc.collect()

    with pytest.warns(RuntimeWarning, match="coroutine 'total' was never awaited"):
        forget()


def test_an_async_flow_is_awaited_where_somebody_does() -> None:
    async def main() -> list[int]:
        return await asyncio.gather(total([1]), total([2]))

    assert asyncio.run(main()) == [4, 6]


def test_tasks_that_are_gathered_run_at_once() -> None:
    running, most = 0, 0

    @task
    async def sleeper(x: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.2)
        running -= 1
        assert context.get("task_name") == "sleeper"
        return x

    @flow
    async def many() -> list[int]:
        return await asyncio.gather(*[sleeper(x) for x in range(200)])

    assert asyncio.run(many()) == list(range(200))
    assert most == 200


def test_futures_are_awaited_and_taken_as_arguments() -> None:
    @flow
    async def submitted() -> int:
        first = add.submit(1)
        second = await add(first)
        mapped = add.map([1, 2])
        return second + await first + sum([await each for each in mapped])

    assert asyncio.run(submitted()) == 3 + 2 + 5


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=3)])
def test_an_async_task_runs_in_a_graph_and_in_a_plain_flow(executor) -> None:
    with Flow("graph", executor=executor) as graph:
        added = add(1)
        mapped = add.map([1, 2, 3])
    state = graph.run()
    assert state.is_successful()
    assert state.result[added].result == 2
    assert state.result[mapped].result == [2, 3, 4]

    @flow(executor=executor)
    def plain() -> int:
        return add(1) + add.submit(2).result()

    assert plain() == 5


def test_failures_are_raised_where_the_task_is_awaited_and_tried_again_before(last_run) -> None:
    tries = []

    @task(retries=1, retry_delay_seconds=0.01)
    async def second_time() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")
        return "well"

    @task
    async def never() -> None:
        raise KeyError("always")

    @flow
    async def tries_them() -> str:
        with pytest.raises(KeyError, match="always"):
            await never()
        return await second_time()

    assert asyncio.run(tries_them()) == "well"
    assert last_run()["state_name"] == "Success"


def test_a_time_out_cancels_what_is_awaited() -> None:
    cancelled = []

    @task(timeout_seconds=0.05)
    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    @flow
    async def waits() -> None:
        await slow()

    began = time.monotonic()
    with pytest.raises(TaskTimedOut, match=r"longer than 0\.05 seconds, and was cancelled"):
        asyncio.run(waits())
    assert cancelled == [True]
    assert time.monotonic() - began < 20
