"""The state machine of one run: told what happened, it says what to do next.

No I/O, no clock, no threads: a driver tells it events by calling its methods, with the time, and carries
out the commands that they return. Whoever calls holds one lock around each call.

                     ┌─────────── Retrying ◄──┐
                     ▼                        │
    Pending ──► Running ──► Success           │
       │           ├──────► Failed, unless retries are left
       │           └──────► Cancelled, Crashed
       ├──► Failed (TriggerFailed: one before it did not succeed)
       └──► Running (Mapped) ──► Success, Failed (Mapped): as its children end
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.errors import IllegalTransition, UpstreamFailed
from blocks_flows.states import FINISHED, SUCCESSFUL, State, StateType

NEXT: dict[StateType, frozenset[StateType]] = {
    StateType.PENDING: frozenset({StateType.RUNNING, StateType.FAILED, StateType.CANCELLED}),
    StateType.RUNNING: frozenset(
        {StateType.SUCCESS, StateType.FAILED, StateType.RETRYING, StateType.CANCELLED, StateType.CRASHED}
    ),
    StateType.RETRYING: frozenset({StateType.RUNNING, StateType.CANCELLED}),
}
"""The legal changes of a task's state; a state that is not a key is final."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a task is tried again, and after how long."""

    retries: int = 0
    delays_seconds: tuple[float, ...] = (0.0,)
    """Before the first, second, … further try; the last one holds for all that follow."""

    def delay_seconds(self, attempt: int) -> float:
        """Return how long to wait after the given attempt, counted from 1, has failed."""
        return self.delays_seconds[min(attempt, len(self.delays_seconds)) - 1]


NO_RETRY = RetryPolicy()
_MAX_MESSAGE = 2000
_MAX_READ = 1_000_000
"""Of an exception's text: more would take long to look through."""


class Node:
    """A task's place in a run. Only the machine changes it."""

    __slots__ = (
        "attempts",
        "behind",
        "children",
        "map_index",
        "mapped",
        "mapped_over",
        "name",
        "note",
        "number",
        "open_count",
        "pairing",
        "parent",
        "recorded",
        "retry",
        "revision",
        "run_id",
        "started_at",
        "state",
        "stored",
        "upstreams",
    )

    def __init__(self, number: int, name: str, state: State, retry: RetryPolicy = NO_RETRY) -> None:
        self.number = number
        self.name = name
        self.state = state
        self.retry = retry
        self.attempts = 0
        self.started_at: float | None = None
        """When the first try began: Unix time in seconds."""
        self.mapped = False
        self.parent: Node | None = None
        self.map_index = -1
        self.children: list[Node] | None = None
        """Of a mapped task, from its expansion on."""
        self.upstreams: tuple[Node, ...] = ()
        """To be finished before it begins."""
        self.mapped_over: tuple[Node, ...] = ()
        """Where such a one is mapped too, child follows child; it has to be expanded only."""
        self.behind: list[Node] | None = None
        """Who waits until this one is finished."""
        self.pairing: list[Node] | None = None
        """Who waits until this one is expanded, or finished."""
        self.open_count = 0
        """How many it waits for; once it is expanded, how many children are not finished."""
        self.run_id = ""
        self.revision = 0
        self.note: Any = None
        self.stored: Any = None
        self.recorded: State | None = None
        """These five are the driver's own; the machine does not look at them."""

    def __repr__(self) -> str:
        return f"<Node {self.number} {self.name}: {self.state.name}>"


@dataclass(frozen=True, slots=True)
class Record:
    """A node has a new state."""

    node: Node
    state: State
    old: State


@dataclass(frozen=True, slots=True)
class Run:
    """Run the task; then tell `started`, and `succeeded` or `failed`."""

    node: Node


@dataclass(frozen=True, slots=True)
class Expand:
    """Find out over how many elements the task is mapped; then tell `expanded` or `failed`."""

    node: Node


@dataclass(frozen=True, slots=True)
class Wait:
    """Tell `woken` after some time."""

    node: Node
    seconds: float


Command = Record | Run | Expand | Wait


class Machine:
    """Decides what a run does next."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.unfinished = 0

    def add(
        self,
        name: str,
        at: float,
        upstreams: Iterable[Node] = (),
        *,
        mapped_over: Iterable[Node] | None = None,
        retry: RetryPolicy = NO_RETRY,
    ) -> Node:
        """Add a task behind ones that are there already, so that there can be no cycle.

        Args:    mapped_over: the task is mapped, over what these return, among others.
        """
        node = self._new(name, at, retry)
        node.upstreams = tuple(upstreams)
        for upstream in node.upstreams:
            _wait_for(node, upstream)
        if mapped_over is not None:
            node.mapped = True
            node.mapped_over = tuple(mapped_over)
            for upstream in node.mapped_over:
                _wait_for_pairs(node, upstream)
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

    def succeeded(self, node: Node, value: Any, at: float) -> list[Command]:
        """Take note that the task returned."""
        return self._finish(node, State(StateType.SUCCESS, "Success", at, "Task run succeeded.", value))

    def failed(self, node: Node, error: BaseException, at: float) -> list[Command]:
        """Take note that the task raised, or could not be run at all; retries are for what had begun."""
        message = describe(error)
        if 0 < node.attempts <= node.retry.retries:
            text = f"Try {node.attempts} of {node.retry.retries + 1} failed: {message}"
            state = State(StateType.RETRYING, "Retrying", at, text, error)
            return [_move(node, state), Wait(node, node.retry.delay_seconds(node.attempts))]
        return self._finish(node, State(StateType.FAILED, "Failed", at, message, error))

    def woken(self, node: Node) -> list[Command]:
        """Take note that the wait before another try is over."""
        return [Run(node)] if node.state.type is StateType.RETRYING else []

    def expanded(self, node: Node, length: int, at: float) -> list[Command]:
        """Take note of how many elements a task is mapped over: its children begin, the first one first."""
        commands: list[Command] = [_move(node, State(StateType.RUNNING, "Mapped", at))]
        paired = [upstream.children for upstream in node.mapped_over if upstream.children is not None]
        node.children = [self._new(f"{node.name}[{index}]", at, node.retry) for index in range(length)]
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

    def _new(self, name: str, at: float, retry: RetryPolicy) -> Node:
        node = Node(len(self.nodes), name, State(StateType.PENDING, "Pending", at), retry)
        self.nodes.append(node)
        self.unfinished += 1
        return node

    def _release(self, node: Node, at: float, commands: list[Command]) -> None:
        """Decide on a task that waits for nothing any more: the trigger is `all_successful`."""
        blocker = _blocker(node)
        if blocker is not None:
            commands += self._finish(node, _trigger_failed(blocker, at))
        else:
            commands.append(Expand(node) if node.mapped else Run(node))

    def _finish(self, node: Node, state: State) -> list[Command]:
        """End a task, and with it those behind it that cannot run any more."""
        commands: list[Command] = []
        ending = [(node, state)]  # a list, as a chain of tasks may be longer than Python's stack
        while ending:
            node, state = ending.pop()
            commands.append(_move(node, state))
            self.unfinished -= 1
            followers = (node.behind or []) + (node.pairing or [])
            node.behind = node.pairing = None
            for follower in followers:
                follower.open_count -= 1
                if follower.open_count:
                    continue
                blocker = _blocker(follower)
                if blocker is not None:
                    ending.append((follower, _trigger_failed(blocker, state.at)))
                else:
                    commands.append(Expand(follower) if follower.mapped else Run(follower))
            parent = node.parent
            if parent is not None:
                parent.open_count -= 1
                if parent.open_count == 0:
                    ending.append((parent, _mapped_state(parent, state.at)))
        return commands


def final_state(reference: Sequence[Node], results: Any, at: float) -> State:
    """Return the state of a run of a graph: it is as good as the tasks that it is judged by."""
    states = [node.state for node in reference]
    if all(state.type in SUCCESSFUL for state in states):
        return State(StateType.SUCCESS, "Success", at, "All reference tasks succeeded.", results)
    return State(StateType.FAILED, "Failed", at, "Some reference tasks failed.", results)


def describe(error: BaseException) -> str:
    """Return an exception as a short text: its class and what it says, without the secrets in use."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the exception is the user's code, and so is what makes its text
        text = "(its text cannot be made)"
    length = len(text)
    text = SECRETS_IN_USE.hide(text[:_MAX_READ])  # before it is cut: the half of a secret would not be found
    if len(text) > _MAX_MESSAGE or length > _MAX_READ:
        text = f"{text[:_MAX_MESSAGE]}… ({length} characters)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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


def _blocker(node: Node) -> Node | None:
    for upstream in node.upstreams:
        if upstream.state.type not in SUCCESSFUL:
            return upstream
    for upstream in node.mapped_over:  # one that was expanded blocks child by child
        if upstream.children is None and upstream.state.type not in SUCCESSFUL:
            return upstream
    return None


def _trigger_failed(blocker: Node, at: float) -> State:
    text = f"Not run, as '{blocker.name}' before it ended as {blocker.state.name}."
    return State(StateType.FAILED, "TriggerFailed", at, text, UpstreamFailed(text))


def _mapped_state(node: Node, at: float) -> State:
    states = tuple(child.state for child in node.children or ())
    values = [state.result for state in states]
    failures = sum(state.type not in SUCCESSFUL for state in states)
    if failures:
        text = f"{failures} of {len(states)} mapped runs did not succeed."
        return State(StateType.FAILED, "Mapped", at, text, values, states)
    return State(StateType.SUCCESS, "Mapped", at, f"{len(states)} mapped runs succeeded.", values, states)
