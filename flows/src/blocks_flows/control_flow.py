"""Branches of a flow that is declared: which tasks run is decided by values that are made when it runs.

    with case(is_new(data), True):
        model = train(data)
    with case(is_new(data), False):
        model_of_yesterday = load_model()
    deploy(merge(model, model_of_yesterday))

A branch that is not taken is skipped, and so is what comes behind it, unless that has `skip_on_upstream_skip=False`.
In a function with `@flow`, write `if`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack, cast

from blocks_flows.arguments import unmapped
from blocks_flows.context import FRAME
from blocks_flows.errors import FlowInvalid
from blocks_flows.graph import Graph
from blocks_flows.operations import constant_text
from blocks_flows.run_logs import get_run_logger
from blocks_flows.signals import SKIP
from blocks_flows.task_options import TaskArguments
from blocks_flows.tasks import Task
from blocks_flows.triggers import all_finished, not_all_skipped


class CompareValue(Task):
    """Skips what is behind it unless two values are equal."""

    is_quick = True

    def __init__(self, expected: Any) -> None:
        text = expected.name if isinstance(expected, Task) else constant_text(expected)
        super().__init__(name=f"case({text})", description="")

    def run(self, value: Any, expected: Any) -> None:
        """Succeed if they are equal; values do not get into the message.

        Raises:  SKIP.
        """
        if value != expected:
            raise SKIP(f"The value is not that of {self.name}.")


class AsBool(Task):
    """Turns a value into True or False, as `if` does."""

    is_quick = True

    def run(self, value: Any) -> bool:
        """Return whether the value is true."""
        return bool(value)


class Merge(Task):
    """Takes the value of the branch that was taken."""

    is_quick = True

    def __init__(self, **arguments: Unpack[TaskArguments]) -> None:
        if arguments.setdefault("skip_on_upstream_skip", False):
            raise FlowInvalid(
                "A merge with skip_on_upstream_skip=True would always be skipped, as all branches but one are. "
                "Leave it out."
            )
        arguments.setdefault("name", "merge")
        arguments.setdefault("trigger", not_all_skipped)
        super().__init__(**arguments)

    def run(self, *branches: Any) -> Any:
        """Return the first value that is not None, as that of a skipped task is, nor a list of nothing else.

        Such is the value of a mapped task whose runs were all skipped, and of one whose runs return nothing: the
        latter is returned if no other branch has a value.
        """
        made = [value for value in branches if value is not None]
        return next((value for value in made if not _is_void(value)), made[0] if made else None)


class FilterTask(Task):
    """Keeps of a list, such as what a mapped task returned, the elements that are wanted.

    Args:    filter_func: tells of an element whether to keep it; None keeps what is neither None nor an
             exception, so that it takes out the runs that were skipped and those that failed.
             log_func: makes of what was kept a text for the log.
    """

    def __init__(
        self,
        filter_func: Callable[[Any], object] | None = None,
        log_func: Callable[[list[Any]], str] | None = None,
        **arguments: Unpack[TaskArguments],
    ) -> None:
        arguments.setdefault("skip_on_upstream_skip", False)
        arguments.setdefault("trigger", all_finished)
        super().__init__(**arguments)
        self.filter_func = filter_func or _is_value
        self.log_func = log_func

    def run(self, task_results: Iterable[Any]) -> list[Any]:
        """Return the elements that are kept."""
        kept = [each for each in task_results if self.filter_func(each)]
        if self.log_func is not None:
            get_run_logger().info(self.log_func(kept))
        return kept


class case:  # noqa: N801 - it reads as a word: with case(x, True):
    """Tasks that are placed in the block run only if the result of a task equals a value.

    Of these tasks, those wait for the comparison that wait for no other one of the block. Where the condition is a
    mapped task, it decides child by child over mapped tasks.

    Args:    task: the condition; may be a constant.
             value: a constant, or a task's result.
    """

    def __init__(self, task: Any, value: Any) -> None:
        self.task = task
        self.value = value
        self._graph: Graph | None = None

    def __enter__(self) -> Self:
        self._graph = _declared_graph("case")
        self._graph.cases.append({})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._graph is not None
        graph, self._graph = self._graph, None
        inside = graph.cases.pop()
        if error is not None:
            return
        heads = [task for task in inside if inside.keys().isdisjoint(graph.placements[task].before())]
        if heads:
            is_mapped = _is_mapped(graph, self.task)
            _check_mapped(graph, self.task, heads if is_mapped else ())
            comparison = _compare(self.task, self.value, is_mapped)
            for task in heads:
                graph.add_edge(comparison, task, mapped=is_mapped)


def switch(condition: Any, cases: Mapping[Any, Any], mapped: bool = False) -> None:
    """Run the task whose key equals the result of the condition, and skip the others.

    Args:    cases: tasks by the values; those that are not placed yet, are.
             mapped: decide child by child.
    """
    graph = _declared_graph("switch")
    for task in (condition, *cases.values()):
        if isinstance(task, Task):
            graph.add(task)
    for value, task in cases.items():
        graph.add_edge(_compare(condition, value, mapped), task, mapped=mapped)


def ifelse(condition: Any, true_task: Any, false_task: Any, mapped: bool = False) -> None:
    """Run one task if the result of the condition is true as `if` takes it, and the other if not.

    Args:    true_task, false_task: None is no task.
             mapped: decide child by child.
    """
    if isinstance(condition, Task):
        _declared_graph("ifelse").add(condition)
    branches = {True: true_task, False: false_task}
    as_bool = AsBool(name="as_bool")
    as_bool = as_bool.map(condition) if mapped else as_bool(condition)
    switch(as_bool, {value: task for value, task in branches.items() if task is not None}, mapped)


def merge(*tasks: Any, mapped: bool = False, **options: Any) -> Any:
    """Place a task that takes the value of the branch that was taken; it is skipped where all branches are.

    Where several branches ran, it is the first value that is not None, in the order of the arguments. Without
    `mapped`, a branch that is a mapped task counts as one value: the list of what its runs returned.

    Args:    mapped: child by child.
             options: of a call, such as `wait_for`, `task_args` and `flow`.
    """
    return Merge().map(*tasks, **options) if mapped else Merge()(*tasks, **options)


def _compare(condition: Any, value: Any, mapped: bool) -> Task:
    comparison = CompareValue(value)
    return comparison.map(condition, unmapped(value)) if mapped else comparison(condition, value)


def _declared_graph(word: str) -> Graph:
    frame = FRAME.get()
    if frame is None or not isinstance(frame.host, Graph):
        raise FlowInvalid(
            f"'{word}' was used where no flow is declared. Use it in a `with Flow(...)`; in a function with @flow, "
            f"write `if`."
        )
    return frame.host


def _is_mapped(graph: Graph, condition: Any) -> bool:
    return (
        isinstance(condition, Task) and condition in graph.placements and graph.placements[condition].mapped
    )


def _check_mapped(graph: Graph, condition: Task, tasks: Iterable[Task]) -> None:
    for task in tasks:
        if not graph.placements[task].mapped:
            raise FlowInvalid(
                f"Task '{task.name}' is in a case on '{condition.name}', which is mapped, and is not mapped itself: "
                f"it is not clear which of the results decides. Map it, or make one result of them first."
            )


def _is_void(value: Any) -> bool:
    return isinstance(value, list) and all(each is None for each in cast("list[Any]", value)) and value != []


def _is_value(value: Any) -> bool:
    return value is not None and not isinstance(value, BaseException)
