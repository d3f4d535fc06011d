from __future__ import annotations

import pytest

from blocks_core import use_library
from blocks_core.testing import memory_library
from blocks_flows import Flow, flow, task
from blocks_flows.executors import LocalDaskExecutor


@task
def load():
    print("reading")
    return [1, 2]


@task
def train(x):
    if x == 2:
        raise ValueError("internal error")
    return x


def test_a_notifier_is_told_what_failed_and_why(inbox, last_run) -> None:
    with Flow("etl", on_failure=inbox) as f:
        task(sum)(train.map(load()))
    f.run()
    [message] = inbox.messages
    run = last_run()
    assert message.title == "Flow 'etl': Failed"
    assert message.level == "error"
    assert message.facts == {
        "flow": "etl",
        "run": f"{run['name']} ({run['id']})",
        "state": "Failed",
        "failed task": "train[1]",
    }
    assert message.text == "Some reference tasks failed.\ntrain[1]: ValueError: internal error"
    assert "Task 'train[1]': Exception encountered during task execution!" in message.detail
    assert 'raise ValueError("internal error")' in message.detail


def test_nobody_is_told_of_a_success_unless_they_asked(inbox) -> None:
    with Flow("etl", on_failure=inbox) as f:
        load()
    f.run()
    assert inbox.messages == []

    @flow(on_completion=inbox)
    def fine():
        return 1

    fine()
    assert [(each.title, each.level) for each in inbox.messages] == [("Flow 'fine': Success", "info")]


def test_a_delivery_that_fails_is_logged_and_recorded_and_hides_nothing(
    dead_inbox, inbox, records, last_run, capsys
) -> None:
    told = []

    @flow(on_failure=[dead_inbox, lambda flow, run, state: told.append((flow, run, state)), inbox])
    def broken():
        raise ValueError("internal error")

    with pytest.raises(ValueError, match="internal error"):
        broken()
    [(subject, facts, state)] = told
    assert subject is broken
    assert facts.flow_run_id == last_run()["id"]
    assert state.is_failed()
    assert len(inbox.messages) == 1
    line = "The alert to test-dead-inbox (not saved) was not delivered: NotificationFailed: The service answered 503"
    assert f"ERROR - blocks_flows.FlowRunner | {line}" in capsys.readouterr().out
    rows = records.alerts(last_run()["id"])
    assert [row["delivered"] for row in rows] == [0, 1, 1]
    assert rows[0]["error"] == "NotificationFailed: The service answered 503. Try again later."


def test_an_address_is_loaded_when_it_is_needed(inbox, records, last_run) -> None:
    @flow(on_failure="test-inbox/alerts")
    def broken():
        raise ValueError("internal error")

    with use_library(memory_library()):
        with pytest.raises(ValueError, match="internal error"):
            broken()
        [row] = records.alerts(last_run()["id"])
        assert row["delivered"] == 0
        assert "BlockNotFound: No block 'test-inbox/alerts'" in row["error"]
        inbox.save("alerts")
        with pytest.raises(ValueError, match="internal error"):
            broken()
        [row] = records.alerts(last_run()["id"])
        assert (row["target"], row["delivered"]) == ("test-inbox/alerts", 1)


def test_a_task_tells_of_its_own_failure_only(inbox, records, last_run) -> None:
    alerted = train.__class__(train.fn, name="train", on_failure=inbox)
    with Flow("etl") as f:
        alerted.map(alerted.map(load()))
    f.run()
    [message] = inbox.messages
    assert message.title == "Task 'train[1]' of flow 'etl': Failed"
    assert message.text == "ValueError: internal error"


def test_of_many_failures_the_first_are_named_and_the_others_counted(inbox) -> None:
    with Flow("etl", on_failure=inbox) as f:
        train.map([2] * 25)
    f.run()
    [message] = inbox.messages
    assert message.facts["failed task"].startswith("train[0], train[1], ")
    assert message.facts["failed task"].endswith("train[9], and 15 more")
    assert message.text.splitlines()[-1] == "and 15 more"
    assert len(message.detail.splitlines()) < 200


def test_exit_in_an_alert_or_a_state_handler_changes_nothing(records, last_run) -> None:
    def leave(*_arguments):
        raise SystemExit(3)

    @task(on_failure=leave, state_handlers=[leave])
    def fails():
        raise ValueError("internal error")

    with Flow("f", executor=LocalDaskExecutor(num_workers=2), on_failure=leave, state_handlers=[leave]) as f:
        fails()
    assert f.run().message == "Some reference tasks failed."
    assert [row["error"] for row in records.alerts(last_run()["id"])] == ["SystemExit: 3"] * 2
