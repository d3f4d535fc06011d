"""Properties that hold of every run, whatever its graph and whatever happens in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_flows.errors import IllegalTransition, UpstreamFailed
from blocks_flows.machine import NEXT, Machine, final_state
from blocks_flows.nodes import Expand, Node, Record, RetryPolicy, Rules, Run, Wait
from blocks_flows.signals import RETRY
from blocks_flows.states import FINISHED, StateType


class Simulation:
    """Carries out what a machine commands: in any order, with any outcome, all drawn by hypothesis."""

    def __init__(self, draw) -> None:
        self.draw = draw
        self.machine = Machine()
        self.now = 0.0
        self.ready: list[Node] = []
        self.waiting: list[Node] = []
        self.began: dict[Node, list[float]] = {}
        self.ended: dict[Node, float] = {}
        self.waits: list[tuple[Node, float]] = []
        self.records: list[Record] = []

    def build(self) -> None:
        for number in range(self.draw(st.integers(0, 7))):
            earlier = self.machine.nodes[:number]
            some = st.lists(st.sampled_from(earlier), max_size=3) if earlier else st.just([])
            retry = RetryPolicy(self.draw(st.integers(0, 2)), (1.0, 5.0))
            over = self.draw(some) if self.draw(st.booleans()) else None
            self.machine.add(f"t{number}", self.now, self.draw(some), mapped_over=over, rules=Rules(retry))

    def run(self) -> None:
        self.obey(self.machine.begin(list(self.machine.nodes), self.now))
        while self.ready or self.waiting:
            self.now += 1
            if self.ready and (not self.waiting or self.draw(st.booleans())):
                self.attempt(self.ready.pop(self.draw(st.integers(0, len(self.ready) - 1))))
            else:
                self.obey(self.machine.woken(self.waiting.pop(0)))

    def attempt(self, node: Node) -> None:
        self.began.setdefault(node, []).append(self.now)
        self.obey(self.machine.started(node, self.now))
        self.now += 1
        if self.draw(st.integers(0, 3)):
            self.obey(self.machine.succeeded(node, node.number, self.now))
        else:
            self.obey(self.machine.failed(node, ValueError("no"), self.now))

    def obey(self, commands) -> None:
        for command in commands:
            if isinstance(command, Record):
                assert command.state.type in NEXT[command.old.type]
                self.records.append(command)
                if command.state.type in FINISHED:
                    assert command.node not in self.ended
                    self.ended[command.node] = self.now
            elif isinstance(command, Run):
                self.ready.append(command.node)
            elif isinstance(command, Wait):
                self.waits.append((command.node, command.seconds))
                self.waiting.append(command.node)
            elif isinstance(command, Expand):
                pairs = [len(each.children) for each in command.node.mapped_over if each.children is not None]
                length = min(pairs) if pairs else self.draw(st.integers(0, 3))
                self.obey(self.machine.expanded(command.node, length, self.now))


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
        if node.state.name == "Failed":
            assert node.attempts == node.rules.retry.retries + 1
        if node.children is not None:
            assert node.state.result == [child.state.result for child in node.children]
            assert node.state.is_successful() == all(child.state.is_successful() for child in node.children)
    for node, seconds in run.waits:
        assert seconds in (1.0, 5.0)
        assert node.rules.retry.retries


@given(st.data(), st.integers(0, 5))
def test_a_run_that_is_abandoned_at_any_moment_has_no_open_end(data, steps: int) -> None:
    run = Simulation(data.draw)
    run.build()
    run.obey(run.machine.begin(list(run.machine.nodes), run.now))
    for _ in range(steps):
        if run.ready:
            run.attempt(run.ready.pop())
    finished_before = {node: node.state for node in run.machine.nodes if node.state.is_finished()}

    run.machine.abandon("Interrupted.", run.now)

    assert run.machine.unfinished == 0
    for node in run.machine.nodes:
        assert node.state == finished_before.get(node, node.state)
        assert node in finished_before or node.state.is_cancelled()


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
