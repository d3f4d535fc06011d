"""A task's place in a graph, and what it is called with there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from inspect import BoundArguments, Parameter
from typing import Any, cast

from blocks_flows.arguments import Arguments, Reference, elements_of, flatten, is_unmapped, unmapped
from blocks_flows.errors import FlowInvalid
from blocks_flows.tasks import Task


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

    def give(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], mapped: bool) -> None:
        """Add arguments to those that there are; of a mapped task, those that it is not mapped over are wrapped.

        Raises:  FlowInvalid: it has one of them, or takes none of that name.
        """
        held = self.arguments
        if mapped and not self.mapped:
            held = Arguments(*_wrapped(held.args, held.kwargs), held.pairs)
        elif self.mapped and not mapped:
            args, kwargs = _wrapped(args, kwargs)
        self.arguments = _joined(self.task, held, args, kwargs)
        self.mapped = self.mapped or mapped


def check_call(task: Task, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse a call that the task's function would refuse.

    Raises:  FlowInvalid.
    """
    try:
        signature = task.signature
    except ValueError:  # a built-in function that does not tell what it takes
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise FlowInvalid(f"Task '{task.name}' cannot be called like this: {error}.") from error


def mappable(task: Task, name: str, value: Any) -> Any:
    """Return an argument of `map`, an iterator as a list, since a flow may run more than once.

    Raises:  NotMappable: it can be seen to be unfit before the flow runs.
    """
    if isinstance(value, flatten):
        inner = value.value
        return flatten(list(cast("Iterator[Any]", inner))) if isinstance(inner, Iterator) else value
    if isinstance(value, Reference) or is_unmapped(value):
        return value
    return elements_of(f"Task '{task.name}'", f"argument {name}", value)


def _wrapped(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(map(unmapped, args)), {name: unmapped(value) for name, value in kwargs.items()}


def _joined(task: Task, held: Arguments, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
    try:
        signature = task.signature
        before = signature.bind_partial(*held.args, **held.kwargs).arguments
        given = signature.bind_partial(*args, **kwargs).arguments
    except (ValueError, TypeError) as error:
        raise FlowInvalid(f"Arguments of task '{task.name}' cannot be given like this: {error}.") from error
    for name, parameter in signature.parameters.items():
        if parameter.kind is Parameter.VAR_KEYWORD and name in before and name in given:
            doubled = before[name].keys() & given[name].keys()
            given[name] = {**before[name], **given[name]}
        else:
            doubled = {name} & before.keys() & given.keys()
        if doubled:
            raise FlowInvalid(
                f"Task '{task.name}' has its argument '{min(doubled)}' already. Call the task once more for "
                f"another value, or bind a copy of it: {task.name}.copy()."
            )
    bound = BoundArguments(signature, {**before, **given})  # pyright: ignore[reportArgumentType] any dict does
    return Arguments(bound.args, bound.kwargs, held.pairs)
