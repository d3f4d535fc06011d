"""The registry knows which run resolved which block: the flow run, or the task run in it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest

from blocks_core import Block, Message, Notifier, current_library, use_library
from blocks_core.current import Actor, current_actor, process_actor
from blocks_core.library import Library
from blocks_flows import Flow, flow, task
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor
from blocks_registry.opening import open_library


class Setting(Block, slug="test-actor-setting"):
    """Something to load."""

    value: int = 1


class Pager(Notifier, slug="test-actor-pager"):
    """Tells nobody."""

    def notify(self, message: Message) -> None:
        pass


@pytest.fixture(autouse=True)
def library(home) -> Iterator[Library]:
    library = open_library()
    with use_library(library):
        Setting().save("one")
        Pager().save("ops")
        yield library
    library.close()


def who_used(address: str = "test-actor-setting/one") -> list[tuple[str, str, str]]:
    usages = current_library().registry.usages(*address.split("/"))
    assert {usage.actor.user for usage in usages} == {process_actor().user}
    return sorted((usage.actor.kind, usage.actor.name, usage.actor.id) for usage in usages)


@task
def load_setting() -> int:
    return Setting.load("one").value


@task
def load_number(number: int) -> int:
    return Setting.load("one").value + number


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=2)])
def test_a_load_in_a_task_is_one_of_its_run(executor, last_run) -> None:
    with Flow("graph", executor=executor) as graph:
        load_setting()
    assert graph.run().is_successful()
    assert who_used() == [("task", "load_setting", last_run()["id"])]


def test_a_load_in_a_flow_function_is_one_of_the_flow_run_and_in_its_tasks_of_these(
    last_run,
) -> None:
    @flow
    def etl():
        Setting.load("one")
        load_setting()
        load_setting.submit().result()

    etl()
    run = last_run()
    assert who_used() == [("flow run", "etl", run["id"]), ("task", "load_setting", run["id"])]


def test_a_mapped_task_leaves_one_usage_however_many_runs_it_has(last_run) -> None:
    @flow
    def many():
        [future.result() for future in load_number.map(range(50))]

    many()
    assert who_used() == [("task", "load_number", last_run()["id"])]
    (usage,) = current_library().registry.usages("test-actor-setting", "one")
    assert usage.uses == 50


def test_a_flow_inside_of_another_acts_for_itself(records) -> None:
    seen: list[Actor] = []

    @flow
    def inner():
        seen.append(current_actor())

    @task
    def middle():
        seen.append(current_actor())
        inner()
        seen.append(current_actor())

    @flow
    def outer():
        seen.append(current_actor())
        middle()
        inner()
        seen.append(current_actor())

    outer()
    kinds = [(actor.kind, actor.name) for actor in seen]
    assert kinds == [
        ("flow run", "outer"),
        ("task", "middle"),
        ("flow run", "inner"),
        ("task", "middle"),
        ("flow run", "inner"),
        ("flow run", "outer"),
    ]
    assert seen[0] == seen[-1]
    assert seen[2].id != seen[4].id


def test_an_alert_that_is_loaded_is_one_of_the_flow_run(last_run) -> None:
    @task
    def broken():
        raise ValueError

    with Flow("graph", on_failure="test-actor-pager/ops") as graph:
        broken()
    assert graph.run().is_failed()
    assert who_used("test-actor-pager/ops") == [("flow run", "graph", last_run()["id"])]


def test_after_a_run_the_process_acts_again() -> None:
    @flow
    def failing():
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        failing()
    with Flow("graph") as graph:
        load_setting()
    graph.run()
    assert current_actor() == process_actor()


def test_a_thread_that_a_task_starts_by_itself_acts_for_the_process() -> None:
    seen: list[Actor] = []

    @task
    def start():
        thread = Thread(target=lambda: seen.append(current_actor()))
        thread.start()
        thread.join()

    with Flow("graph") as graph:
        start()
    graph.run()
    assert seen == [process_actor()]
