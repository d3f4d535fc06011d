from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

import pytest

import blocks_flows
from blocks_flows import Flow, Parameter, Task, task, unmapped
from blocks_flows.errors import (
    CycleFound,
    FlowInvalid,
    FlowMissing,
    MapLengthsDiffer,
    NotMappable,
    OptionUnknown,
    ParametersInvalid,
    UpstreamFailed,
)
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor

VARIABLE: ContextVar[object] = ContextVar("VARIABLE", default=None)


@task
def numbers():
    return [1, 2, 3]


@task
def double(x):
    return 2 * x


@task
def add(x, y):
    return x + y


@task
def fail_on(x, bad):
    if x == bad:
        raise ValueError(f"{x} is bad")
    return x


def test_a_called_task_stands_for_its_result_and_the_original_is_untouched() -> None:
    with Flow("f") as f:
        x = numbers()
        y = double(x[0])
    assert repr(x) == "<Task: numbers>"
    assert repr(y) == "<Task: double>"
    assert x is not numbers
    assert [each.name for each in f.tasks] == ["numbers", "numbers[0]", "double"]
    state = f.run()
    assert state.is_successful()
    assert state.result[y].result == 2
    assert state.result[x].result == [1, 2, 3]
    assert state.message == "All reference tasks succeeded."


def test_tasks_nested_in_lists_tuples_and_dicts_are_resolved() -> None:
    @task
    def show(value):
        return value

    with Flow("f") as f:
        x = numbers()
        shown = show({"all": [x, (x[0], 7)], "plain": 1})
    assert f.run().result[shown].result == {"all": [[1, 2, 3], (1, 7)], "plain": 1}


def test_a_parameter_takes_the_given_value_or_its_default() -> None:
    with Flow("f") as f:
        a, b = Parameter("a"), Parameter("b", default=10)
        total = add(a, b)
    assert [(each.name, each.required, each.default) for each in f.parameters()] == [
        ("a", True, None),
        ("b", False, 10),
    ]
    assert f.run(a=1).result[total].result == 11
    assert f.run({"a": 1, "b": 2}).result[total].result == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "alpha: a value is needed, as there is no default"),
        ({"alpha": 1, "alhpa": 2}, "alhpa: there is no such parameter, did you mean 'alpha'?"),
    ],
)
def test_missing_and_unknown_parameters_are_named_and_nothing_is_run(given, said, records) -> None:
    with Flow("f") as f:
        double(Parameter("alpha"))
    with pytest.raises(ParametersInvalid, match="flow 'f'") as raised:
        f.run(given)
    assert said in str(raised.value)


def test_a_default_that_json_cannot_hold_is_refused() -> None:
    with Flow("f"), pytest.raises(FlowInvalid, match="JSON cannot hold"):
        Parameter("p", default={1, 2})


def test_two_parameters_of_one_name_are_refused() -> None:
    with Flow("f"):
        Parameter("p")
        with pytest.raises(FlowInvalid, match="a parameter 'p' already"):
            Parameter("p")


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=3)])
def test_mapping_takes_the_length_from_the_result_and_gives_the_rest_whole(executor) -> None:
    with Flow("f", executor=executor) as f:
        sums = add.map(numbers(), unmapped(10))
        again = add.map(sums, sums)
        total = task(sum)(again)
    result = f.run().result
    assert result[sums].result == [11, 12, 13]
    assert [state.result for state in result[sums].map_states] == [11, 12, 13]
    assert result[again].result == [22, 24, 26]
    assert result[total].result == 72


def test_mapping_over_an_empty_list_succeeds() -> None:
    with Flow("f") as f:
        mapped = double.map(Parameter("xs"))
        behind = double.map(mapped)
    result = f.run(xs=[]).result
    assert result[mapped].is_successful()
    assert result[mapped].result == result[behind].result == []


def test_mapping_over_lists_of_different_lengths_fails_with_both_lengths() -> None:
    with Flow("f") as f:
        mapped = add.map([1, 2], numbers())
    state = f.run().result[mapped]
    assert state.is_failed()
    assert isinstance(state.result, MapLengthsDiffer)
    assert "argument 0: 2, argument 1: 3" in state.message


@pytest.mark.parametrize("value", ["text", {"a": 1}, 5, {1}])
def test_mapping_over_what_is_no_sequence_fails(value) -> None:
    with Flow("f") as f:
        mapped = double.map(task(lambda: value)())
    assert isinstance(f.run().result[mapped].result, NotMappable)


def test_a_failed_run_of_a_mapped_task_stops_only_its_own_branch() -> None:
    with Flow("f") as f:
        tried = fail_on.map(numbers(), unmapped(2))
        behind = double.map(tried)
        total = task(sum)(behind)
    state = f.run()
    assert state.is_failed()
    assert state.message == "Some reference tasks failed."
    names = [child.name for child in state.result[behind].map_states]
    assert names == ["Success", "TriggerFailed", "Success"]
    assert state.result[total].name == "TriggerFailed"
    assert isinstance(state.result[total].result, UpstreamFailed)


def test_the_leaves_decide_unless_other_reference_tasks_are_set() -> None:
    with Flow("f") as f:
        good = numbers()
        bad = fail_on(1, 1)
        bad.set_upstream(good)
    assert f.reference_tasks == [bad]
    assert f.run().is_failed()
    f.reference_tasks = [good]
    assert f.run().is_successful()
    with pytest.raises(FlowInvalid, match="no task of flow 'f'"):
        f.set_reference_tasks([double])


def test_edges_without_data_hold_and_cycles_are_refused() -> None:
    order = []

    @task
    def note(name):
        order.append(name)

    with Flow("f") as f:
        first, second, third = note("first"), note("second"), note("third")
        first.set_upstream(second)
        second.set_upstream(third)
        with pytest.raises(CycleFound, match="'note' cannot wait for 'note'"):
            first.set_downstream(third)
        with pytest.raises(CycleFound):
            first.set_upstream(first)
    f.run()
    assert order == ["third", "second", "first"]


def test_a_mapped_task_waits_for_all_of_one_it_has_only_an_edge_to() -> None:
    finished = []

    @task
    def slow(x):
        time.sleep(0.02 * x)
        finished.append(x)

    @task
    def clean(x):
        return len(finished)

    with Flow("f", executor=LocalDaskExecutor(num_workers=4)) as f:
        cleaned = clean.map([1, 2, 3])
        cleaned.set_upstream(slow.map(numbers()))
    assert f.run().result[cleaned].result == [3, 3, 3]


def test_mapped_runs_are_parallel_on_threads() -> None:
    together = threading.Barrier(6)

    @task
    def meet(x):
        together.wait(timeout=60)  # breaks unless all six are there at once
        return x

    with Flow("f", executor=LocalDaskExecutor(num_workers=6)) as f:
        met = meet.map(list(range(6)))
    assert f.run().result[met].result == list(range(6))


def test_threads_have_room_for_four_tasks_on_the_smallest_machine() -> None:
    together = threading.Barrier(4)
    with Flow("f", executor=LocalDaskExecutor()) as f:
        task(lambda _: together.wait(timeout=60)).map(list(range(4)))
    assert f.run().is_successful()


@pytest.mark.parametrize("executor", [LocalExecutor(), LocalDaskExecutor(num_workers=2)])
def test_a_task_is_tried_again_after_its_delays(executor) -> None:
    began = []

    @task(max_retries=2, retry_delay=[timedelta(seconds=0.03), 0.06])
    def flaky():
        began.append(time.monotonic())
        if len(began) < 3:
            raise ConnectionError("not yet")
        return "done"

    with Flow("f", executor=executor) as f:
        tried = flaky()
    assert f.run().result[tried].result == "done"
    first, second = began[1] - began[0], began[2] - began[1]
    assert first >= 0.03
    assert second >= 0.06


def test_a_task_fails_when_its_retries_are_used_up(records, last_run) -> None:
    with Flow("f") as f:
        tried = task(retries=1)(lambda: 1 / 0)()
    state = f.run().result[tried]
    assert isinstance(state.result, ZeroDivisionError)
    assert state.message == "ZeroDivisionError: division by zero"
    names = [row["name"] for row in records.states(last_run()["id"]) if row["task_run_id"]]
    assert names == ["Running", "Retrying", "Running", "Failed"]


def test_a_class_is_a_task_too() -> None:
    class Power(Task):
        """Raise to a power."""

        def __init__(self, exponent, **arguments):
            self.exponent = exponent
            super().__init__(**arguments)

        def run(self, x):
            return x**self.exponent

    square = Power(2, name="square", tags=["math"])
    with Flow("f") as f:
        squared = square(7)
    assert repr(squared) == "<Task: square>"
    assert square.options.description == "Raise to a power."
    assert f.run().result[squared].result == 49


def test_exit_in_a_task_ends_the_task_only() -> None:
    with Flow("f") as f:
        ended = task(lambda: exit(3))()
        other = numbers()
    state = f.run()
    assert state.result[ended].is_failed()
    assert state.result[other].is_successful()


def test_an_interrupted_run_is_recorded_as_cancelled(records, last_run) -> None:
    @task
    def interrupt():
        raise KeyboardInterrupt

    with Flow("f") as f:
        double(interrupt())
    with pytest.raises(KeyboardInterrupt):
        f.run()
    run = last_run()
    assert run["state_type"] == "Cancelled"
    assert {row["state_type"] for row in records.task_runs(run["id"])} == {"Cancelled"}


def test_the_context_tells_of_the_run() -> None:
    seen = {}

    @task(tags=["loud"])
    def look(x):
        context = blocks_flows.context
        seen[x] = (context.get("map_index"), context.task_run_name, context.flow_name, context.parameters)
        return context.get("scheduled_start_time"), context.tags

    with Flow("f", tags=["all"], executor=LocalDaskExecutor(num_workers=2)) as f:
        xs = Parameter("xs", default=[4, 5])
        looked = look.map(xs)
    when = datetime(2021, 10, 4, 16, 21, tzinfo=UTC)
    moment, tags = f.run(scheduled_start_time=when).result[looked].result[0]
    assert seen == {
        4: (0, "look[0]", "f", {"xs": [4, 5]}),
        5: (1, "look[1]", "f", {"xs": [4, 5]}),
    }
    assert moment.format("YYYYMMDDHHmmss") == "20211004162100"
    assert tags == ("all", "loud")
    assert blocks_flows.context.get("flow_run_id") is None


def test_a_scheduled_time_without_a_zone_is_refused() -> None:
    with Flow("f") as f:
        numbers()
    with pytest.raises(FlowInvalid, match="names no moment"):
        f.run(scheduled_start_time=datetime(2021, 10, 4))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: double(1), "outside of a flow"),
        (lambda: double[0], "Call it in a `with Flow"),
        (lambda: double.set_upstream(add), "Call it in a `with Flow"),
        (lambda: list(double), "cannot be iterated over"),
        (lambda: bool(double), "neither true nor false"),
        (lambda: task(retires=1)(print), "no argument 'retires' .did you mean 'retries'"),
        (lambda: task(retries=-1)(print), "whole number, 0 or more"),
        (lambda: task(retries=1, max_retries=1)(print), "which mean the same"),
        (lambda: task(on_failure=3)(print), "notifier block"),
        (lambda: task(result_storage=3)(print), "storage block"),
        (lambda: Flow("f", schedul=1), "no argument 'schedul'"),
        (lambda: Flow("f", executor="dask"), "LocalDaskExecutor"),
        (lambda: LocalDaskExecutor(num_workers=0), "1 or more"),
    ],
)
def test_a_wrong_declaration_says_what_to_do(wrong, said) -> None:
    with pytest.raises((FlowInvalid, FlowMissing, OptionUnknown), match=said):
        wrong()


def test_a_task_is_called_as_its_function_wants() -> None:
    with Flow("f") as f:
        with pytest.raises(FlowInvalid, match="Task 'add' cannot be called like this: missing a required"):
            add(1)
        with pytest.raises(FlowInvalid, match="before it was called"):
            double(numbers)
        with pytest.raises(FlowInvalid, match="does not run yet"):
            double.submit(1)
    with Flow("g"), pytest.raises(FlowInvalid, match="before it was called"):
        double(add)
    assert f.tasks == []


def test_a_flow_runs_in_a_task_as_a_child_run(records, last_run) -> None:
    with Flow("inner") as inner:
        numbers()

    with Flow("outer") as outer:
        task(lambda: inner.run().is_successful())()
    assert outer.run().is_successful()
    runs = {run["flow_name"]: run for run in records.list_runs(blocks_flows.runs.RunFilter())}
    child = runs["inner"]
    assert child["parent_flow_run_id"] == runs["outer"]["id"]
    assert child["parent_task_run_id"] in [row["id"] for row in records.task_runs(runs["outer"]["id"])]


def test_a_name_is_made_of_the_arguments() -> None:
    @task(task_run_name="train-{alpha}")
    def train(alpha, data=None):
        return blocks_flows.context.task_run_name

    with Flow("f") as f:
        trained = train.map([0.1, 1.0])
        broken = task(task_run_name="{nothing}")(lambda: 1)()
    result = f.run().result
    assert result[trained].result == ["train-0.1", "train-1.0"]
    assert result[broken].message == "KeyError: 'nothing'"


def test_tasks_on_threads_do_not_see_each_other_s_context() -> None:
    seen = []

    @task
    def look(x):
        seen.append(VARIABLE.get())
        VARIABLE.set(x)

    VARIABLE.set("flow")
    with Flow("f", executor=LocalDaskExecutor(num_workers=1)) as f:
        look.map([1, 2, 3])
    f.run()
    assert seen == ["flow"] * 3


def test_a_flow_can_be_opened_again_and_inside_itself() -> None:
    with Flow("f") as f:
        x = numbers()
        with f:
            y = x[0]
        z = double(y)
    with f:
        last = double(z)
    assert f.run().result[last].result == 4


def test_independent_branches_are_followed_to_their_ends_one_after_another() -> None:
    order = []

    @task
    def note(name, behind=None):
        order.append(name)

    with Flow("f") as f:
        a, b = note("a"), note("b")
        note("a2", a)
        note("b2", b)
    f.run()
    assert order == ["a", "a2", "b", "b2"]


def test_an_exception_that_cannot_tell_its_text_fails_its_task_only() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def speak():
        raise Mute

    def shout():
        raise ValueError("x" * 100_000)

    with Flow("f") as f:
        muted, shouted = task(speak)(), task(shout)()
    result = f.run().result
    assert result[muted].message == "Mute: (its text cannot be made)"
    assert len(result[shouted].message) < 2100


def test_a_parameter_can_be_taken_apart_in_each_flow_that_uses_it() -> None:
    pair = Parameter("pair", default=[1, 2])
    with Flow("f") as f:
        first = double(pair[0])
    with Flow("g") as g:
        second = double(pair[1])
    with f:
        third = double(pair[1])
    state = f.run()
    assert (state.result[first].result, state.result[third].result) == (2, 4)
    assert g.run().result[second].result == 4


def test_the_names_of_a_function_s_own_attributes_do_not_matter() -> None:
    def work():
        return 1

    work.name, work.options = "other", 5
    with Flow("f") as f:
        worked = task(work)()
    assert worked.name == "work"
    assert f.run().result[worked].result == 1
    assert blocks_flows.flow(task(work))() == 1


def test_a_method_is_a_task_of_its_object() -> None:
    class Model:
        def __init__(self, factor):
            self.factor = factor

        @task
        def apply(self, x):
            return self.factor * x

    twice, thrice = Model(2), Model(3)
    with Flow("f") as f:
        applied = twice.apply(5), thrice.apply(5)
    state = f.run()
    assert [state.result[each].result for each in applied] == [10, 15]
    assert isinstance(Model.apply, Task)


def test_a_parameter_that_is_not_required_is_none_without_a_default() -> None:
    with Flow("f") as f:
        given = task(lambda x: x)(Parameter("x", required=False))
    assert f.run().result[given].result is None
    assert f.run(x=1).result[given].result == 1
    with pytest.raises(FlowInvalid, match="'y' is required and has a default"):
        Parameter("y", default=1, required=True)


def test_what_stands_behind_a_failed_map_is_told_how_many_failed() -> None:
    with Flow("f") as f:
        behind = task(lambda xs: xs)(task(lambda x: 1 // x).map([1, 0, 2]))
    text = "Not run, as '<lambda>' before it failed: 1 of 3 mapped runs did not succeed."
    assert f.run().result[behind].message == text


def test_words_for_agents_are_told_from_those_that_nobody_knows() -> None:
    with pytest.raises(OptionUnknown, match="'run_config': it is for agents, which are not here yet"):
        Flow("f", run_config=None)
