"""Edges and tasks that are added one by one, options of a task for one place, and flows made of flows."""

from __future__ import annotations

import threading

import pytest

from blocks_flows import Flow, Parameter, Task, flow, merge, task, unmapped
from blocks_flows.errors import CycleFound, FlowInvalid, OptionUnknown, TasksFailed, UpstreamFailed
from blocks_flows.executors import LocalDaskExecutor, LocalExecutor

both_executors = pytest.mark.parametrize(
    "executor", [LocalExecutor(), LocalDaskExecutor(num_workers=3)], ids=["local", "threads"]
)


@task
def one():
    return 1


@task
def add(x, y):
    return x + y


@task
def double(x):
    return 2 * x


class Power(Task):
    """Raises to a power."""

    def __init__(self, exponent: int = 2, **arguments):
        self.exponent = exponent
        super().__init__(**arguments)

    def run(self, x, offset=0):
        return x**self.exponent + offset


class TestWordsOfACall:
    @both_executors
    @pytest.mark.parametrize("word", ["upstream_tasks", "wait_for"])
    def test_a_task_waits_for_others_without_their_values(self, executor, word) -> None:
        order = []

        @task
        def note(name):
            order.append(name)

        with Flow("f", executor=executor) as f:
            last = note("last", **{word: [first := note("first"), [note("second")]]})
            lone = note("lone", **{word: last})
        assert f.run().is_successful()
        assert order[2:] == ["last", "lone"]
        assert f.upstream_tasks(lone) == [last]
        assert first in f.upstream_tasks(last)

    def test_a_task_that_failed_keeps_those_from_running_that_wait_for_it(self) -> None:
        with Flow("f") as f:
            failed = double(add(1, "text"))
            waiting = one(wait_for=[failed])
        state = f.run().result[waiting]
        assert isinstance(state.result, UpstreamFailed)

    def test_a_call_may_have_options_of_its_own(self) -> None:
        with Flow("f") as f:
            named = double(4, task_args={"name": "fourfold", "tags": ["math"]})
            plain = double(4)
            mapped = double.map([1], task_args={"name": "each"})
        assert [each.name for each in f.tasks] == ["fourfold", "double", "each"]
        assert named.options.tags == ("math",)
        result = f.run().result
        assert result[named].result == result[plain].result == 8
        assert result[mapped].result == [2]
        with Flow("f"), pytest.raises(OptionUnknown, match="did you mean 'name'"):
            double(1, task_args={"nam": "x"})

    def test_a_call_may_be_mapped_and_name_its_flow(self) -> None:
        with Flow("f") as f, Flow("g") as g:
            in_g = double([1, 2], mapped=True)
            in_f = double(3, flow=f)
        outside = double.map([5, 6], flow=g)
        assert (f.tasks, g.tasks) == ([in_f], [in_g, outside])
        assert g.run().result[in_g].result == [2, 4]
        with Flow("h"), pytest.raises(FlowInvalid, match="is no flow that is declared"):
            double(3, flow="f")

    @both_executors
    def test_a_function_s_own_parameter_of_that_name_is_that(self, executor) -> None:
        @task
        def own(wait_for, mapped=False, flow=None):
            return wait_for, mapped, flow

        @task
        def any_names(**names):
            return names

        with Flow("f", executor=executor) as f:
            x = own([1, 2], mapped=True, flow="of water")
            y = any_names(wait_for=[x], a=1)
        result = f.run().result
        assert result[x].result == ([1, 2], True, "of water")
        assert result[y].result == {"a": 1}

    @pytest.mark.parametrize("wrong", ["text", 5, [double]])
    def test_only_tasks_of_the_flow_can_be_waited_for(self, wrong) -> None:
        with Flow("f") as f, pytest.raises(FlowInvalid, match=r"is no task|before it was called"):
            one(upstream_tasks=[wrong])
        assert f.tasks == []

    def test_in_a_function_called_and_submitted_and_mapped_tasks_wait(self) -> None:
        released = threading.Event()
        order = []

        @task
        def slow(name):
            assert released.wait(timeout=20)
            order.append(name)

        @task
        def note(name):
            order.append(name)
            return name

        @flow
        def main():
            first = slow.submit("first")
            submitted = note.submit("submitted", wait_for=[first])
            mapped = note.map(["mapped"], wait_for=first, task_args={"name": "noted"})
            released.set()
            called = note("called", upstream_tasks=[submitted, mapped], wait_for=["a value", 1])
            return called, mapped[0].name

        assert main() == ("called", "noted[0]")
        assert order[0] == "first"
        assert sorted(order[1:3]) == ["mapped", "submitted"]
        assert order[3] == "called"

    def test_in_a_function_one_who_waits_for_a_failure_is_not_run(self) -> None:
        @flow
        def main():
            failed = add.submit(1, "text")
            return one.submit(wait_for=[failed]).wait().name, failed.state.name

        assert main() == ("TriggerFailed", "Failed")

        @flow
        def careless():
            one.submit(wait_for=[add.submit(1, "text")])

        with pytest.raises(TasksFailed):
            careless()


class TestOptionsOfOnePlace:
    def test_a_copy_differs_in_what_is_said_and_in_nothing_else(self) -> None:
        original = task(name="load", max_retries=3, retry_delay_seconds=1, tags=["a"])(lambda: 1)
        changed = original.with_options(retries=0, name="reload")
        assert (changed.name, original.name) == ("reload", "load")
        assert (changed.options.rules.retry.retries, original.options.rules.retry.retries) == (0, 3)
        assert changed.options.rules.retry.delays_seconds == (1,)
        assert changed.options.tags == ("a",)
        again = changed.with_options(tags=["b"])
        assert (again.name, again.options.rules.retry.retries, again.options.tags) == ("reload", 0, ("b",))
        with pytest.raises(OptionUnknown):
            original.with_options(retrys=1)
        with pytest.raises(FlowInvalid, match="which mean the same"):
            original.with_options(retries=1, max_retries=1)

    def test_a_class_keeps_what_it_was_made_with(self) -> None:
        cube = Power(3, name="cube")
        renamed = cube.copy(name="third power")
        with Flow("f") as f:
            x, y = cube(2), renamed(2)
        assert [each.name for each in f.tasks] == ["cube", "third power"]
        assert (renamed.exponent, renamed.options.description) == (3, "Raises to a power.")
        result = f.run().result
        assert (result[x].result, result[y].result) == (8, 8)

    def test_a_copy_of_a_placed_task_is_in_no_flow(self) -> None:
        with Flow("f") as f:
            x = one()
            twin = x.copy()
            assert twin.graph is None
            y = twin()
        assert f.tasks == [x, y]

    def test_what_a_task_was_declared_with_is_not_sent_to_another_process(self) -> None:
        lock, seen = threading.Lock(), []

        def note(task, old, new):
            with lock:  # a lock cannot be pickled
                seen.append(new.name)

        noted = task(state_handlers=[note])(lambda: 5)
        with Flow("f", executor=LocalDaskExecutor(scheduler="processes", num_workers=1)) as f:
            x = noted.with_options(name="renamed")()
        assert f.run().result[x].result == 5
        assert seen == ["Running", "Success"]

    def test_a_method_keeps_its_object(self) -> None:
        class Model:
            factor = 3

            @task
            def apply(self, x):
                return self.factor * x

        with Flow("f") as f:
            applied = Model().apply.with_options(name="tripled")(2)
        assert applied.name == "tripled"
        assert f.run().result[applied].result == 6


class TestEdges:
    def test_several_edges_are_set_at_once(self) -> None:
        with Flow("f") as f:
            a, b, c, d, e = (one(task_args={"name": name}) for name in "abcde")
            c.set_upstream(a, b)
            c.set_downstream([d, e])
        assert f.upstream_tasks(c) == [a, b]
        assert f.downstream_tasks(c) == [d, e]
        assert f.root_tasks() == [a, b]
        assert f.terminal_tasks() == [d, e]

    def test_an_edge_may_carry_a_value(self) -> None:
        with Flow("f") as f:
            total = add.bind(y=10)
            total.set_upstream(one(), key="x")
            doubled = double.copy()
            f.add_task(doubled)
            one().set_downstream(doubled, key="x")
        result = f.run().result
        assert (result[total].result, result[doubled].result) == (11, 2)

    def test_an_argument_is_given_once_and_must_exist(self) -> None:
        with Flow("f") as f:
            total = add(1, 2)
            with pytest.raises(FlowInvalid, match=r"has its argument 'x' already.*add.copy\(\)"):
                total.set_upstream(one(), key="x")
            with pytest.raises(FlowInvalid, match="unexpected keyword argument 'z'"):
                total.set_upstream(one(), key="z")
        assert f.upstream_tasks(total) == []

    def test_arguments_may_be_bound_one_by_one_and_in_any_order(self) -> None:
        @task
        def collect(first, *rest, last=0, **more):
            return first, rest, last, more

        with Flow("f") as f:
            x = collect.copy()
            x.bind(last=one())
            x.bind(1, 2)
            x.bind(extra=double(4))
            with pytest.raises(FlowInvalid, match="argument 'extra' already"):
                x.bind(extra=5)
        assert f.run().result[x].result == (1, (2,), 1, {"extra": 8})

    def test_what_was_given_before_a_task_became_mapped_is_the_same_for_all_its_runs(self) -> None:
        with Flow("f") as f:
            x = add.copy().bind(y=[100])
            x.set_upstream(one(task_args={"name": "list"}), mapped=False)
            x.set_upstream(task(lambda: [[1], [2]])(), key="x", mapped=True)
            y = add.copy()
            y.bind(x=[1, 2], mapped=True)
            y.bind(y=unmapped(5))
            z = add.copy().bind(x=[1, 2], mapped=True).bind(y=7)
        result = f.run().result
        assert result[x].result == [[1, 100], [2, 100]]
        assert result[y].result == [6, 7]
        assert result[z].result == [8, 9]

    def test_dependencies_are_set_at_once(self) -> None:
        with Flow("f") as f:
            before, after, x = one(), one(), one()
            total = add.copy()
            f.add_task(total)
            total.set_dependencies(
                upstream_tasks=[before], downstream_tasks=[after], keyword_tasks={"x": x, "y": 5}
            )
        assert f.upstream_tasks(total) == [before, x]
        assert f.downstream_tasks(total) == [after]
        assert f.run().result[total].result == 6

    def test_a_circle_is_refused_however_it_would_be_closed(self) -> None:
        with Flow("f") as f:
            a = double(1)
            b = double(a)
            c = add.copy().bind(x=b)
            for close in (
                lambda: a.set_upstream(c),
                lambda: a.set_upstream(c, mapped=True),
                lambda: f.chain(a, b, c, a),
                lambda: c.bind(y=c),
                lambda: f.set_dependencies(a, upstream_tasks=[c]),
            ):
                with pytest.raises(CycleFound, match="Leave out one of the edges"):
                    close()
        assert f.upstream_tasks(a) == []

    def test_tasks_of_another_flow_are_refused(self) -> None:
        with Flow("g"):
            foreign = one()
        with Flow("f"):
            x = one()
            with pytest.raises(FlowInvalid, match="does not belong to flow 'f'"):
                x.set_upstream(foreign)
            with pytest.raises(FlowInvalid, match="does not belong to flow 'f'"):
                x.set_downstream(foreign)
            with pytest.raises(FlowInvalid, match="before it was called"):
                x.set_downstream(double)


class TestFlowsWithoutCalls:
    @both_executors
    def test_a_flow_can_be_declared_task_by_task(self, executor) -> None:
        f = Flow("f", executor=executor)
        x, square, total = Parameter("x"), Power(2, name="square"), Power(1, name="total")
        f.add_edge(x, square, key="x")
        f.add_edge(square, total, key="x")
        f.set_dependencies(total, upstream_tasks=[one], keyword_tasks={"offset": 100})
        assert f.tasks == [x, square, total, one]
        assert f.add_task(one) is one
        assert [each.name for each in f.parameters()] == ["x"]
        assert f.run(x=3).result[total].result == 109

    def test_a_chain_runs_in_its_order(self) -> None:
        order = []
        steps = [task(lambda name=name: order.append(name)) for name in "abc"]
        f = Flow("f")
        f.chain(*steps)
        assert f.run().is_successful()
        assert order == ["a", "b", "c"]

    def test_one_task_may_be_in_several_flows(self) -> None:
        step = task(lambda: 5)
        f, g = Flow("f"), Flow("g")
        f.add_task(step)
        g.add_task(step)
        with g:
            doubled = step + step
        assert len(f.tasks) == 1
        assert g.run().result[doubled].result == 10
        assert f.run().result[step].result == 5

    def test_mapped_edges_can_be_added(self) -> None:
        f = Flow("f")
        lists, each = task(lambda: [1, 2]), double.copy()
        f.add_edge(lists, each, key="x", mapped=True)
        assert f.run().result[each].result == [2, 4]

    def test_tasks_are_found_by_name_tags_and_class(self) -> None:
        with Flow("f") as f:
            a = one(task_args={"tags": ["x", "y"]})
            b = Power(2, tags=["x"])(a)
            c = one()
        assert f.get_tasks(name="one") == [a, c]
        assert f.get_tasks(tags=["x"]) == [a, b]
        assert f.get_tasks(tags="y") == [a]
        assert f.get_tasks(task_type=Power) == [b]
        assert f.get_tasks() == [a, b, c]

    def test_questions_about_a_task_that_is_not_there_are_refused(self) -> None:
        f = Flow("f")
        with pytest.raises(FlowInvalid, match="before it was called"):
            f.upstream_tasks(one.copy())
        with pytest.raises(FlowInvalid):
            f.downstream_tasks(one.copy())

    def test_binding_happens_where_a_flow_is_declared(self) -> None:
        @flow
        def main():
            one.bind()

        with pytest.raises(FlowInvalid, match="in a function with @flow, call it"):
            main()
        f = Flow("f")
        bound = double.copy().bind(4, flow=f)
        assert f.run().result[bound].result == 8


class TestFlowsOfFlows:
    def test_a_copy_has_the_same_tasks_and_goes_its_own_way(self) -> None:
        with Flow("f", tags=["a"]) as f:
            p = Parameter("p", default=1)
            x = double(p)
        f.set_reference_tasks([x])
        g = f.copy()
        with g:
            y = double(x)
            x.set_upstream(one())
        assert f.tasks == [p, x]
        assert g.tasks[:3] == [p, x, y]
        assert f.upstream_tasks(x) == [p]
        assert len(g.upstream_tasks(x)) == 2
        assert (g.name, g.options.tags, g.reference_tasks) == ("f", ("a",), [x])
        g.set_reference_tasks([y])
        assert f.reference_tasks == [x]
        assert g.run(p=3).result[y].result == 12
        assert f.run(p=3).result[x].result == 6
        slugs = [placement.slug for placement in f.graph.placements.values()]
        assert [placement.slug for placement in g.graph.placements.values()][:2] == slugs

    def test_a_flow_takes_in_the_tasks_of_another(self) -> None:
        with Flow("f") as f:
            x = double(Parameter("p", default=1))
        with Flow("g") as g:
            shared = one()
            y = add.map([1, 2], unmapped(Parameter("q", default=10)))
        with f:
            f.add_task(shared)
            f.update(g)
            last = merge(y, x)
        assert [each.name for each in f.parameters()] == ["p", "q"]
        assert f.run(q=20).result[last].result == [21, 22]
        assert g.run().result[y].result == [11, 12]
        assert len(g.tasks) == 3

    def test_two_parameters_of_one_name_are_not_mixed_up(self) -> None:
        with Flow("f") as f:
            Parameter("p")
        with Flow("g") as g:
            one()
            Parameter("p")
        with pytest.raises(FlowInvalid, match="a parameter 'p' already"):
            f.update(g)
        assert len(f.tasks) == 1
