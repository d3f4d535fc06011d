"""What a task is called with: values, tasks and futures, at any depth of lists, tuples, sets and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from blocks_flows.errors import FlowInvalid, MapLengthsDiffer, NotMappable

_MAX_DEPTH: Final = 100


class Reference:
    """What stands for a value that a run makes: a task of a graph, or a future."""

    __slots__ = ()


class unmapped:  # noqa: N801 - it reads as a word in a call: f.map(unmapped(a), b)
    """An argument that every mapped run gets whole."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"unmapped({self.value!r})"


def references(value: Any, depth: int = _MAX_DEPTH) -> Iterator[Reference]:
    """Yield the references in a value, in their order.

    Raises:  FlowInvalid: it is nested too deep.
    """
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, unmapped):
        yield from references(value.value, depth)
    elif isinstance(value, (list, tuple, set, frozenset, dict)):
        if depth == 0:
            raise FlowInvalid(
                f"An argument holds itself, or is nested deeper than {_MAX_DEPTH} lists and dicts. Make it in "
                f"the task, or give it in an object of a class of your own."
            )
        items = (
            cast("dict[Any, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value)
        )
        for item in items:
            yield from references(item, depth - 1)


def resolve(value: Any, look_up: Callable[[Any], Any]) -> Any:
    """Return a value with its references replaced; containers without any are returned as they are."""
    if isinstance(value, Reference):
        return look_up(value)
    if isinstance(value, unmapped):
        return resolve(value.value, look_up)
    if next(references(value), None) is None:
        return value
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return {key: resolve(item, look_up) for key, item in pairs}
    items = [resolve(item, look_up) for item in value]
    kind = value.__class__
    return kind(*items) if hasattr(kind, "_fields") else kind(items)  # a named tuple takes its fields apart


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments of one call."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def resolved(self, look_up: Callable[[Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and named arguments with references replaced."""
        args = tuple(resolve(value, look_up) for value in self.args)
        return args, {name: resolve(value, look_up) for name, value in self.kwargs.items()}


class MappedArguments:
    """The arguments of all runs of a mapped task: some the same for all, some different for each."""

    __slots__ = ("_args", "_kwargs", "length")

    def __init__(self, what: str, arguments: Arguments, look_up: Callable[[Any], Any]) -> None:
        """Take the elements apart.

        Raises:  MapLengthsDiffer, NotMappable.
        """
        self._args = [_Elements(what, str(place), v, look_up) for place, v in enumerate(arguments.args)]
        self._kwargs = {name: _Elements(what, name, v, look_up) for name, v in arguments.kwargs.items()}
        self.length = self._common_length(what)

    def of(self, index: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of one run."""
        args = tuple([each.of(index) for each in self._args])
        return args, {name: each.of(index) for name, each in self._kwargs.items()} if self._kwargs else {}

    def _common_length(self, what: str) -> int:
        lengths = {each.name: each.length for each in (*self._args, *self._kwargs.values()) if each.mapped}
        if not lengths:
            raise NotMappable(
                f"{what} is mapped, but over nothing: each of its arguments is unmapped, or there are none. "
                f"Leave one argument mapped, or call the task without map."
            )
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise MapLengthsDiffer(
                f"{what} is mapped over arguments of different lengths ({listed}). "
                f"Give them one length, or wrap in unmapped() what is the same for all runs."
            )
        return next(iter(lengths.values()))


class _Elements:
    __slots__ = ("length", "mapped", "name", "value")

    def __init__(self, what: str, name: str, value: Any, look_up: Callable[[Any], Any]) -> None:
        self.name = f"argument {name}"
        self.mapped = not isinstance(value, unmapped)
        self.value = resolve(value, look_up)
        self.length = self._length(what) if self.mapped else 0

    def of(self, index: int) -> Any:
        return self.value[index] if self.mapped else self.value

    def _length(self, what: str) -> int:
        value = self.value
        kind = cast("type[object]", type(value))
        unfit = isinstance(value, (str, bytes, Mapping)) or not hasattr(kind, "__getitem__")
        if unfit or not hasattr(kind, "__len__"):
            raise NotMappable(
                f"{what} is mapped over {self.name}, which is of type {kind.__name__}. Give a list or another "
                f"sequence, or wrap it in unmapped() if all runs get it whole."
            )
        return len(self.value)
