"""What there is to see of a flow, before it is put into any form: boxes, lines between them, and states."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows.arguments import references
from blocks_flows.control_flow import CompareValue, Merge
from blocks_flows.graph import Graph
from blocks_flows.parameters import Parameter
from blocks_flows.placements import Placement
from blocks_flows.states import State, StateType
from blocks_flows.tasks import Task

_MAX_TEXT: Final = 300


class Kind(StrEnum):
    """What a box stands for."""

    TASK = "task"
    MAPPED = "mapped task"
    PARAMETER = "parameter"
    BRANCH = "branch"
    """A case, or the merge behind cases."""
    STEP = "step"
    """What an operator or an index makes: `x[0]`, `x + 1`."""


class Line(StrEnum):
    """What a line stands for."""

    DATA = "data"
    MAPPED = "mapped"
    """The second is mapped over the first: run by run."""
    ORDER = "order"
    """The second waits for the first and takes no value from it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A task. Its texts are fit to be shown: without secrets, on one line."""

    key: str
    """The task's slug: the same in each picture of one flow."""
    label: str
    kind: Kind
    state_type: StateType | None = None
    """None: it has not run, or the picture is of the flow alone."""
    state_name: str = ""
    message: str = ""
    counts: tuple[tuple[StateType, str, int], ...] = ()
    """Of a mapped task that was expanded: how many of its runs are in which state, the most first."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from one box to another, by their places among the boxes."""

    above: int
    below: int
    line: Line


@dataclass(frozen=True, slots=True)
class Drawing:
    """A flow as boxes and lines."""

    title: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]

    def state_types(self) -> list[StateType]:
        """Return the states that can be seen, in the order in which they are declared."""
        seen = {box.state_type for box in self.boxes}
        seen |= {kind for box in self.boxes for kind, _name, _count in box.counts}
        return [kind for kind in StateType if kind in seen]

    def lines(self) -> list[Line]:
        """Return the kinds of lines that can be seen."""
        seen = {edge.line for edge in self.edges}
        return [line for line in Line if line in seen]


def draw_graph(graph: Graph, states: Mapping[Any, State] | None = None) -> Drawing:
    """Return the picture of a graph.

    Args:    states: of its tasks, as the result of `flow.run()` holds them.
    """
    places = {task: place for place, task in enumerate(graph.placements)}
    boxes = tuple(_box(each, (states or {}).get(each.task)) for each in graph.placements.values())
    edges = tuple(
        Edge(places[above], places[each.task], line)
        for each in graph.placements.values()
        for above, line in _lines(each).items()
    )
    return Drawing(shown_text(graph.flow_name), boxes, edges)


def shown_text(text: str) -> str:
    """Return a text as it can be shown: on one line, of some hundred characters, without secrets.

    What would turn the direction of the text around, or could not stand in XML, is replaced by a mark.
    """
    text = SECRETS_IN_USE.hide(text)
    shown = "".join(map(_shown_character, text[: _MAX_TEXT + 1]))
    return shown if len(shown) <= _MAX_TEXT else f"{shown[: _MAX_TEXT - 1]}…"


def _shown_character(character: str) -> str:
    if character in "\n\r\t":
        return " "
    # Cc: control, Cs: half a pair, Cn: not assigned; the others turn the direction of what follows
    if unicodedata.category(character) in ("Cc", "Cs", "Cn") or character in _TURNING:
        return "\N{REPLACEMENT CHARACTER}"
    return character


_TURNING: Final = frozenset(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def _box(placement: Placement, state: State | None) -> Box:
    task = placement.task
    label, kind = shown_text(task.name), _kind(placement)
    if state is None:
        return Box(placement.slug, label, kind)
    counts = Counter((each.type, shown_text(each.name)) for each in state.map_states)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][1]))
    return Box(
        *(placement.slug, label, kind, state.type, shown_text(state.name), shown_text(state.message)),
        tuple((kind, name, count) for (kind, name), count in ordered),
    )


def _kind(placement: Placement) -> Kind:
    task = placement.task
    if isinstance(task, Parameter):
        return Kind.PARAMETER
    if placement.mapped:
        return Kind.MAPPED
    if isinstance(task, (CompareValue, Merge)):
        return Kind.BRANCH
    return Kind.STEP if task.is_quick else Kind.TASK


def _lines(placement: Placement) -> dict[Task, Line]:
    """Return the tasks that one waits for, and how."""
    given = {*references((*placement.arguments.args, *placement.arguments.kwargs.values()))}
    lines = {task: Line.DATA if task in given else Line.ORDER for task in placement.upstreams}
    return lines | dict.fromkeys(placement.mapped_over, Line.MAPPED)
