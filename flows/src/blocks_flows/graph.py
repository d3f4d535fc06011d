"""The graph of a flow that is declared before it runs: tasks, what they are called with, who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from blocks_flows.arguments import Arguments, Reference, references
from blocks_flows.errors import CycleFound, FlowInvalid
from blocks_flows.parameters import Parameter
from blocks_flows.tasks import Task


class GetItem(Task):
    """Takes an item out of another task's value: `x[0]`."""

    def __init__(self, of: Task, key: Any) -> None:
        super().__init__(name=f"{of.name}[{key!r}]", description="")

    def run(self, value: Any, key: Any) -> Any:
        """Return the item."""
        return value[key]


@dataclass(slots=True, eq=False)
class Placement:
    """A task's place in the graph."""

    task: Task
    slug: str
    """The task's name and a number: its name in this flow, the same in every run."""
    arguments: Arguments
    mapped: bool = False
    upstreams: dict[Task, None] = field(default_factory=dict[Task, None])
    """To be finished before; a dict keeps the order."""
    mapped_over: dict[Task, None] = field(default_factory=dict[Task, None])
    """Whose values the task is mapped over."""

    def before(self) -> Iterator[Task]:
        """Yield all that the task waits for."""
        yield from self.upstreams
        yield from self.mapped_over


class Graph:
    """Tasks and edges; the host of tasks that are called in a `with Flow(...)`."""

    def __init__(self, flow_name: str) -> None:
        self.flow_name = flow_name
        self.placements: dict[Task, Placement] = {}
        self.parameters: dict[str, Parameter] = {}
        self._counts: dict[str, int] = {}

    def call(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Place a task that is called."""
        _check_call(task, args, kwargs)
        upstreams = self._tasks_in((*args, *kwargs.values()))
        return self._place(task, Arguments(args, kwargs), False, upstreams, {})

    def map(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        """Place a task that is called for each element of its arguments."""
        _check_call(task, args, kwargs)
        values = (*args, *kwargs.values())
        mapped_over = self._tasks_in([value for value in values if isinstance(value, Task)])
        upstreams = self._tasks_in([value for value in values if not isinstance(value, Task)])
        return self._place(task, Arguments(args, kwargs), True, upstreams, mapped_over)

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
        if self.parameters.get(parameter.name, parameter) is not parameter:
            raise FlowInvalid(
                f"Flow '{self.flow_name}' has a parameter '{parameter.name}' already. Use that one, or rename."
            )
        if parameter.name not in self.parameters:
            self.parameters[parameter.name] = parameter
            self.placements[parameter] = Placement(parameter, self._slug(parameter), Arguments())
        parameter.graph = self

    def item(self, task: Task, key: Any) -> Task:
        """Place a task that takes an item out of another one's value."""
        return self.call(GetItem(task, key), (task, key), {})

    def add_edge(self, upstream: Task, downstream: Task) -> None:
        """Make one task wait for another.

        Raises:  CycleFound, FlowInvalid.
        """
        self._check_placed(upstream)
        if self._reaches(upstream, downstream):
            raise CycleFound(
                f"Task '{downstream.name}' cannot wait for '{upstream.name}', which waits for it. "
                f"Leave out one of the edges."
            )
        self.placements[downstream].upstreams[upstream] = None

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

    def _place(
        self,
        task: Task,
        arguments: Arguments,
        mapped: bool,
        upstreams: dict[Task, None],
        mapped_over: dict[Task, None],
    ) -> Task:
        twin = task.placed_in(self)
        self.placements[twin] = Placement(twin, self._slug(twin), arguments, mapped, upstreams, mapped_over)
        return twin

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


def _check_call(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        signature = task.signature
    except ValueError:  # a built-in function that does not tell what it takes
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise FlowInvalid(f"Task '{task.name}' cannot be called like this: {error}.") from error
