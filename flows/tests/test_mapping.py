"""What a task can be mapped over, and who waits for whom then."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest

from blocks_flows import Flow, Parameter, flatten, flow, task, unmapped
from blocks_flows.errors import FlowInvalid, MapLengthsDiffer, NotMappable
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor
from blocks_flows.triggers import all_finished

both_executors = pytest.mark.parametrize(
    "executor", [LocalExecutor(), LocalDaskExecutor(num_workers=4)], ids=["local", "threads"]
)


@task
def numbers():
    return [1, 2, 3]


@task
def double(x):
    return 2 * x


@task
def repeat(x):
    return [x] * x


@task
def total(xs):
    return sum(xs)


@task
def show(value):
    return value


@both_executors
def test_files_of_a_mapped_task_a_tuple_and_a_task_in_a_list_are_cleaned_up_one_by_one(executor) -> None:
    cleaned, evaluated = [], []

    @task
    def download():
        return "dataset.csv"

    @task
    def preprocess(name):
        return f"train_{name}", f"test_{name}"

    @task
    def train(name, alpha):
        return f"model_{alpha}_{name}"

    @task
    def evaluate(model, test):
        evaluated.append(model)

    @task
    def cleanup_file(name):
        cleaned.append((len(evaluated), name))
        return name

    with Flow("f", executor=executor) as f:
        alphas = Parameter("alphas", default=[1.0, 0.1])
        dataset = download()
        parts = preprocess(dataset)
        models = train.map(unmapped(parts[0]), alphas)
        scores = evaluate.map(models, unmapped(parts[1]))
        removed = cleanup_file.map(flatten([[dataset], models, parts]))
        removed.set_upstream(scores)
    state = f.run()
    assert state.result[removed].result == [
        "dataset.csv",
        "model_1.0_train_dataset.csv",
        "model_0.1_train_dataset.csv",
        "train_dataset.csv",
        "test_dataset.csv",
    ]
    assert {already for already, _name in cleaned} == {2}


@both_executors
def test_a_flattened_map_gives_each_element_a_run_and_waits_for_all_lists(executor) -> None:
    with Flow("f", executor=executor) as f:
        lists = repeat.map(numbers())
        doubled = double.map(flatten(lists))
        summed = total(flatten(lists))
    state = f.run()
    assert state.result[doubled].result == [2, 4, 4, 6, 6, 6]
    assert state.result[summed].result == 14


@pytest.mark.parametrize("wrap", [lambda x: unmapped(flatten(x)), lambda x: flatten(unmapped(x))])
def test_what_is_flattened_and_unmapped_goes_whole_to_each_run(wrap) -> None:
    with Flow("f") as f:
        added = task(lambda x, all_of_them: [x, *all_of_them]).map([10, 20], wrap(repeat.map([1, 2])))
    assert f.run().result[added].result == [[10, 1, 2, 2], [20, 1, 2, 2]]


def test_flatten_takes_one_level_away_and_nothing_else() -> None:
    with Flow("f") as f:
        shown = show(flatten([[1, [2]], (3,), range(2), []]))
        nested = show({"deep": [flatten([[1], [2]])]})
        generated = double.map(flatten([x] for x in (1, 2)))
    for _again in range(2):
        state = f.run()
        assert state.result[shown].result == [1, [2], 3, 0, 1]
        assert state.result[nested].result == {"deep": [[1, 2]]}
        assert state.result[generated].result == [2, 4]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([[1], "text"], "element 1 is no list"),
        ([[1], 2], "element 1 is no list"),
        ([{"a": 1}], "element 0 is no list"),
        (5, "which is of type int"),
    ],
)
def test_flatten_refuses_what_is_no_list_of_lists(value, said) -> None:
    with Flow("f") as f:
        mapped = double.map(flatten(show(value)))
    state = f.run().result[mapped]
    assert isinstance(state.result, NotMappable)
    assert said in state.message


@both_executors
def test_lists_of_tasks_are_mapped_over_as_they_stand(executor) -> None:
    with Flow("f", executor=executor) as f:
        a, b = double(1), double(2)
        mapped = show.map([a, [b, 7], numbers()])
    assert f.run().result[mapped].result == [2, [4, 7], [1, 2, 3]]


def test_a_child_follows_its_child_without_waiting_for_the_others() -> None:
    second_began = threading.Event()

    @task
    def first(x):
        if x == 1:
            assert second_began.wait(timeout=20), "the child of another pair did not begin"
        return x

    @task
    def second(x):
        second_began.set()
        return x

    with Flow("f", executor=LocalDaskExecutor(num_workers=2)) as f:
        paired = second.map(first.map([1, 2]))
    assert f.run().result[paired].result == [1, 2]


@both_executors
@pytest.mark.parametrize("depth", [1, 4])
def test_maps_of_maps_end_with_every_pair_in_its_place(executor, depth) -> None:
    with Flow("f", executor=executor) as f:
        xs = numbers()
        for _level in range(depth):
            xs = double.map(xs)
    assert f.run().result[xs].result == [x * 2**depth for x in (1, 2, 3)]


@both_executors
def test_an_empty_list_is_mapped_to_an_empty_list_all_the_way_down(executor) -> None:
    with Flow("f", executor=executor) as f:
        mapped = double.map(show([]))
        behind = double.map(mapped)
        constant = double.map([])
        flat = double.map(flatten([mapped, []]))
        summed = total(behind)
    result = f.run().result
    assert [result[each].result for each in (mapped, behind, constant, flat)] == [[], [], [], []]
    assert result[summed].result == 0


GIVEN = {
    "a tuple": (lambda: (1, 2), [2, 4]),
    "a range": (lambda: range(3), [0, 2, 4]),
    "the values of a dict": (lambda: {"a": 1, "b": 2}.values(), [2, 4]),
    "an array": (lambda: np.array([1, 2]), [2, 4]),
    "a series with labels": (lambda: pd.Series([1, 2], index=[1, 0]), [2, 4]),
}


@pytest.mark.parametrize("case", GIVEN)
def test_sequences_and_what_can_be_read_again_are_mapped_over_by_position(case) -> None:
    make, wanted = GIVEN[case]
    with Flow("f") as f:
        of_a_task = double.map(task(make)())
        as_constant = double.map(make())
    result = f.run().result
    assert result[of_a_task].result == wanted
    assert result[as_constant].result == wanted


def test_an_array_of_two_dimensions_is_mapped_over_by_its_rows() -> None:
    with Flow("f") as f:
        sums = total.map(np.array([[1, 2], [3, 4]]))
    assert f.run().result[sums].result == [3, 7]


def test_a_generator_is_read_once_when_it_is_given_and_the_flow_runs_twice() -> None:
    with Flow("f") as f:
        mapped = double.map(x for x in (1, 2))
        zipped = task(lambda pair: sum(pair)).map(zip([1, 2], [3, 4], strict=True))
        of_tasks = double.map(double(x) for x in (1, 2))
    for _again in range(2):
        result = f.run().result
        assert result[mapped].result == [2, 4]
        assert result[zipped].result == [4, 6]
        assert result[of_tasks].result == [4, 8]


def test_a_task_that_returns_an_iterator_cannot_be_mapped_over() -> None:
    with Flow("f") as f:
        mapped = double.map(task(lambda: iter([1, 2]))())
    state = f.run().result[mapped]
    assert isinstance(state.result, NotMappable)
    assert "Let the task before it return a list" in state.message


UNFIT = {
    "a dict": ({"a": 1}, r"map over list\(x.items\(\)\)"),
    "a set": ({1, 2}, r"map over sorted\(x\)"),
    "a text": ("ab", "of type str"),
    "bytes": (b"ab", "of type bytes"),
    "a number": (5, "of type int"),
    "nothing": (None, "of type NoneType"),
    "a data frame": (pd.DataFrame({"a": [1]}), "its rows or its columns"),
    "an array without dimensions": (np.array(5), "cannot be taken apart"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_not_clear_is_refused_when_it_is_declared_or_when_it_is_returned(case) -> None:
    value, said = UNFIT[case]
    with Flow("f") as f:
        with pytest.raises(NotMappable, match=said):
            double.map(value)
        mapped = double.map(show(value))
    state = f.run().result[mapped]
    assert isinstance(state.result, NotMappable)
    with pytest.raises(NotMappable, match=said):
        raise state.result
    assert "Task 'double' is mapped over argument 0" in state.message


def test_a_map_over_nothing_says_so() -> None:
    with Flow("f") as f:
        mapped = double.map(unmapped(1))
    assert "mapped, but over nothing" in f.run().result[mapped].message


@both_executors
def test_with_upstream_tasks_child_follows_child_where_there_are_some(executor) -> None:
    order = []

    @task
    def prepare(x):
        order.append(("prepare", x))
        if x == 2:
            raise ValueError("cannot prepare 2")

    @task
    def use(x):
        order.append(("use", x))
        return x

    with Flow("f", executor=executor) as f:
        prepared = prepare.map([1, 2, 3])
        used = use.map([1, 2, 3], upstream_tasks=[prepared])
        waiting = use.map([10, 20], wait_for=[prepared])
        plain = use.map([7], upstream_tasks=[numbers(), unmapped(used)])
    state = f.run()
    assert [child.name for child in state.result[used].map_states] == ["Success", "TriggerFailed", "Success"]
    assert state.result[waiting].name == "TriggerFailed"
    assert state.result[plain].name == "TriggerFailed"
    assert order.index(("prepare", 3)) < order.index(("use", 3))


def test_children_that_follow_each_other_without_values_are_as_many() -> None:
    with Flow("f") as f:
        used = double.map([1, 2], upstream_tasks=[double.map([1, 2, 3])])
    state = f.run().result[used]
    assert isinstance(state.result, MapLengthsDiffer)
    assert "argument 0: 2, <Task: double> before it: 3" in state.message


def test_edges_can_be_mapped_with_and_without_a_value() -> None:
    with Flow("f") as f:
        doubled = double.map(numbers())
        bound = task(lambda x, y: x + y).bind(y=100)
        bound.set_upstream(doubled, key="x", mapped=True)
        after = task(lambda: "done")()
        after.set_upstream(doubled, mapped=True)
    result = f.run().result
    assert result[bound].result == [102, 104, 106]
    assert result[after].result == ["done"] * 3


def test_the_result_of_a_mapped_task_is_not_taken_apart_like_that_of_one_run() -> None:
    with Flow("f") as f:
        pairs = task(nout=2)(lambda x: (x, x)).map([1, 2])
        with pytest.raises(FlowInvalid, match="is mapped, so its value is a list"):
            _a, _b = pairs
        second = pairs[1]
    assert f.run().result[second].result == (2, 2)


def test_a_list_in_a_failed_map_shows_exceptions_to_one_who_wants_to_see_them() -> None:
    @task
    def invert(x):
        return 1 / x

    @task(trigger=all_finished)
    def count_errors(values):
        return sum(isinstance(each, ZeroDivisionError) for each in values)

    with Flow("f") as f:
        counted = count_errors(invert.map([0, 1, 0]))
    assert f.run().result[counted].result == 2


def test_a_function_maps_over_flattened_lists_and_generators_too() -> None:
    @flow
    def main():
        lists = repeat.map([1, 2])
        doubled = double.map(flatten(lists))
        generated = double.map(x for x in (5, 6))
        inside = show(flatten([[1], [2]]))
        whole = task(lambda x, ys: (x, ys)).map([0], unmapped(flatten(lists)))
        return [each.result() for each in (*doubled, *generated)], inside, whole[0].result()

    assert main() == ([2, 4, 4, 10, 12], [1, 2], (0, [1, 2, 2]))


def test_wrappers_show_what_is_in_them() -> None:
    assert repr(flatten([unmapped(1)])) == "flatten([unmapped(1)])"
