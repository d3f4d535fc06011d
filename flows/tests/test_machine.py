"""Properties that hold of every run, whatever its graph and whatever happens in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_flows import triggers
from blocks_flows.errors import IllegalTransition, UpstreamFailed
from blocks_flows.machine import NEXT, Machine, final_state
from blocks_flows.nodes import Expand, Node, Record, RetryPolicy, Rules, Run, Wait
from blocks_flows.signals import FAIL, PAUSE, RETRY, SKIP, SUCCESS, TRIGGERFAIL
from blocks_flows.states import FINISHED, StateType


def broken(states) -> bool:
    raise ZeroDivisionError("the trigger itself")


def undecided(states) -> bool:
    raise RETRY("a trigger cannot be tried again")


TRIGGERS = (
    triggers.all_failed,
    triggers.any_successful,
    triggers.any_failed,
    triggers.all_finished,
    triggers.not_all_skipped,
    triggers.manual_only,
    triggers.some_failed(at_least=1),
    triggers.some_successful(at_most=0.5),
    broken,
    undecided,
)
ENDS = ("value", "value", "error", "restored", SUCCESS, FAIL, SKIP, PAUSE, TRIGGERFAIL, RETRY)
MAX_ASKED = 3
"""How often a task of the simulation asks to be tried again, whatever its retries are."""


class Simulation:
    """Carries out what a machine commands: in any order, with any outcome, all drawn by hypothesis."""

    def __init__(self, draw, ends=("value", "value", "value", "error"), rules_drawn: bool = False) -> None:
        self.draw = draw
        self.ends = ends
        self.rules_drawn = rules_drawn
        self.machine = Machine(approves=lambda node: node.number % 2 == 0)
        self.now = 0.0
        self.ready: list[Node] = []
        self.waiting: list[Node] = []
        self.began: dict[Node, list[float]] = {}
        self.ended: dict[Node, float] = {}
        self.asked: dict[Node, int] = {}
        self.waits: list[tuple[Node, float]] = []
        self.records: list[Record] = []

    def build(self) -> None:
        for number in range(self.draw(st.integers(0, 7))):
            earlier = self.machine.nodes[:number]
            some = st.lists(st.sampled_from(earlier), max_size=3) if earlier else st.just([])
            over = self.draw(some) if self.draw(st.booleans()) else None
            self.machine.add(f"t{number}", self.now, self.draw(some), mapped_over=over, rules=self.rules())

    def rules(self) -> Rules:
        retry = RetryPolicy(self.draw(st.integers(0, 2)), (1.0, 5.0))
        if not self.rules_drawn:
            return Rules(retry)
        trigger = self.draw(st.one_of(st.none(), st.sampled_from(TRIGGERS)))
        return Rules(retry, trigger, self.draw(st.booleans()))

    def run(self) -> None:
        self.obey(self.machine.begin(list(self.machine.nodes), self.now))
        while self.ready or self.waiting:
            self.step()

    def step(self) -> None:
        self.now += 1
        if self.ready and (not self.waiting or self.draw(st.booleans())):
            self.attempt(self.ready.pop(self.draw(st.integers(0, len(self.ready) - 1))))
        else:
            self.obey(self.machine.woken(self.waiting.pop(0)))
        open_nodes = [node for node in self.machine.nodes if not node.is_settled()]
        assert self.machine.unfinished == len(open_nodes)

    def attempt(self, node: Node) -> None:
        end = self.draw(st.sampled_from(self.ends))
        if end == "restored" and node.attempts == 0:
            self.obey(self.machine.succeeded(node, node.number, self.now))
            return
        self.began.setdefault(node, []).append(self.now)
        self.obey(self.machine.started(node, self.now))
        self.now += 1
        if end is RETRY:
            self.asked[node] = self.asked.get(node, 0) + 1
            end = RETRY if self.asked[node] <= MAX_ASKED else "value"
        if end == "error":
            self.obey(self.machine.failed(node, ValueError("no"), self.now))
        elif isinstance(end, str):
            self.obey(self.machine.succeeded(node, node.number, self.now))
        else:
            self.obey(self.machine.signalled(node, end(result=-1), self.now))

    def obey(self, commands) -> None:
        for command in commands:
            if isinstance(command, Record):
                assert command.state.type in NEXT[command.old.type]
                self.records.append(command)
                if command.state.type in FINISHED:
                    assert command.node not in self.ended
                    self.ended[command.node] = self.now
            elif isinstance(command, Run):
                assert command.node not in self.ready
                self.ready.append(command.node)
            elif isinstance(command, Wait):
                self.waits.append((command.node, command.seconds))
                self.waiting.append(command.node)
            elif isinstance(command, Expand):
                self.expand(command.node)

    def expand(self, node: Node) -> None:
        pairs = {len(each.children) for each in node.mapped_over if each.children is not None}
        listless = any(each.children is None and each.state.is_skipped() for each in node.mapped_over)
        if len(pairs) > 1 or listless:  # what the driver tells where the lengths differ, or there is no list
            self.obey(self.machine.failed(node, ValueError("lengths differ"), self.now))
        else:
            length = pairs.pop() if pairs else self.draw(st.integers(0, 3))
            self.obey(self.machine.expanded(node, length, self.now))


@given(st.data())
def test_every_run_ends_in_order_and_with_its_retries_counted(data) -> None:
    run = Simulation(data.draw)
    run.build()
    run.run()

    assert run.machine.unfinished == 0
    assert set(run.ended) == set(run.machine.nodes)
    for node in run.machine.nodes:
        assert node.state.type in {StateType.SUCCESS, StateType.FAILED}
        attempts = run.began.get(node, [])
        assert len(attempts) == node.attempts <= node.rules.retry.retries + 1
        assert all(run.ended[each] <= began for each in node.upstreams for began in attempts)
        blocked = any(not each.state.is_successful() for each in node.upstreams)
        if blocked:
            assert node.state.name == "TriggerFailed"
            assert isinstance(node.state.result, UpstreamFailed)
            assert not attempts
        if node.state.name == "TriggerFailed":
            unexpanded = [each for each in node.mapped_over if each.children is None]
            assert any(not each.state.is_successful() for each in (*node.upstreams, *unexpanded))
        if node.parent is not None and node.parent.mapped_over:
            expanded = [each for each in node.parent.mapped_over if each.children is not None]
            assert list(node.upstreams) == [each.children[node.map_index] for each in expanded]
        if node.state.name == "Failed" and node.children is None and not node.mapped:
            assert node.attempts == node.rules.retry.retries + 1
        if node.children is not None:
            assert node.state.result == [child.state.result for child in node.children]
            assert node.state.is_successful() == all(child.state.is_successful() for child in node.children)
    for node, seconds in run.waits:
        assert seconds in (1.0, 5.0)
        assert node.rules.retry.retries


def waits_for(node: Node) -> list[Node]:
    """All that a task waits for before it is finished, its own children included."""
    unexpanded = [each for each in node.mapped_over if each.children is None]
    return [*node.upstreams, *unexpanded, *(node.children or ())]


@given(st.data())
def test_every_run_ends_or_rests_whatever_its_tasks_and_triggers_raise(data) -> None:
    run = Simulation(data.draw, ENDS, rules_drawn=True)
    run.build()
    run.run()

    machine = run.machine
    assert machine.unfinished == 0
    for node in machine.nodes:
        is_paused = node.state.type is StateType.PAUSED
        assert node.held == (is_paused or any(each.held for each in waits_for(node))), node
        assert node.held == (node.state.type not in FINISHED)
        assert (node in run.ended) == (not node.held)
        if node.held and not is_paused and node.children is None:
            assert node.state.type is StateType.PENDING
            assert not run.began.get(node)
        began = run.began.get(node, [])
        assert len(began) == node.attempts <= node.rules.retry.retries + 1 + MAX_ASKED
        assert all(run.ended[each] <= moment for each in node.upstreams for moment in began)
        if node.state.is_skipped() and node.rules.trigger is None and not began:
            before = [*node.upstreams, *node.mapped_over]
            if node.parent is not None:
                before += [*node.parent.upstreams, *node.parent.mapped_over]
            seen = [child for each in before for child in (each.children or [each])]
            assert any(each.state.is_skipped() for each in seen)
        if began and node.rules.trigger is None:
            before = [*node.upstreams, *(() if node.parent is None else node.parent.upstreams)]
            seen = [child.state for each in before for child in (each.children or [each])]
            assert all(state.is_successful() for state in seen)
            if node.rules.skip_on_upstream_skip:
                assert not any(state.is_skipped() for state in seen)
        if node.state.name == "Mapped" and not node.held:
            failed = [child for child in node.children if not child.state.is_successful()]
            assert node.state.is_successful() == (not failed)
            assert list(node.state.map_states) == [child.state for child in node.children]
    paused = [node for node in machine.nodes if node.state.type is StateType.PAUSED]
    state = final_state(machine.nodes, machine.nodes, None, run.now)
    assert state.is_paused() == bool(paused)


@given(st.data(), st.integers(0, 12))
def test_a_run_that_is_abandoned_at_any_moment_has_no_open_end(data, steps: int) -> None:
    run = Simulation(data.draw, ENDS, rules_drawn=True)
    run.build()
    run.obey(run.machine.begin(list(run.machine.nodes), run.now))
    for _ in range(steps):
        if run.ready or run.waiting:
            run.step()
    finished_before = {node: node.state for node in run.machine.nodes if node.state.is_finished()}

    run.obey(run.machine.abandon("Interrupted.", run.now))

    assert run.machine.unfinished == 0
    for node in run.machine.nodes:
        assert node.state == finished_before.get(node, node.state)
        assert node in finished_before or node.state.is_cancelled()
    for node in run.waiting:
        assert run.machine.woken(node) == []


@given(st.data())
def test_a_task_added_while_the_run_goes_on_is_as_if_it_had_been_there(data) -> None:
    run = Simulation(data.draw, ENDS, rules_drawn=True)
    run.build()
    run.obey(run.machine.begin(list(run.machine.nodes), run.now))
    for number in range(data.draw(st.integers(1, 3))):
        for _ in range(data.draw(st.integers(0, 4))):
            if run.ready or run.waiting:
                run.step()
        nodes = [node for node in run.machine.nodes if node.parent is None]
        before = data.draw(st.lists(st.sampled_from(nodes), max_size=3)) if nodes else []
        late = run.machine.add(f"late{number}", run.now, before, rules=run.rules())
        run.obey(run.machine.begin([late], run.now))
    while run.ready or run.waiting:
        run.step()

    assert run.machine.unfinished == 0
    for node in run.machine.nodes:
        assert node.held == (node.state.type not in FINISHED)


def test_what_is_released_last_is_run_first_and_roots_run_in_their_order() -> None:
    machine = Machine()
    first, second = machine.add("first", 0), machine.add("second", 0)
    left, right = machine.add("left", 0, [first]), machine.add("right", 0, [first])

    assert [command.node for command in machine.begin([first, second, left, right], 0)] == [second, first]
    machine.started(first, 1)
    released = [command.node for command in machine.succeeded(first, 1, 2) if isinstance(command, Run)]
    assert released == [left, right]


def test_a_failure_in_one_pair_of_mapped_runs_stops_that_pair_only() -> None:
    machine = Machine()
    train = machine.add("train", 0, mapped_over=[])
    evaluate = machine.add("evaluate", 0, mapped_over=[train])
    machine.begin([train, evaluate], 0)
    assert Expand(evaluate) in machine.expanded(train, 2, 1)
    machine.expanded(evaluate, 2, 1)
    for child, fails in zip(train.children, (True, False), strict=True):
        machine.started(child, 2)
        if fails:
            machine.failed(child, ValueError("internal error"), 3)
        else:
            machine.succeeded(child, "model", 3)

    broken, whole = evaluate.children
    assert broken.state.name == "TriggerFailed"
    assert whole.state.is_pending()
    assert train.state.name == "Mapped"
    assert train.state.message == "1 of 2 mapped runs did not succeed."
    machine.started(whole, 4)
    machine.succeeded(whole, "score", 5)
    assert final_state([evaluate], machine.nodes, None, 6).is_failed()


def test_delays_follow_the_list_and_the_last_one_stays() -> None:
    policy = RetryPolicy(5, (1.0, 10.0))
    assert [policy.delay_seconds(attempt) for attempt in (1, 2, 3, 4)] == [1.0, 10.0, 10.0, 10.0]


def test_an_event_that_cannot_be_is_refused() -> None:
    machine = Machine()
    node = machine.add("task", 0)
    machine.begin([node], 0)
    with pytest.raises(IllegalTransition, match="from Pending to Retrying"):
        machine.signalled(node, RETRY(), 1)
    machine.started(node, 1)
    machine.succeeded(node, 1, 2)
    with pytest.raises(IllegalTransition):
        machine.succeeded(node, 1, 3)


def test_a_failure_runs_down_a_chain_longer_than_the_stack() -> None:
    machine = Machine()
    nodes = [machine.add("0", 0)]
    for number in range(1, 5000):
        nodes.append(machine.add(str(number), 0, [nodes[-1]]))
    machine.begin(nodes, 0)
    machine.started(nodes[0], 1)
    machine.failed(nodes[0], ValueError(), 2)
    assert nodes[-1].state.name == "TriggerFailed"
    assert machine.unfinished == 0
