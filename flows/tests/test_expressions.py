"""What can be written with the results of tasks in the graph of a flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows import Flow, Parameter, flow, task
from blocks_flows.errors import FlowInvalid


@task
def seven():
    return 7


@task
def two():
    return 2


@task
def show(value):
    return value


EXPRESSIONS = {
    "seven + two": (lambda a, b: a + b, 9),
    "seven - two": (lambda a, b: a - b, 5),
    "seven * two": (lambda a, b: a * b, 14),
    "seven / two": (lambda a, b: a / b, 3.5),
    "seven // two": (lambda a, b: a // b, 3),
    "seven % two": (lambda a, b: a % b, 1),
    "seven ** two": (lambda a, b: a**b, 49),
    "- seven": (lambda a, b: -a, -7),
    "seven > two": (lambda a, b: a > b, True),
    "seven >= two": (lambda a, b: a >= b, True),
    "seven < two": (lambda a, b: a < b, False),
    "seven <= two": (lambda a, b: a <= b, False),
    "seven and two": (lambda a, b: a & b, 2),
    "seven or two": (lambda a, b: a | b, 7),
    "not seven": (lambda a, b: a.not_(), False),
    "seven == two": (lambda a, b: a.is_equal(b), False),
    "seven != two": (lambda a, b: a.is_not_equal(b), True),
    "10 + two": (lambda a, b: 10 + b, 12),
    "10 - two": (lambda a, b: 10 - b, 8),
    "10 * two": (lambda a, b: 10 * b, 20),
    "10 / two": (lambda a, b: 10 / b, 5.0),
    "10 // two": (lambda a, b: 10 // b, 5),
    "10 % two": (lambda a, b: 10 % b, 0),
    "10 ** two": (lambda a, b: 10**b, 100),
    "two < 10": (lambda a, b: 10 > b, True),  # noqa: SIM300 - it is what is tested
    "0 and two": (lambda a, b: 0 & b, 0),
    "0 or two": (lambda a, b: 0 | b, 2),
    "seven and True": (lambda a, b: a.and_(True), True),
    "seven or None": (lambda a, b: a.or_(None), 7),
    "(seven + two) * 3": (lambda a, b: (a + b) * 3, 27),
    "two * <list>": (lambda a, b: b * [1], [1, 1]),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_is_a_task_that_is_named_like_it(name: str) -> None:
    make, wanted = EXPRESSIONS[name]
    with Flow("f") as f:
        made = make(seven(), two())
    assert made.name == name
    assert f.run().result[made].result == wanted


def test_a_sum_of_tasks_can_be_written_with_sum() -> None:
    with Flow("f") as f:
        added = sum([seven(), two(), Parameter("p", default=1)])
    assert f.run().result[added].result == 10
    assert f.run(p=5).result[added].result == 14


def test_arrays_and_series_on_the_left_leave_the_operation_to_the_task() -> None:
    with Flow("f") as f:
        array = np.array([1, 2]) + two()
        series = pd.Series([1, 2]) * two()
        compared = np.array([1, 3]) > two()
    result = f.run().result
    assert list(result[array].result) == [3, 4]
    assert list(result[series].result) == [2, 4]
    assert list(result[compared].result) == [False, True]


def test_tasks_stay_keys_and_are_compared_by_what_they_are() -> None:
    with Flow("f"):
        a, b = seven(), seven()
    assert a == a
    assert a != b
    assert {a: 1, b: 2}[b] == 2
    assert a in {a}


def test_an_error_in_an_expression_is_that_of_its_operator() -> None:
    with Flow("f") as f:
        divided = seven() / 0
        behind = show(divided)
    result = f.run().result
    assert result[divided].message == "ZeroDivisionError: division by zero"
    assert result[behind].name == "TriggerFailed"


ITEMS: dict[str, Any] = {
    "show[0]": (lambda x, t: x[0], "a"),
    "show[-1]": (lambda x, t: x[-1], "d"),
    "show[two]": (lambda x, t: x[t], "c"),
    "show[1:]": (lambda x, t: x[1:], ["b", "c", "d"]),
    "show[:two]": (lambda x, t: x[:t], ["a", "b"]),
    "show[::2]": (lambda x, t: x[::2], ["a", "c"]),
}


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_is_a_task_and_so_may_its_key_be(name: str) -> None:
    make, wanted = ITEMS[name]
    with Flow("f") as f:
        item = make(show("abcd"), two())
    assert item.name == name
    assert f.run().result[item].result == ("".join(wanted) if isinstance(wanted, list) else wanted)


def test_keys_of_dicts_and_arrays_are_taken_as_they_are() -> None:
    with Flow("f") as f:
        value = show({"k": [5], ("a", 1): 6})
        by_text = value["k"]
        deep = value["k"][0]
        by_pair = value["a", 1]
        corner = show(np.array([[1, 2], [3, 4]]))[1, two() - 1]
        missing = value["nowhere"]
    assert [each.name for each in (by_text, deep, by_pair)] == [
        "show['k']",
        "show['k'][0]",
        "show['a', 1]",
    ]
    result = f.run().result
    assert [result[each].result for each in (by_text, deep, by_pair, corner)] == [[5], 5, 6, 4]
    assert result[missing].message == "KeyError: 'nowhere'"


def test_a_name_stays_short_and_shows_no_text_and_no_secret() -> None:
    SECRETS_IN_USE.add(["hunter2-hunter2"])
    with Flow("f"):
        x = show({})
        assert (x + "a text of the user").name == "show + <str>"
        assert "hunter2" not in x["hunter2-hunter2"].name
        long = x["k" * 500]
        deep = x
        for _each in range(100):
            deep = deep + 1
    assert len(long.name) < 60
    assert len(deep.name) < 80


def test_a_result_is_taken_apart_where_it_is_known_into_how_many_parts() -> None:
    @task(nout=2)
    def split(x):
        return x, -x

    @task
    def annotated(x) -> tuple[int, int, int]:
        return x, x, x

    with Flow("f") as f:
        a, b = split(3)
        c, d, e = annotated(4)
        starred = show([*split(5)])
    assert (a.name, b.name) == ("split[0]", "split[1]")
    result = f.run().result
    assert [result[each].result for each in (a, b, c, d, e)] == [3, -3, 4, 4, 4]
    assert result[starred].result == [5, -5]


def test_a_result_of_unknown_size_is_not_taken_apart() -> None:
    @task
    def endless() -> tuple[int, ...]:
        return (1, 2)

    @task
    def unreadable() -> tuple[Nowhere, Nowhere]:  # noqa: F821 - it is what is tested
        return (1, 2)

    with Flow("f") as f:
        for each in (show(1), endless(), unreadable()):
            with pytest.raises(FlowInvalid, match=r"@task\(nout=2\)"):
                _a, _b = each
    assert [each.name for each in f.tasks] == ["show", "endless", "unreadable"]
    with Flow("f"), pytest.raises(ValueError, match="too many values to unpack"):
        _a, _b = task(nout=3)(lambda: (1, 2, 3))()


@pytest.mark.parametrize("wrong", [0, -1, True, "2"])
def test_a_number_of_values_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(FlowInvalid, match="Give the number of values"):
        task(nout=wrong)(print)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x + 1 if x else 0,
        lambda x: x and 1,
        lambda x: not x,
        lambda x: 1 < x < 3,
    ],
)
def test_what_python_would_decide_at_once_is_refused(wrong) -> None:
    with Flow("f"), pytest.raises(FlowInvalid, match="neither true nor false"):
        wrong(seven())


def test_a_task_that_was_not_called_cannot_be_calculated_with() -> None:
    with Flow("f"), pytest.raises(FlowInvalid, match=r"an operation \(\+\) means nothing"):
        seven + 1


def test_expressions_belong_to_the_flow_that_is_declared() -> None:
    with Flow("f") as f:
        x = seven()
    g = f.copy()
    outside = x + 1
    with g:
        inside = x + 2
    assert f.tasks == [x, outside]
    assert g.tasks == [x, inside]
    assert f.run().result[outside].result == 8
    assert g.run().result[inside].result == 9


def test_a_function_calculates_with_values() -> None:
    @flow
    def main():
        return seven() + two()

    assert main() == 9
