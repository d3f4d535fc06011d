"""Branches that are decided by values, skips that go on, and what those behind them see."""

from __future__ import annotations

import pytest

from blocks_flows import Flow, Parameter, case, flow, ifelse, merge, signals, switch, task, triggers
from blocks_flows.control_flow import FilterTask, Merge
from blocks_flows.errors import FlowInvalid, UpstreamFailed
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor

pytestmark = pytest.mark.parametrize(
    "executor", [LocalExecutor(), LocalDaskExecutor(num_workers=3)], ids=["local", "threads"]
)


@task
def show(value):
    return value


@task
def plus_one(x):
    return x + 1


@task
def is_even(x):
    return x % 2 == 0


@task
def say(text):
    return text


@task
def fail(*_values):
    raise ValueError("no")


def names(state, *tasks) -> list[str]:
    return [state.result[each].name for each in tasks]


def test_the_block_whose_value_fits_runs_and_the_others_are_skipped(executor) -> None:
    with Flow("f", executor=executor) as f:
        word = show(Parameter("word"))
        with case(word, "a"):
            a = say("A")
            behind_a = plus_one(show(1))
        with case(word, "b"):
            b = say("B")
            after = show(b)
        merged = merge(a, b)
    assert "case('a')" in [each.name for each in f.tasks]
    state = f.run(word="a")
    assert names(state, a, behind_a, b, after, merged) == [
        "Success",
        "Success",
        "Skipped",
        "Skipped",
        "Success",
    ]
    assert state.result[merged].result == "A"
    assert f.run(word="b").result[merged].result == "B"
    state = f.run(word="c")
    assert state.is_successful()
    assert names(state, a, b, merged) == ["Skipped"] * 3


def test_tasks_of_a_block_wait_for_the_comparison_unless_they_wait_for_each_other(executor) -> None:
    with Flow("f", executor=executor) as f:
        x = show(1)
        with case(x, 1):
            head = plus_one(x)
            inner = plus_one(head)
        outer = plus_one(inner)
    (comparison,) = f.get_tasks(name="case(1)")
    assert f.downstream_tasks(comparison) == [head]
    assert f.upstream_tasks(inner) == [head]
    assert f.run().result[outer].result == 4


def test_blocks_in_blocks_are_skipped_with_the_outer_one(executor) -> None:
    with Flow("f", executor=executor) as f:
        outer_value, inner_value = Parameter("outer"), Parameter("inner")
        with case(outer_value, True):
            first = say("first")
            with case(inner_value, True):
                yes = say("yes")
                yes_behind = show(first)
            with case(inner_value, False):
                no = say("no")
            chosen = merge(yes, no)
        last = merge(chosen, say("neither"))
    state = f.run(outer=True, inner=False)
    assert names(state, first, yes, yes_behind, no) == ["Success", "Skipped", "Skipped", "Success"]
    assert state.result[last].result == "no"
    state = f.run(outer=False, inner=True)
    assert names(state, first, yes, yes_behind, no, chosen) == ["Skipped"] * 5
    assert state.result[last].result == "neither"


def test_a_condition_and_a_value_may_be_constants_and_a_value_a_task(executor) -> None:
    with Flow("f", executor=executor) as f:
        with case(True, True):
            taken = say("taken")
        with case(1, 2):
            passed = say("passed")
        with case(show(5), plus_one(4)):
            equal = say("equal")
        with case(5, 5):
            pass
    assert names(f.run(), taken, passed, equal) == ["Success", "Skipped", "Success"]
    assert len(f.get_tasks(name="case(5)")) == 0


def test_expressions_and_parameters_in_a_block_are_of_it_and_not_of_it(executor) -> None:
    with Flow("f", executor=executor) as f:
        x = show(3)
        with case(x > 5, True):
            more = x * 2
            given = Parameter("p", default=1)
            item = show([given])[0]
        always = plus_one(given)
    state = f.run()
    assert names(state, more, item, given, always) == ["Skipped", "Skipped", "Success", "Success"]


def test_a_failed_condition_fails_the_block(executor) -> None:
    with Flow("f", executor=executor) as f:
        with case(fail(), True):
            inside = say("x")
        merged = merge(inside, say("y"))
    state = f.run()
    assert names(state, inside, merged) == ["TriggerFailed", "TriggerFailed"]
    assert isinstance(state.result[inside].result, UpstreamFailed)


def test_an_error_in_the_block_leaves_the_flow_as_it_was_outside(executor) -> None:
    with Flow("f", executor=executor) as f:
        with pytest.raises(ZeroDivisionError), case(show(1), 2):
            say(1 / 0)
        outside = say("outside")
    assert f.upstream_tasks(outside) == []
    assert f.run().is_successful()


def test_a_block_in_a_function_says_to_write_if(executor) -> None:
    @flow
    def main():
        with case(True, True):
            say("x")

    with pytest.raises(FlowInvalid, match="write `if`"):
        main()


def test_a_switch_runs_one_of_its_tasks_and_what_is_behind_it(executor) -> None:
    @task
    def find_branch():
        return "b"

    @task
    def a_branch():
        return "A"

    @task
    def b_branch():
        return "B"

    with Flow("f", executor=executor) as f:
        switch(find_branch, {"a": a_branch, "b": b_branch, "c": say("C")})
        behind = show(b_branch)
        merged = merge(a_branch, b_branch)
    state = f.run()
    assert names(state, a_branch, b_branch) == ["Skipped", "Success"]
    assert state.result[behind].result == state.result[merged].result == "B"


@pytest.mark.parametrize("value", [5, "text", 0, "", None, []])
def test_ifelse_takes_a_value_as_python_does(executor, value) -> None:
    with Flow("f", executor=executor) as f:
        yes, no, only = say("yes"), say("no"), say("only")
        condition = show(value)
        ifelse(condition, yes, no)
        ifelse(condition, only, None)
        merged = merge(yes, no)
    state = f.run()
    assert state.result[merged].result == ("yes" if value else "no")
    assert state.result[only].name == ("Success" if value else "Skipped")


def test_of_several_branches_that_ran_the_first_value_is_taken(executor) -> None:
    with Flow("f", executor=executor) as f:
        merged = merge(say(None), say(0), say("later"))
        nothing = merge(say(None), say(None))
        with_constant = merge(say(None), "constant")
    result = f.run().result
    assert [result[each].result for each in (merged, nothing, with_constant)] == [0, None, "constant"]


def test_a_merge_fails_where_a_branch_failed_and_cannot_be_told_to_skip(executor) -> None:
    with Flow("f", executor=executor) as f:
        merged = merge(say("a"), fail())
        named = merge(say("a"), task_args={"name": "chosen"}, wait_for=[show(1)])
    state = f.run()
    assert state.result[merged].name == "TriggerFailed"
    assert (named.name, state.result[named].result) == ("chosen", "a")
    with pytest.raises(FlowInvalid, match="would always be skipped"):
        Merge(skip_on_upstream_skip=True)


def test_a_block_around_a_map_skips_the_whole_map(executor) -> None:
    with Flow("f", executor=executor) as f:
        flag = Parameter("flag")
        xs = show([1, 2])
        ys = plus_one.map(xs)
        with case(flag, True):
            left = plus_one.map(ys)
        with case(flag, False):
            right = show.map(ys)
        merged = merge(left, right)
        total = task(sum)(merged)
    assert f.run(flag=True).result[total].result == 7
    assert f.run(flag=False).result[total].result == 5
    assert f.run(flag=None).result[total].is_skipped()


def test_a_map_over_a_list_that_was_not_made_is_skipped_whole(executor) -> None:
    with Flow("f", executor=executor) as f:
        with case(show(1), 2):
            xs = show([1, 2])
        added = task(lambda x, y: x + y).map(xs, plus_one.map([1, 2]))
    state = f.run()
    assert state.result[added].name == "Skipped"
    assert state.is_successful()


def test_a_block_on_a_mapped_condition_decides_child_by_child(executor) -> None:
    with Flow("f", executor=executor) as f:
        xs = show([1, 2, 3])
        even = is_even.map(xs)
        with case(even, True):
            halves = task(lambda x: x // 2).map(xs)
        with case(even, False):
            more = plus_one.map(xs)
            most = plus_one.map(more)
        merged = merge(halves, most, mapped=True)
        behind = show.map(merged)
    state = f.run()
    assert [child.name for child in state.result[halves].map_states] == ["Skipped", "Success", "Skipped"]
    assert [child.name for child in state.result[most].map_states] == ["Success", "Skipped", "Success"]
    assert state.result[behind].result == [3, 1, 5]
    assert state.is_successful()


def test_a_task_that_is_not_mapped_has_no_place_in_a_block_on_a_mapped_condition(executor) -> None:
    with Flow("f", executor=executor):
        even = is_even.map([1, 2])
        with pytest.raises(FlowInvalid, match="Map it, or make one result of them first"), case(even, True):
            say("which?")


def test_a_mapped_switch_and_ifelse_decide_child_by_child(executor) -> None:
    with Flow("f", executor=executor) as f:
        words = show.map(["a", "b"])
        on_a, on_b = show.map([1, 2]), show.map([10, 20])
        switch(words, {"a": on_a, "b": on_b}, mapped=True)
        merged = merge(on_a, on_b, mapped=True)
        yes, no = show.map([1, 2]), show.map([10, 20])
        ifelse(is_even.map([1, 2]), yes, no, mapped=True)
        chosen = merge(yes, no, mapped=True)
    result = f.run().result
    assert result[merged].result == [1, 20]
    assert result[chosen].result == [10, 2]


def test_a_skip_goes_on_unless_a_task_does_not_mind(executor) -> None:
    @task
    def skip():
        raise signals.SKIP("nothing new", result="old")

    @task(skip_on_upstream_skip=False)
    def look(*values):
        return values

    with Flow("f", executor=executor) as f:
        skipped = skip()
        behind = show(skipped)
        far_behind = show(behind)
        seen = look(skipped, behind, 1)
    state = f.run()
    assert state.is_successful()
    assert names(state, skipped, behind, far_behind) == ["Skipped"] * 3
    assert state.result[skipped].message == "nothing new"
    assert state.result[behind].message == "Skipped, as 'skip' before it was."
    assert state.result[seen].result == ("old", None, 1)


def test_a_reduce_is_skipped_with_one_child_unless_it_does_not_mind(executor) -> None:
    @task
    def skip_twos(x):
        if x == 2:
            raise signals.SKIP
        return x

    with Flow("f", executor=executor) as f:
        mapped = skip_twos.map([1, 2, 3])
        reduced = show(mapped)
        tolerant = show.with_options(skip_on_upstream_skip=False)(mapped)
        kept = FilterTask()(mapped)
        paired = plus_one.map(mapped)
    state = f.run()
    assert names(state, reduced, tolerant, kept) == ["Skipped", "Success", "Success"]
    assert state.result[tolerant].result == [1, None, 3]
    assert state.result[kept].result == [1, 3]
    assert state.result[paired].result == [2, None, 4]


def test_one_failed_and_one_skipped_before_a_task_make_it_fail(executor) -> None:
    @task
    def skip():
        raise signals.SKIP

    with Flow("f", executor=executor) as f:
        both = show([skip(), fail()])
        always = show.with_options(trigger=triggers.all_finished)([skip(), fail()])
    assert names(f.run(), both, always) == ["TriggerFailed", "Success"]


def test_one_who_runs_after_failures_sees_the_exceptions(executor) -> None:
    @task(trigger=triggers.all_finished)
    def look(values):
        return [type(each).__name__ for each in values]

    with Flow("f", executor=executor) as f:
        failed = fail()
        not_run = show(failed)
        signalled = task(lambda: (_ for _ in ()).throw(signals.FAIL("told so", result=5)))()
        seen = look([failed, not_run, signalled, say("fine")])
    state = f.run()
    assert state.result[seen].result == ["ValueError", "UpstreamFailed", "FAIL", "str"]
    assert state.result[signalled].result.result == 5


def test_what_was_filtered_is_what_the_function_says_and_may_be_logged(executor, capsys) -> None:
    with Flow("f", executor=executor) as f:
        inverse = task(lambda x: 1 / x).map([0, 1, 2])
        good = FilterTask()(inverse)
        big = FilterTask(lambda x: x > 0.6, lambda kept: f"kept {len(kept)}", name="big")(good)
        none = FilterTask()([None, ValueError()])
    result = f.run().result
    assert [result[each].result for each in (good, big, none)] == [[1.0, 0.5], [1.0], []]
    assert "| kept 1" in capsys.readouterr().out


def test_the_value_that_decided_is_not_in_a_message(executor) -> None:
    with Flow("f", executor=executor) as f, case(show("private-value-of-the-run"), "other"):
        inside = say("x")
    state = f.run()
    assert state.result[inside].is_skipped()
    assert all("private-value" not in each.message for each in state.result.values())
