"""The state machine of one run: told what happened, it says what to do next.

No I/O, no clock, no threads: a driver tells it events by calling its methods, with the time, and carries
out the commands that they return. Whoever calls holds one lock around each call.

                     ┌─────────── Retrying ◄──┐
                     ▼                        │
    Pending ──► Running ──► Success, Skipped  │
       │           ├──────► Failed, Crashed, unless retries are left
       │           ├──────► Paused: nothing behind it can run, and the run comes to rest
       │           └──────► Cancelled
       ├──► Failed (TriggerFailed: its trigger says no to how those before it ended), Skipped, Paused
       ├──► Success (it had succeeded before the run was restarted)
       └──► Running (Mapped) ──► Success, Failed (Mapped): as its children end
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from blocks_flows.errors import IllegalTransition
from blocks_flows.failures import describe
from blocks_flows.nodes import NO_RULES, Command, Expand, Node, Record, Rules, Run, Wait
from blocks_flows.signals import RETRY, Signal
from blocks_flows.states import FINISHED, SUCCESSFUL, State, StateType
from blocks_flows.verdicts import kind_of_failure, signalled_state, verdict

_ENDED_EARLY = frozenset({StateType.SKIPPED, StateType.PAUSED, StateType.FAILED, StateType.CRASHED})
NEXT: dict[StateType, frozenset[StateType]] = {
    StateType.PENDING: frozenset({StateType.RUNNING, StateType.SUCCESS, StateType.CANCELLED}) | _ENDED_EARLY,
    StateType.RUNNING: frozenset({StateType.SUCCESS, StateType.RETRYING, StateType.CANCELLED}) | _ENDED_EARLY,
    StateType.RETRYING: frozenset({StateType.RUNNING, StateType.CANCELLED}),
    StateType.PAUSED: frozenset({StateType.CANCELLED}),
}
"""The legal changes of a task's state; a state that is not a key is final."""


class Machine:
    """Decides what a run does next.

    Args:    approves: tells of a task that a trigger paused whether somebody has approved it.
    """

    def __init__(self, approves: Callable[[Node], bool] | None = None) -> None:
        self.nodes: list[Node] = []
        self.unfinished = 0
        """How many are to finish yet; those that are held are not."""
        self._approves = approves

    def add(
        self,
        name: str,
        at: float,
        upstreams: Iterable[Node] = (),
        *,
        mapped_over: Iterable[Node] | None = None,
        rules: Rules = NO_RULES,
    ) -> Node:
        """Add a task behind ones that are there already, so that there can be no cycle.

        Args:    mapped_over: the task is mapped, over what these return, among others.
        """
        node = self._new(name, State(StateType.PENDING, "Pending", at), rules)
        node.upstreams = tuple(upstreams)
        for upstream in node.upstreams:
            _wait_for(node, upstream)
            if upstream.held:
                self._hold(node)
        if mapped_over is not None:
            node.mapped = True
            node.mapped_over = tuple(mapped_over)
            for upstream in node.mapped_over:
                _wait_for_pairs(node, upstream)
                if upstream.held:
                    self._hold(node)
        return node

    def begin(self, nodes: Sequence[Node], at: float) -> list[Command]:
        """Release added tasks: those that wait for nothing are to run now, the first one first."""
        commands: list[Command] = []
        for node in reversed(nodes):  # drivers run first what was released last
            if node.open_count == 0:
                self._release(node, at, commands)
        return commands

    def started(self, node: Node, at: float) -> list[Command]:
        """Take note that a try at the task has begun."""
        node.attempts += 1
        return [_move(node, State(StateType.RUNNING, "Running", at, f"Try {node.attempts}."))]

    def succeeded(
        self, node: Node, value: Any, at: float, name: str = "Success", message: str = "Task run succeeded."
    ) -> list[Command]:
        """Take note that the task returned, or that its value was there already."""
        return self._finish(node, State(StateType.SUCCESS, name, at, message, value))

    def failed(
        self,
        node: Node,
        error: BaseException,
        at: float,
        *,
        may_retry: bool = True,
    ) -> list[Command]:
        """Take note that the task raised, or could not be run at all; retries are for what had begun."""
        message = describe(error)
        if may_retry and 0 < node.attempts <= node.rules.retry.retries:
            text = f"Try {node.attempts} of {node.rules.retry.retries + 1} failed: {message}"
            return _retry(node, State(StateType.RETRYING, "Retrying", at, text, error))
        kind, name = kind_of_failure(error)
        return self._finish(node, State(kind, name, at, message, error))

    def signalled(self, node: Node, signal: Signal, at: float) -> list[Command]:
        """Take note that the task raised a signal."""
        if isinstance(signal, RETRY):
            text = f"Try {node.attempts} asked for another one. {signal.message}".rstrip()
            return _retry(node, State(StateType.RETRYING, "Retrying", at, text, signal), signal.delay_seconds)
        state = signalled_state(signal, at)
        return self.failed(node, signal, at) if state is None else self._finish(node, state)

    def woken(self, node: Node) -> list[Command]:
        """Take note that the wait before another try is over."""
        return [Run(node)] if node.state.type is StateType.RETRYING else []

    def expanded(self, node: Node, length: int, at: float) -> list[Command]:
        """Take note of how many elements a task is mapped over: its children begin, the first one first."""
        commands: list[Command] = [_move(node, State(StateType.RUNNING, "Mapped", at))]
        paired = [upstream.children for upstream in node.mapped_over if upstream.children is not None]
        pending = State(StateType.PENDING, "Pending", at)
        node.children = [self._new(f"{node.name}[{index}]", pending, node.rules) for index in range(length)]
        node.open_count = length
        waiting, node.pairing = node.pairing, None
        for follower in waiting or ():
            follower.open_count -= 1
            if follower.open_count == 0:
                self._release(follower, at, commands)
        for index in range(length - 1, -1, -1):
            child = node.children[index]
            child.parent, child.map_index = node, index
            if paired:
                child.upstreams = tuple(children[index] for children in paired)
                for upstream in child.upstreams:
                    _wait_for(child, upstream)
                    if upstream.held:
                        self._hold(child)
            if child.open_count == 0:
                self._release(child, at, commands)
        if length == 0:
            commands += self._finish(node, _mapped_state(node, at))
        return commands

    def abandon(self, message: str, at: float) -> list[Command]:
        """Stop: whatever is not finished ends as Cancelled."""
        commands: list[Command] = []
        for node in self.nodes:
            if node.state.type not in FINISHED:
                commands.append(_move(node, State(StateType.CANCELLED, "Cancelled", at, message)))
        self.unfinished = 0
        return commands

    def _new(self, name: str, pending: State, rules: Rules) -> Node:
        node = Node(len(self.nodes), name, pending, rules)
        self.nodes.append(node)
        self.unfinished += 1
        return node

    def _release(self, node: Node, at: float, commands: list[Command]) -> None:
        """Decide on a task that waits for nothing any more."""
        state = verdict(node, at, self._approves)
        if state is None:
            commands.append(Expand(node) if node.mapped else Run(node))
        else:
            commands += self._finish(node, state)

    def _finish(self, node: Node, state: State) -> list[Command]:
        """End a task, or let it rest, and with it those behind it that cannot run any more."""
        commands: list[Command] = []
        ending = [(node, state)]  # a list, as a chain of tasks may be longer than Python's stack
        while ending:
            node, state = ending.pop()
            commands.append(_move(node, state))
            if state.type is StateType.PAUSED:
                self._hold(node)
                continue
            self.unfinished -= 1
            followers = [*(node.behind or ()), *(node.pairing or ())] if node.behind or node.pairing else ()
            node.behind = node.pairing = None
            for follower in followers:
                follower.open_count -= 1
                if follower.open_count:
                    continue
                early = verdict(follower, state.at, self._approves)
                if early is not None:
                    ending.append((follower, early))
                else:
                    commands.append(Expand(follower) if follower.mapped else Run(follower))
            parent = node.parent
            if parent is not None:
                parent.open_count -= 1
                if parent.open_count == 0:
                    ending.append((parent, _mapped_state(parent, state.at)))
        return commands

    def _hold(self, node: Node) -> None:
        """Take note that a task does not finish in this run, nor what waits for it."""
        holding = [node]
        while holding:
            node = holding.pop()
            if node.held:
                continue
            node.held = True
            self.unfinished -= 1
            holding += node.behind or ()
            holding += node.pairing or ()
            if node.parent is not None:
                holding.append(node.parent)


def final_state(reference: Sequence[Node], nodes: Iterable[Node], results: Any, at: float) -> State:
    """Return the state of a run of a graph: it is as good as the tasks that it is judged by."""
    if any(node.held for node in nodes):
        paused = [node.name for node in nodes if node.state.type is StateType.PAUSED]
        text = f"Waits for somebody's word on: {', '.join(paused[:5])}{', …' if len(paused) > 5 else ''}."
        return State(StateType.PAUSED, "Paused", at, text, results)
    states = [node.state for node in reference]
    if all(state.type in SUCCESSFUL for state in states):
        return State(StateType.SUCCESS, "Success", at, "All reference tasks succeeded.", results)
    return State(StateType.FAILED, "Failed", at, "Some reference tasks failed.", results)


def _move(node: Node, state: State) -> Record:
    if state.type not in NEXT.get(node.state.type, ()):
        raise IllegalTransition(
            f"Task run '{node.name}' cannot go from {node.state.type} to {state.type}. "
            f"Report this with the program that led to it: it is a fault of the engine."
        )
    old, node.state = node.state, state
    if node.started_at is None and state.type is StateType.RUNNING:
        node.started_at = state.at
    return Record(node, state, old)


def _wait_for(node: Node, upstream: Node) -> None:
    if upstream.state.type not in FINISHED:
        node.open_count += 1
        if upstream.behind is None:
            upstream.behind = []
        upstream.behind.append(node)


def _wait_for_pairs(node: Node, upstream: Node) -> None:
    if upstream.children is None and upstream.state.type not in FINISHED:
        node.open_count += 1
        if upstream.pairing is None:
            upstream.pairing = []
        upstream.pairing.append(node)


def _retry(node: Node, state: State, seconds: float | None = None) -> list[Command]:
    policy = node.rules.retry
    if seconds is None:
        seconds = policy.delay_seconds(node.attempts)
    return [_move(node, state), Wait(node, seconds, policy.jitter)]


def _mapped_state(node: Node, at: float) -> State:
    states = tuple(child.state for child in node.children or ())
    values = [state.result for state in states]
    failures = sum(state.type not in SUCCESSFUL for state in states)
    if failures:
        text = f"{failures} of {len(states)} mapped runs did not succeed."
        return State(StateType.FAILED, "Mapped", at, text, values, states)
    return State(StateType.SUCCESS, "Mapped", at, f"{len(states)} mapped runs succeeded.", values, states)
