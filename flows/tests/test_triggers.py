"""Whether a task runs, for every way in which up to three before it may have ended."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_flows import triggers
from blocks_flows.errors import FlowInvalid, UpstreamFailed
from blocks_flows.machine import Machine
from blocks_flows.nodes import Expand, Node, Rules, Run
from blocks_flows.signals import FAIL, PAUSE, RETRY, SKIP, SUCCESS, TRIGGERFAIL
from blocks_flows.states import State, StateType

GOOD, SKIPPED = ("Success",), ("Skipped",)
BAD = ("Failed", "Crashed", "TriggerFailed")
STOPPED = ("Cancelled",)
ENDS = {
    "Success": State(StateType.SUCCESS, "Success", 0, "", 1),
    "Skipped": State(StateType.SKIPPED, "Skipped", 0),
    "Failed": State(StateType.FAILED, "Failed", 0, "", ValueError("no")),
    "Crashed": State(StateType.CRASHED, "Crashed", 0, "", ValueError("lost")),
    "TriggerFailed": State(StateType.FAILED, "TriggerFailed", 0, "", UpstreamFailed("no")),
    "Cancelled": State(StateType.CANCELLED, "Cancelled", 0),
}
WAYS = [ends for length in range(4) for ends in product(ENDS, repeat=length)]


def count(ends, *kinds) -> int:
    return sum(end in kind for end in ends for kind in kinds)


RUN, SKIP_IT, NOT = "run", "Skipped", "TriggerFailed"
# What each trigger says of ends, where a skip does not matter to the task: in the words of its documentation.
TRUTH = {
    "all_successful": lambda ends: RUN if count(ends, GOOD, SKIPPED) == len(ends) else NOT,
    "all_failed": lambda ends: RUN if count(ends, BAD) == len(ends) else NOT,
    "any_successful": lambda ends: RUN if not ends or count(ends, GOOD, SKIPPED) else NOT,
    "any_failed": lambda ends: RUN if not ends or count(ends, BAD) else NOT,
    "all_finished": lambda ends: RUN,
    "always_run": lambda ends: RUN,
    "not_all_skipped": lambda ends: (
        SKIP_IT
        if ends and count(ends, SKIPPED) == len(ends)
        else RUN
        if count(ends, GOOD, SKIPPED) == len(ends)
        else NOT
    ),
    "manual_only": lambda ends: "Paused",
}


def expected(name: str, ends, skips: bool) -> str:
    """A skip is handed on where nothing else is wrong, unless the task says that it does not matter."""
    if skips and count(ends, SKIPPED) and count(ends, GOOD, SKIPPED) == len(ends):
        return SKIP_IT
    return TRUTH[name](ends)


def rules(name: str, skips: bool) -> Rules:
    """As task_options make them: the default trigger is None."""
    trigger = None if name == "all_successful" else getattr(triggers, name)
    return Rules(trigger=trigger, skip_on_upstream_skip=skips)


def end(node: Node, name: str) -> None:
    node.state = ENDS[name]


def outcome(node: Node, commands) -> str:
    if any(isinstance(command, (Run, Expand)) and command.node is node for command in commands):
        return RUN
    return node.state.name


def plain(name: str, ends, skips: bool) -> str:
    machine = Machine()
    before = [machine.add(str(place), 0) for place in range(len(ends))]
    for each, its_end in zip(before, ends, strict=True):
        end(each, its_end)
    node = machine.add("task", 0, before, rules=rules(name, skips))
    return outcome(node, machine.begin([node], 1))


def mapped_task(machine: Machine, ends) -> Node:
    """A mapped task whose children ended like this, and it as they decide."""
    upstream = machine.add("mapped", 0, mapped_over=[])
    machine.begin([upstream], 0)
    machine.expanded(upstream, len(ends), 0)
    for child, its_end in zip(upstream.children, ends, strict=True):
        end(child, its_end)
    if ends:
        good = count(ends, GOOD, SKIPPED) == len(ends)
        upstream.state = State(StateType.SUCCESS if good else StateType.FAILED, "Mapped", 0)
    return upstream


def reduce(name: str, ends, skips: bool) -> str:
    machine = Machine()
    node = machine.add("task", 0, [mapped_task(machine, ends)], rules=rules(name, skips))
    return outcome(node, machine.begin([node], 1))


def follower(name: str, ends, skips: bool) -> str:
    """A child of a mapped task: it follows one child, and whatever the whole is not mapped over."""
    machine = Machine()
    pairs, others = ends[:1], ends[1:]
    upstream = mapped_task(machine, pairs)
    before = [machine.add(str(place), 0) for place in range(len(others))]
    for each, its_end in zip(before, others, strict=True):
        end(each, its_end)
    node = machine.add("task", 0, before, mapped_over=[upstream], rules=rules(name, skips))
    if outcome(node, machine.begin([node], 1)) != RUN:
        return node.state.name
    commands = machine.expanded(node, 1, 1)
    return outcome(node.children[0], commands)


@pytest.mark.parametrize("skips", [True, False], ids=["skips", "does not skip"])
@pytest.mark.parametrize("name", TRUTH)
class TestTruthTables:
    def test_of_plain_tasks(self, name: str, skips: bool) -> None:
        for ends in WAYS:
            assert plain(name, ends, skips) == expected(name, ends, skips), ends

    def test_of_a_task_behind_a_mapped_one_which_sees_each_of_its_children(
        self, name: str, skips: bool
    ) -> None:
        for ends in WAYS:
            assert reduce(name, ends, skips) == expected(name, ends, skips), ends

    def test_of_a_mapped_task_s_child_which_sees_the_child_it_follows_and_the_rest(
        self, name: str, skips: bool
    ) -> None:
        for ends in WAYS:
            if ends:
                assert follower(name, ends, skips) == expected(name, ends, skips), ends


@pytest.mark.parametrize("trigger", [None, triggers.all_finished])
class TestSkipsBeforeAMappedTask:
    def test_a_skipped_child_of_one_that_is_waited_for_whole_skips_each_run(self, trigger) -> None:
        machine = Machine()
        followed, reduced = mapped_task(machine, ["Success"]), mapped_task(machine, ["Success", "Skipped"])
        node = machine.add("task", 0, [reduced], mapped_over=[followed], rules=Rules(trigger=trigger))
        machine.begin([node], 1)
        machine.expanded(node, 1, 1)
        assert [child.state.name for child in node.children] == ["Skipped"]

    def test_where_the_list_itself_was_skipped_so_is_the_whole_task(self, trigger) -> None:
        machine = Machine()
        followed, skipped = mapped_task(machine, ["Success"]), machine.add("skipped", 0)
        end(skipped, "Skipped")
        node = machine.add("task", 0, mapped_over=[followed, skipped], rules=Rules(trigger=trigger))
        machine.begin([node], 1)
        assert (node.state.name, node.children) == ("Skipped", None)


def states(failed: int, good: int) -> list[State]:
    return [ENDS["Failed"]] * failed + [ENDS["Success"]] * good


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_some_counts_with_whole_numbers(failed: int, good: int, least: int, most: int) -> None:
    given_states = states(failed, good)
    wanted = least <= failed <= most or not given_states
    assert triggers.some_failed(at_least=least, at_most=most)(given_states) == wanted
    wanted = least <= good <= most or not given_states
    assert triggers.some_successful(at_least=least, at_most=most)(given_states) == wanted
    assert triggers.some_failed(at_least=least)(given_states) == (failed >= least or not given_states)
    assert triggers.some_failed(at_most=most)(given_states) == (failed <= most)
    assert triggers.some_failed()(given_states)


@pytest.mark.parametrize(
    ("failed", "good", "at_least", "at_most", "runs"),
    [
        (1, 3, 0.25, None, True),
        (1, 3, 0.26, None, False),
        (2, 2, None, 0.5, True),
        (3, 1, None, 0.5, False),
        (4, 0, 1.0, None, True),
        (3, 1, 1.0, None, False),
        (0, 4, None, 0.0, True),
        (1, 3, None, 0.0, False),
        (2, 2, 1, 0.5, True),
    ],
)
def test_some_takes_fractions_for_shares(failed, good, at_least, at_most, runs) -> None:
    assert triggers.some_failed(at_least, at_most)(states(failed, good)) is runs
    assert triggers.some_successful(at_least, at_most)(states(good, failed)) is runs


def test_some_sees_each_child_of_a_mapped_task() -> None:
    for limit, wanted in ((2, RUN), (3, NOT)):
        machine = Machine()
        upstream = mapped_task(machine, ["Failed", "Crashed", "Success"])
        trigger = triggers.some_failed(at_least=limit)
        node = machine.add("task", 0, [upstream], rules=Rules(trigger=trigger))
        assert outcome(node, machine.begin([node], 1)) == wanted


@pytest.mark.parametrize("bound", [-1, 1.5, -0.5])
def test_a_bound_that_means_nothing_is_refused(bound) -> None:
    with pytest.raises(FlowInvalid, match="Give a whole number, or a share"):
        triggers.some_failed(at_least=bound)
    with pytest.raises(FlowInvalid, match="some_successful has the bound"):
        triggers.some_successful(at_most=bound)


def raises(error: Exception):
    def trigger(states) -> bool:
        raise error

    return trigger


@pytest.mark.parametrize(
    ("error", "name", "said"),
    [
        (SUCCESS("fine", result=7), "Success", "fine"),
        (SKIP("not today"), "Skipped", "not today"),
        (PAUSE("ask"), "Paused", "ask"),
        (TRIGGERFAIL("no"), "TriggerFailed", "no"),
        (FAIL("bad"), "Failed", "bad"),
        (RETRY("again"), "Failed", "again"),
        (
            ZeroDivisionError("by zero"),
            "TriggerFailed",
            "The trigger 'trigger' failed: ZeroDivisionError: by zero",
        ),
    ],
)
def test_a_trigger_that_raises_decides_by_what_it_raises(error, name: str, said: str) -> None:
    machine = Machine()
    node = machine.add("task", 0, rules=Rules(trigger=raises(error)))
    behind = machine.add("behind", 0, [node])
    machine.begin([node, behind], 0)
    assert node.state.name == name
    assert said in node.state.message
    assert machine.unfinished == (1 if name == "Success" else 0)
    assert behind.held is (name == "Paused")


def test_a_trigger_sees_the_states_in_the_order_of_the_edges_and_is_asked_once() -> None:
    seen = []
    machine = Machine()
    first, second = machine.add("first", 0), machine.add("second", 0)
    rule = Rules(trigger=lambda states: seen.append([state.name for state in states]) or True)
    node = machine.add("task", 0, [first, second], rules=rule)
    machine.begin([first, second, node], 0)
    machine.started(second, 1)
    machine.failed(second, ValueError(), 2)
    assert seen == []
    machine.started(first, 3)
    machine.succeeded(first, 1, 4)
    assert seen == [["Success", "Failed"]]


def test_one_who_approved_lets_a_task_run_that_its_trigger_paused() -> None:
    machine = Machine(approves=lambda node: node.name == "approved")
    approved = machine.add("approved", 0, rules=Rules(trigger=triggers.manual_only))
    other = machine.add("other", 0, rules=Rules(trigger=triggers.manual_only))
    commands = machine.begin([approved, other], 0)
    assert outcome(approved, commands) == RUN
    assert outcome(other, commands) == "Paused"
    assert (approved.held, other.held, machine.unfinished) == (False, True, 1)


def test_a_mapped_task_asks_its_trigger_for_each_child_only_where_it_follows_others() -> None:
    asked = []

    def trigger(states) -> bool:
        asked.append(len(states))
        return True

    machine = Machine()
    source = machine.add("source", 0)
    end(source, "Success")
    alone = machine.add("alone", 0, [source], mapped_over=[], rules=Rules(trigger=trigger))
    machine.begin([alone], 0)
    machine.expanded(alone, 3, 0)
    assert asked == [1]

    asked.clear()
    following = machine.add("following", 0, [source], mapped_over=[alone], rules=Rules(trigger=trigger))
    machine.begin([following], 0)
    machine.expanded(following, 3, 0)
    for child in alone.children:
        machine.started(child, 1)
        machine.succeeded(child, 1, 2)
    assert asked == [2, 2, 2]
