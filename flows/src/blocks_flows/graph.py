"""The graph of a flow that is declared before it runs: tasks, what they are called with, who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, NoReturn, cast

from blocks_flows.arguments import Arguments, Reference, references, unmapped
from blocks_flows.errors import CycleFound, FlowInvalid
from blocks_flows.operations import GetItem, GetSlice, Operation
from blocks_flows.parameters import Parameter
from blocks_flows.placements import Placement, check_call, mappable
from blocks_flows.tasks import GRAPH_WORDS, Asked, Task, read_call

_BIND_WORDS: Final = GRAPH_WORDS - {"task_args"}


class Graph:
    """Tasks and edges; the host of tasks that are called in a `with Flow(...)`."""

    def __init__(self, flow_name: str) -> None:
        self.flow_name = flow_name
        self.placements: dict[Task, Placement] = {}
        self.parameters: dict[str, Parameter] = {}
        self.cases: list[dict[Task, None]] = []
        """What was placed in each `with case(...)` that is open, the innermost one last."""
        self._counts: dict[str, int] = {}

    def call(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Place a task that is called."""
        asked = read_call(task, kwargs, GRAPH_WORDS)
        graph = self._wanted(asked)
        return graph._map(asked, args) if asked.mapped else graph._call(asked, args)

    def map(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Place a task that is called for each element of its arguments."""
        asked = read_call(task, kwargs, GRAPH_WORDS)
        return self._wanted(asked)._map(asked, args)

    def submit(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        """Refuse: there is nothing to submit to before the flow runs."""
        raise FlowInvalid(
            f"Task '{task.name}' was submitted in the graph of flow '{self.flow_name}', which does not run yet. "
            f"Call the task: the executor runs in parallel what does not wait for each other."
        )

    def declare(self, parameter: Parameter) -> None:
        """Add a parameter.

        Raises:  FlowInvalid: the name is taken.
        """
        self._check_parameter(parameter)
        if parameter.name not in self.parameters:
            self.parameters[parameter.name] = parameter
            self._note(Placement(parameter, self._slug(parameter), Arguments()))
        parameter.graph = self

    def holds(self, task: Task) -> bool:
        """Tell whether a task is placed here."""
        return task in self.placements

    def placement(self, task: Task) -> Placement:
        """Return a task's place.

        Raises:  FlowInvalid: it is not placed here.
        """
        return self.placements[self._check_placed(task)]

    def add(self, task: Task) -> None:
        """Place a task itself, not a copy of it, unless it is placed; it may be in several flows."""
        if isinstance(task, Parameter):
            self.declare(task)
        elif task not in self.placements:
            if task.graph is None:
                task.graph = self
            self._note(Placement(task, self._slug(task), Arguments()))

    def bind(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Give further arguments to a task that is placed.

        Raises:  FlowInvalid: it has one of them, or takes none of that name. CycleFound.
        """
        self._bind(read_call(task, kwargs, _BIND_WORDS), args)

    def item(self, task: Task, key: Any) -> Task:
        """Place a task that takes an item out of another one's value."""
        if isinstance(key, slice):
            part = cast("slice[Any, Any, Any]", key)
            return self.call(GetSlice(task, part), (task, [part.start, part.stop, part.step]), {})
        return self.call(GetItem(task, key), (task, key), {})

    def parts(self, task: Task, count: int) -> list[Task]:
        """Place tasks that take the first items out of another one's value.

        Raises:  FlowInvalid: it is mapped, so that its value is a list of what its runs return.
        """
        if self.placements[task].mapped:
            raise FlowInvalid(
                f"Task '{task.name}' is mapped, so its value is a list with what each run returned, and not "
                f"{count} values. Map a task over it that takes each apart."
            )
        return [self.item(task, place) for place in range(count)]

    def operate(self, symbol: str, operands: tuple[Any, ...]) -> Task:
        """Place a task that applies an operator."""
        return self.call(Operation(symbol, operands), operands, {})

    def add_edge(
        self, upstream: Any, downstream: Task, *, key: str | None = None, mapped: bool = False
    ) -> None:
        """Make one task wait for another.

        Args:    key: the argument of the second that takes the value of the first.
                 mapped: the second is mapped over the first; without a key, child follows child.
        Raises:  CycleFound, FlowInvalid.
        """
        if isinstance(upstream, unmapped):
            upstream, mapped = upstream.value, False
        if key is not None:
            self._bind(Asked(downstream, {key: upstream}, mapped=mapped), ())
            return
        (upstream,) = self._awaited([upstream])
        placement = self.placement(downstream)
        self._check_order(upstream, downstream)
        if not mapped:
            placement.upstreams[upstream] = None
        elif upstream not in placement.mapped_over:
            placement.give((), {}, True)
            placement.mapped_over[upstream] = None
            placement.arguments = placement.arguments._replace(pairs=(*placement.arguments.pairs, upstream))

    def take_over(self, other: Graph) -> None:
        """Place the tasks of another graph here as well, with their edges.

        Raises:  FlowInvalid: both have a parameter of one name. CycleFound.
        """
        for parameter in other.parameters.values():
            self._check_parameter(parameter)
        shared = [each for each in other.placements.values() if each.task in self.placements]
        for each in other.placements.values():
            if isinstance(each.task, Parameter):
                self.parameters[each.task.name] = each.task
            if each.task not in self.placements:
                edges = {"upstreams": dict(each.upstreams), "mapped_over": dict(each.mapped_over)}
                self._note(replace(each, slug=self._slug(each.task), **edges))
        for each in shared:
            for upstream in each.before():
                self.add_edge(upstream, each.task)

    def in_order(self) -> list[Placement]:
        """Return the tasks, each behind those it waits for, otherwise in the order they were placed."""
        done: dict[Task, Placement] = {}
        for task in self.placements:
            open_tasks = [task]
            while open_tasks:  # a list, as a chain of tasks may be longer than Python's stack
                current = open_tasks[-1]
                missing = [each for each in self.placements[current].before() if each not in done]
                if missing:
                    open_tasks += missing
                else:
                    done.setdefault(open_tasks.pop(), self.placements[current])
        return list(done.values())

    def leaves(self) -> list[Task]:
        """Return the tasks that none waits for."""
        inner = {task for placement in self.placements.values() for task in placement.before()}
        return [task for task in self.placements if task not in inner]

    def _wanted(self, asked: Asked) -> Graph:
        if asked.flow is None:
            return self
        graph = getattr(asked.flow, "graph", None)
        if not isinstance(graph, Graph):
            raise FlowInvalid(
                f"Task '{asked.task.name}' was called with flow={asked.flow!r}, which is no flow that is declared. "
                f"Give a Flow, or leave it out in a `with Flow(...)`."
            )
        return graph

    def _call(self, asked: Asked, args: tuple[Any, ...]) -> Task:
        check_call(asked.task, args, asked.kwargs)
        upstreams = self._tasks_in((*args, *asked.kwargs.values()))
        upstreams |= self._awaited(asked.awaited)
        return self._place(asked.task, Arguments(args, asked.kwargs), False, upstreams, {})

    def _map(self, asked: Asked, args: tuple[Any, ...]) -> Task:
        task, kwargs = asked.task, asked.kwargs
        check_call(task, args, kwargs)
        args = tuple([mappable(task, str(place), value) for place, value in enumerate(args)])
        kwargs = {name: mappable(task, name, value) for name, value in kwargs.items()}
        values = (*args, *kwargs.values())
        pairs = [
            each
            for each in asked.upstream_tasks
            if isinstance(each, Task) and each in self.placements and self.placements[each].mapped
        ]
        mapped_over = self._tasks_in([*(value for value in values if isinstance(value, Task)), *pairs])
        upstreams = self._tasks_in([value for value in values if not isinstance(value, Task)])
        others = [each for each in asked.upstream_tasks if each not in pairs]
        upstreams |= self._awaited((*asked.wait_for, *others))
        return self._place(task, Arguments(args, kwargs, tuple(pairs)), True, upstreams, mapped_over)

    def _bind(self, asked: Asked, args: tuple[Any, ...]) -> None:
        task = asked.task
        placement = self.placement(task)
        values = (*args, *asked.kwargs.values())
        mapped_over = self._tasks_in([value for value in values if isinstance(value, Task)])
        upstreams = self._tasks_in([value for value in values if not isinstance(value, Task)])
        if not asked.mapped:
            upstreams, mapped_over = {**upstreams, **mapped_over}, {}
        upstreams |= self._awaited(asked.awaited)
        for upstream in (*upstreams, *mapped_over):
            self._check_order(upstream, task)
        placement.give(args, asked.kwargs, asked.mapped)
        placement.upstreams |= upstreams
        placement.mapped_over |= mapped_over

    def _place(
        self,
        task: Task,
        arguments: Arguments,
        mapped: bool,
        upstreams: dict[Task, None],
        mapped_over: dict[Task, None],
    ) -> Task:
        twin = task.placed_in(self)
        self._note(Placement(twin, self._slug(twin), arguments, mapped, upstreams, mapped_over))
        return twin

    def _note(self, placement: Placement) -> None:
        self.placements[placement.task] = placement
        if self.cases and not isinstance(placement.task, Parameter):
            self.cases[-1][placement.task] = None

    def _slug(self, task: Task) -> str:
        count = self._counts[task.name] = self._counts.get(task.name, 0) + 1
        return f"{task.name}-{count}"

    def _tasks_in(self, values: Iterable[Any]) -> dict[Task, None]:
        found: dict[Task, None] = {}
        for reference in references(tuple(values)):
            if isinstance(reference, Parameter):
                self.declare(reference)
            found[self._check_placed(reference)] = None
        return found

    def _awaited(self, values: Iterable[Any]) -> dict[Task, None]:
        """Return the tasks to wait for, without their values."""
        found: dict[Task, None] = {}
        for value in values:
            inner = self._tasks_in([value])
            if not inner and value != []:
                raise FlowInvalid(
                    f"{value!r} is no task, so nothing in flow '{self.flow_name}' can wait for it. "
                    f"Give what the call of a task returned."
                )
            found |= inner
        return found

    def _check_parameter(self, parameter: Parameter) -> None:
        if self.parameters.get(parameter.name, parameter) is not parameter:
            raise FlowInvalid(
                f"Flow '{self.flow_name}' has a parameter '{parameter.name}' already. Use that one, or rename."
            )

    def _check_order(self, upstream: Task, downstream: Task) -> None:
        if self._reaches(upstream, downstream):
            raise CycleFound(
                f"Task '{downstream.name}' cannot wait for '{upstream.name}', which waits for it. "
                f"Leave out one of the edges."
            )

    def _check_placed(self, reference: Reference) -> Task:
        if isinstance(reference, Task) and reference in self.placements:
            return reference
        if isinstance(reference, Task) and reference.graph is None:
            raise FlowInvalid(
                f"Task '{reference.name}' was used in flow '{self.flow_name}' before it was called. "
                f"Call it, with parentheses, and use what the call returns."
            )
        raise FlowInvalid(
            f"{reference!r} does not belong to flow '{self.flow_name}'. Use tasks that were called in it."
        )

    def _reaches(self, task: Task, wanted: Task) -> bool:
        seen: set[Task] = set()
        open_tasks = [task]
        while open_tasks:
            current = open_tasks.pop()
            if current is wanted:
                return True
            if current not in seen:
                seen.add(current)
                open_tasks += self.placements[current].before()
        return False
