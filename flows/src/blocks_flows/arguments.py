"""What a task is called with: values, tasks and futures, at any depth of lists, tuples, sets and dicts.

A task is mapped over lists, tuples, ranges and other sequences; over arrays and series by position, of an array of
several dimensions over its rows; over the views of a dict and whatever else can be read more than once, as a list.

- An iterator, such as a generator, becomes a list where it is given to `map` itself. As the value of a task it is
  refused: only the first who reads it would get its elements.
- A set is refused: another process has another order, so that a restarted run would mix up its elements.
- A text, a dict or a data frame is refused: it is not clear what of it is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from blocks_flows.errors import FlowInvalid, MapLengthsDiffer, NotMappable

_MAX_DEPTH: Final = 100
PLAIN: Final = frozenset({int, float, str, bytes, bool, type(None)})
"""Types of most arguments, in which no reference can be."""


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


class flatten:  # noqa: N801 - as above: f.map(flatten(lists))
    """An argument that is a list of lists, and of which the task gets the elements as one list.

    It takes one level away, and waits for all that makes up the lists: their lengths are needed.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"flatten({self.value!r})"


def references(value: Any) -> Iterator[Reference]:
    """Yield the references in a value, in their order.

    Raises:  FlowInvalid: it is nested too deep.
    """
    if value.__class__ not in PLAIN:
        for mark in _marks(value, _MAX_DEPTH):
            if isinstance(mark, Reference):
                yield mark


def resolve(value: Any, look_up: Callable[[Any], Any]) -> Any:
    """Return a value with its references replaced; containers without any are returned as they are.

    Raises:  NotMappable: `flatten` was given no list of lists.
    """
    if value.__class__ in PLAIN:
        return value
    if isinstance(value, Reference):
        return look_up(value)
    if isinstance(value, unmapped):
        return resolve(value.value, look_up)
    if isinstance(value, flatten):
        return _flattened(resolve(value.value, look_up))
    if next(_marks(value, _MAX_DEPTH), None) is None:
        return value
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return {key: resolve(item, look_up) for key, item in pairs}
    items = [resolve(item, look_up) for item in value]
    kind = getattr(value, "resolved_kind", value.__class__)  # a list of futures becomes one of values
    return kind(*items) if hasattr(kind, "_fields") else kind(items)  # a named tuple takes its fields apart


def is_unmapped(value: Any) -> bool:
    """Tell whether every mapped run gets this argument whole."""
    return isinstance(value.value if isinstance(value, flatten) else value, unmapped)


def elements_of(what: str, name: str, value: Any) -> Sequence[Any]:
    """Return what a task is mapped over as a sequence; see the table above.

    Raises:  NotMappable.
    """
    reason = _unfitness(value)
    if reason is None:
        try:
            return _sequence(value)
        except TypeError as error:  # such as an array without dimensions
            reason = f"which cannot be taken apart ({error})"
    raise NotMappable(
        f"{what} is mapped over {name}, {reason}. Give a list or another sequence, or wrap it in unmapped() if "
        f"all runs get it whole."
    )


def _marks(value: Any, depth: int) -> Iterator[Any]:
    """Yield what `resolve` replaces: references, and the wrappers around values."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, (unmapped, flatten)):
        yield value
        yield from _marks(value.value, depth)
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
            if item.__class__ not in PLAIN:
                yield from _marks(item, depth - 1)


def _unfitness(value: Any) -> str | None:
    """Return why a value is not to be taken apart; None: it may be tried."""
    if isinstance(value, (list, tuple, range)):
        return None
    kind = cast("type[object]", type(value))
    which = f"which is of type {kind.__name__}"
    if isinstance(value, (str, bytes, bytearray)):
        return which
    if isinstance(value, Mapping):
        return f"{which}: map over list(x.items()) or list(x)"
    if isinstance(value, (set, frozenset)):
        return f"{which}, and another process has another order: map over sorted(x)"
    if hasattr(kind, "columns"):  # of pandas, polars, Arrow
        return f"{which}: say whether its rows or its columns are meant"
    if not hasattr(kind, "__iter__") and not isinstance(value, Sequence):
        return which
    return None


def _sequence(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, Sequence) else list(value)


def _flattened(lists: Any) -> list[Any]:
    reason = _unfitness(lists)
    if reason is not None:
        raise NotMappable(f"flatten() was given a value {reason}. Give a list of lists.")
    found: list[Any] = []
    for place, each in enumerate(_sequence(lists)):
        reason = _unfitness(each)
        if reason is not None:
            raise NotMappable(
                f"flatten() takes a list of lists, and element {place} is no list: it is one {reason}. "
                f"Put it in a list of its own."
            )
        found += _sequence(each)
    return found


class Arguments(NamedTuple):
    """Arguments of one call."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = MappingProxyType({})
    pairs: tuple[Reference, ...] = ()
    """Mapped tasks of which a mapped task takes no value: child follows child."""

    def resolved(self, look_up: Callable[[Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and named arguments with references replaced."""
        args = tuple([resolve(value, look_up) for value in self.args])
        kwargs = self.kwargs
        return args, {name: resolve(value, look_up) for name, value in kwargs.items()} if kwargs else {}


class MappedArguments:
    """The arguments of all runs of a mapped task: some the same for all, some different for each."""

    __slots__ = ("_args", "_kwargs", "length")

    def __init__(self, what: str, arguments: Arguments, look_up: Callable[[Any], Any]) -> None:
        """Take the elements apart.

        Raises:  MapLengthsDiffer, NotMappable.
        """
        self._args = [
            _Elements(what, f"argument {place}", value, look_up) for place, value in enumerate(arguments.args)
        ]
        self._kwargs = {
            name: _Elements(what, f"argument {name}", value, look_up)
            for name, value in arguments.kwargs.items()
        }
        pairs = [_Elements(what, f"{pair!r} before it", pair, look_up) for pair in arguments.pairs]
        self.length = _common_length(what, [*self._args, *self._kwargs.values(), *pairs])

    def of(self, index: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of one run."""
        args = tuple([each.of(index) for each in self._args])
        return args, {name: each.of(index) for name, each in self._kwargs.items()} if self._kwargs else {}


def _common_length(what: str, elements: Iterable[_Elements]) -> int:
    lengths = {each.name: len(each.value) for each in elements if each.mapped}
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
    __slots__ = ("mapped", "name", "value")

    def __init__(self, what: str, name: str, value: Any, look_up: Callable[[Any], Any]) -> None:
        self.name = name
        self.mapped = not is_unmapped(value)
        self.value = resolve(value, look_up)
        if not self.mapped:
            return
        if isinstance(value, Reference) and isinstance(self.value, Iterator):
            raise NotMappable(
                f"{what} is mapped over {name}, which is an iterator: only the first who reads it gets "
                f"its elements. Let the task before it return a list."
            )
        self.value = elements_of(what, name, self.value)

    def of(self, index: int) -> Any:
        return self.value[index] if self.mapped else self.value
