"""What a flow that is declared can be asked and told about its tasks, besides that they are called in it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Self

from blocks_flows.graph import Graph
from blocks_flows.tasks import Task


class GraphEditing:
    """Tasks and edges of a flow, one by one: `flow.add_edge(a, b)`, `flow.upstream_tasks(b)`."""

    graph: Graph
    _reference: list[Task] | None
    _tokens: list[Any]

    def add_task(self, task: Task) -> Task:
        """Place a task itself, not a copy of it, unless it is placed; one task may be in several flows."""
        self.graph.add(task)
        return task

    def add_edge(
        self, upstream_task: Task, downstream_task: Task, key: str | None = None, mapped: bool = False
    ) -> None:
        """Make one task wait for another, and place both if they are not.

        Args:    key: the argument of the second that takes the result of the first.
                 mapped: the second is mapped over the first; without a key, child follows child.
        Raises:  CycleFound, FlowInvalid.
        """
        for task in (upstream_task, downstream_task):
            self._place(task)
        self.graph.add_edge(upstream_task, downstream_task, key=key, mapped=mapped)

    def chain(self, *tasks: Task) -> None:
        """Make each task wait for the one before it, and place those that are not."""
        for upstream, downstream in pairwise(tasks):
            self.add_edge(upstream, downstream)

    def set_dependencies(
        self,
        task: Task,
        upstream_tasks: Iterable[Any] = (),
        downstream_tasks: Iterable[Any] = (),
        keyword_tasks: Mapping[str, Any] | None = None,
        mapped: bool = False,
    ) -> None:
        """Say at once what a task runs after and before, and what its arguments are; place those that are not."""
        keywords = keyword_tasks or {}
        for each in (task, *upstream_tasks, *downstream_tasks, *keywords.values()):
            self._place(each)
        task.set_dependencies(self, upstream_tasks, downstream_tasks, keywords, mapped)

    def get_tasks(
        self,
        name: str | None = None,
        tags: Iterable[str] | None = None,
        task_type: type[Task] | None = None,
    ) -> list[Task]:
        """Return the tasks of a name, that have all of some tags, or are of a class."""
        wanted = {tags} if isinstance(tags, str) else set(tags or ())
        return [
            task
            for task in self.graph.placements
            if (name is None or task.name == name)
            and wanted <= set(task.options.tags)
            and (task_type is None or isinstance(task, task_type))
        ]

    def upstream_tasks(self, task: Task) -> list[Task]:
        """Return the tasks that a task waits for."""
        return list(dict.fromkeys(self.graph.placement(task).before()))

    def downstream_tasks(self, task: Task) -> list[Task]:
        """Return the tasks that wait for a task."""
        self.graph.placement(task)
        return [each.task for each in self.graph.placements.values() if task in each.before()]

    def root_tasks(self) -> list[Task]:
        """Return the tasks that wait for none."""
        return [each.task for each in self.graph.placements.values() if next(each.before(), None) is None]

    def terminal_tasks(self) -> list[Task]:
        """Return the tasks that none waits for."""
        return self.graph.leaves()

    def update(self, flow: GraphEditing) -> None:
        """Place the tasks of another flow here as well, with their edges; they stay in that one, too.

        Raises:  FlowInvalid: both have a parameter of one name. CycleFound.
        """
        self.graph.take_over(flow.graph)

    def copy(self) -> Self:
        """Return a flow with the same tasks, to which others can be added without changing this one."""
        twin = copy.copy(self)
        twin.graph = Graph(self.graph.flow_name)
        twin.graph.take_over(self.graph)
        twin._reference = None if self._reference is None else list(self._reference)
        twin._tokens = []
        return twin

    def _place(self, task: Any) -> None:
        if isinstance(task, Task):
            self.graph.add(task)
