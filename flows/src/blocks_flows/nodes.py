"""The tasks of a run as the machine sees them, and what it can command of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from blocks_flows.states import FINISHED, State
from blocks_flows.triggers import Trigger


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a task is tried again, and after how long."""

    retries: int = 0
    delays_seconds: tuple[float, ...] = (0.0,)
    """Before the first, second, … further try; the last one holds for all that follow."""
    jitter: float = 0.0
    """By what share a delay may grow, at random."""

    def delay_seconds(self, attempt: int) -> float:
        """Return how long to wait after the given attempt, counted from 1, has failed, without the jitter."""
        return self.delays_seconds[min(attempt, len(self.delays_seconds)) - 1]


NO_RETRY = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Rules:
    """How a task goes on after those before it, and after a failure of its own."""

    retry: RetryPolicy = NO_RETRY
    trigger: Trigger | None = None
    """None is `all_successful`."""
    skip_on_upstream_skip: bool = True
    """Be skipped where one before it was and none failed."""


NO_RULES = Rules()


class Node:
    """A task's place in a run. Only the machine changes it."""

    __slots__ = (
        "attempts",
        "behind",
        "children",
        "held",
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
        "revision",
        "rules",
        "run_id",
        "skipped_before",
        "started_at",
        "state",
        "stored",
        "upstreams",
    )

    def __init__(self, number: int, name: str, state: State, rules: Rules = NO_RULES) -> None:
        self.number = number
        self.name = name
        self.state = state
        self.rules = rules
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
        self.skipped_before: Node | None = None
        """Of a mapped task: one that all its children wait for and that was skipped."""
        self.held = False
        """It is paused, or waits for one that is: it does not finish in this run."""
        self.run_id = ""
        self.revision = 0
        self.note: Any = None
        self.stored: Any = None
        self.recorded: State | None = None
        """These five are the driver's own; the machine does not look at them."""

    def is_settled(self) -> bool:
        """Tell whether nothing more happens to it in this run."""
        return self.held or self.state.type in FINISHED

    def __repr__(self) -> str:
        return f"<Node {self.number} {self.name}: {self.state.name}>"


class Record(NamedTuple):
    """A node has a new state."""

    node: Node
    state: State
    old: State


class Run(NamedTuple):
    """Run the task; then tell `started`, and `succeeded` or `failed`."""

    node: Node


class Expand(NamedTuple):
    """Find out over how many elements the task is mapped; then tell `expanded` or `failed`."""

    node: Node


class Wait(NamedTuple):
    """Tell `woken` after some time."""

    node: Node
    seconds: float
    jitter: float = 0.0
    """By what share it may be longer."""


Command = Record | Run | Expand | Wait
