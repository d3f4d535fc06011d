"""What cached values are found by."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from blocks_core.secret import SecretRef
from blocks_flows import Task, task
from blocks_flows.cache_keys import NOT_SETTINGS, KeyContext, cache_key, task_input_hash
from blocks_flows.errors import CacheKeyInvalid
from blocks_flows.fingerprints import fingerprint

SECRET = "planted-s3cret-of-a-key"


class Color(Enum):
    RED = 1


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: object = None


class Model(BaseModel):
    x: int
    key: SecretStr = SecretStr(SECRET)


class Plain:
    def __init__(self, x):
        self.x = x


VALUES = [
    *(None, 1, True, 1.0, -0.0, 0.0, 1j, "1", b"1", ..., NotImplemented),
    *([1], (1,), [[1]], {"a": 1}, {1}, frozenset({1}), [], (), {}, set()),
    *(Color.RED, Point(1), Point(1, 2), Model(x=1), Plain(1), SecretStr(SECRET), SecretRef("env:HOME")),
    *(date(2020, 1, 1), datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), timedelta(1), Decimal("1.0")),
    *(
        UUID(int=1),
        Path("a"),
        range(3),
        OrderedDict(a=1),
        deque([1]),
        partial(int, base=2),
        len,
        "x".upper,
        Plain,
    ),
    *(
        np.eye(2),
        np.eye(2, dtype="f4"),
        np.array([1]),
        np.float64(1),
        np.array(["a", None], object),
    ),
    *(np.datetime64("2020"), np.random.RandomState(3), np.zeros((2, 1)), np.zeros((1, 2))),
    *(
        pd.Series([1, 2]),
        pd.Series([1.0, 2.0]),
        pd.Series([1, 2], name="a"),
        pd.Timestamp("2020"),
    ),
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[1, 2]),
    pd.DataFrame({"a": pd.Categorical(["a", "b"])}),
    pd.DataFrame({"a": pd.Categorical(["a", "b"], categories=["b", "a"])}),
    pd.Series([1, "1"]),
    pd.Series(["1", 1]),
    pd.MultiIndex.from_tuples([(1, "a")]),
    lambda x: x,
    lambda x: x + 1,
]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


def key_of(made: Task, /, **arguments) -> str:
    return task_input_hash(KeyContext(made, None), arguments)


def test_values_that_differ_have_fingerprints_that_differ() -> None:
    found = [fingerprint(value) for value in VALUES]
    assert len(set(found)) == len(VALUES)
    assert [fingerprint(value) for value in VALUES] == found


@given(left=PLAIN, right=PLAIN)
def test_plain_values_have_one_fingerprint_if_they_are_written_alike(left, right) -> None:
    assert (fingerprint(left) == fingerprint(right)) == (_sorted(left) == _sorted(right))


def _sorted(value) -> str:
    if isinstance(value, dict):
        return f"{{{sorted((key, _sorted(each)) for key, each in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}{[_sorted(each) for each in value]}"
    return repr(value)


def test_the_order_of_dicts_and_sets_does_not_count() -> None:
    assert fingerprint({"a": 1, "b": {2, 30, 400}}) == fingerprint({"b": {400, 30, 2}, "a": 1})


def test_a_value_that_holds_itself_or_one_thing_often_is_walked_once() -> None:
    circle: list = [1]
    circle.append(circle)
    other: list = [1]
    other.append(other)
    assert fingerprint(circle) == fingerprint(other)
    twice: list = [1]
    for _ in range(60):
        twice = [twice, twice]
    assert fingerprint(twice) != fingerprint([twice])


def test_views_and_orders_of_one_array_are_the_same() -> None:
    array = np.arange(12).reshape(3, 4)
    assert fingerprint(array) == fingerprint(np.asfortranarray(array))
    assert fingerprint(array[:, ::2]) == fingerprint(array[:, ::2].copy())


PROGRAM = """
import sys, datetime, decimal, enum
from dataclasses import dataclass
import numpy as np, pandas as pd
from pydantic import BaseModel, SecretStr
from blocks_flows import task, Task
from blocks_flows.cache_keys import KeyContext, task_input_hash

class Color(enum.StrEnum):
    RED = "red"

@dataclass
class Point:
    x: int

class Model(BaseModel):
    names: set[str]

@task(retries=3)
def work(value, *more, key=None, **others):
    "What it does."
    names = {"a", "b", "c"}   # a constant of its own
    return [n for n in names if n in {"a", "b", "c", "d"}], lambda: value

class Class(Task):
    def __init__(self, alpha, **more):
        super().__init__(**more)
        self.alpha = alpha
    def run(self, value):
        return value

value = {"s": {"a", "b", "c", "d"}, "m": Model(names={"x", "y", "z"}), "p": Point(1), "c": Color.RED,
         "f": frozenset({("a", 1), ("b", 2)}), "k": SecretStr("planted-s3cret-of-a-key"), "d": decimal.Decimal("1.10"),
         "n": np.arange(3), "t": pd.DataFrame({"a": ["x", "y"], "b": pd.Categorical(["p", "q"])}),
         "r": np.random.RandomState(1), "l": lambda x: x in {"a", "b", "c"}}
for made in (work, Class(alpha={"a", "b", "c"})):
    print(task_input_hash(KeyContext(made, None), {"value": value, "when": datetime.date(2020, 1, 1)}))
"""


def test_a_key_is_the_same_in_each_process(tmp_path) -> None:
    found = set()
    for place, seed in enumerate(("1", "2")):
        folder = tmp_path / f"machine-{place}"
        folder.mkdir()
        (folder / "program.py").write_text("\n" * place + PROGRAM)
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "program.py"], cwd=folder, env=env, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1, found
    [lines] = found
    assert len(set(lines.split())) == 2
    assert all(len(line) == 64 for line in lines.split())


def test_a_key_changes_with_the_name_the_version_the_code_and_the_arguments() -> None:
    def work(x):
        return x + 1

    def other(x):
        return x + 2

    made = [
        key_of(task(work), x=1),
        key_of(task(work), x=2),
        key_of(task(work), y=1),
        key_of(task(name="another")(work), x=1),
        key_of(task(version="2")(work), x=1),
        key_of(task(name="work")(other), x=1),
    ]
    assert len(set(made)) == len(made)
    assert key_of(task(retries=3, tags=["a"])(work), x=1) == made[0]


def test_comments_layout_and_the_docstring_do_not_change_a_key() -> None:
    def make(text):
        names: dict = {}
        exec(text, names)
        return key_of(task(names["work"]), x=1)

    first = make("def work(x):\n    return x + 1")
    assert make("\n\ndef work(x):\n    '''Adds.'''\n    # one\n    return (x +\n        1)") == first
    assert make("def work(x):\n    return x + 1 + 0") != first


def test_a_closure_counts_by_what_cannot_change() -> None:
    def make(alpha, seen):
        @task
        def work(x):
            seen.append(x)
            return x * alpha

        return work

    assert key_of(make(1, []), x=1) != key_of(make(2, []), x=1)
    assert key_of(make(1, []), x=1) == key_of(make(1, [1, 2]), x=1)
    assert key_of(make(1, threading.Lock()), x=1)


def test_a_class_counts_with_what_it_was_made_with() -> None:
    class Train(Task):
        def __init__(self, alpha, **more):
            super().__init__(**more)
            self.alpha = alpha

        def run(self, x):
            return self.work(x)

        def work(self, x):
            return x * self.alpha

    class Other(Train):
        def work(self, x):
            return x

    assert key_of(Train([1]), x=1) == key_of(Train([1]), x=1)
    assert key_of(Train([1]), x=1) != key_of(Train([2]), x=1)
    assert key_of(Train([1], name="a"), x=1) != key_of(Other([1], name="a"), x=1)
    assert set(vars(Train([1]))) - {"alpha"} <= NOT_SETTINGS


def test_a_method_counts_with_its_object() -> None:
    class Shop:
        def __init__(self, name):
            self.name = name

        @task
        def sell(self, x):
            return self.name, x

    assert key_of(Shop("a").sell, x=1) == key_of(Shop("a").sell, x=1)
    assert key_of(Shop("a").sell, x=1) != key_of(Shop("b").sell, x=1)


def test_what_cannot_be_pickled_is_named_and_nothing_of_a_secret_is_said() -> None:
    made = task(lambda **_: None, name="query")
    with pytest.raises(CacheKeyInvalid, match=r"Task 'query'.*argument 'lock', of type lock.*cache_key_fn"):
        key_of(made, lock=threading.Lock(), key=SecretStr(SECRET))
    with pytest.raises(CacheKeyInvalid, match="argument 'rows', of type list"):
        key_of(made, rows=[(x for x in "abc")])


def test_a_secret_changes_the_key_and_is_slow_to_try_out() -> None:
    made = task(lambda **_: None, name="query")
    keys = {key_of(made, key=value) for value in (SecretStr("a"), SecretStr("b"), "a", SecretStr(""))}
    assert len(keys) == 4
    before = datetime.now(UTC)
    for number in range(3):
        fingerprint(SecretStr(f"{SECRET}-{number}"))
    assert datetime.now(UTC) - before > timedelta(milliseconds=15), (
        "a lower bound, which no busy machine breaks"
    )


def test_a_key_function_gets_the_context_and_the_arguments_or_the_arguments_by_name() -> None:
    seen = []

    def by_place(context, arguments):
        seen.append((context.task.name, dict(arguments)))
        return "placed"

    functions = {
        by_place: "placed",
        (lambda *_: "any"): "any",
        (lambda **given: str(sorted(given))): "['day', 'x']",
        (lambda day: f"of {day}"): "of monday",
        (lambda x, day: f"{x} of {day}"): "1 of monday",
        (lambda *, day, more=0: f"{day} {more}"): "monday 0",
        (lambda day, **rest: f"{day} {rest}"): "monday {'x': 1}",
        (lambda: "none"): "none",
        (lambda *_: None): None,
    }
    for function, expected in functions.items():
        made = task(cache_key_fn=function)(lambda x, day: 0)
        assert cache_key(KeyContext(made, None), {"x": 1, "day": "monday"}) == expected
    assert seen == [("<lambda>", {"x": 1, "day": "monday"})]


def test_a_key_that_is_no_text_is_refused() -> None:
    made = task(cache_key_fn=lambda *_: 3, name="f")(lambda: 0)
    with pytest.raises(CacheKeyInvalid, match="task 'f' returned a int"):
        cache_key(KeyContext(made, None), {})
