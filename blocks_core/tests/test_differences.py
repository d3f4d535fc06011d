"""Which changes of a structure what is stored fits, and how they are told."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from functools import lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field, Secret, SecretBytes, SecretStr, create_model

from blocks_core import Block, Storage
from blocks_core.building import build_block
from blocks_core.codec import encode_block
from blocks_core.decoding import decode
from blocks_core.differences import differences
from blocks_core.errors import BlocksError
from blocks_core.schema import schema_of
from blocks_core.structure import structure


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class MoreColours(Enum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Size(Enum):
    S = "s"
    L = "l"


class Number(IntEnum):
    ONE = 1
    TWO = 2


class Held(Block, slug="held-here"):
    """Held."""

    x: int = 0


class Other(Block, slug="other-here"):
    """Held."""

    x: int = 0


class A(BaseModel):
    kind: Literal["a"] = "a"
    x: int = 0


class LongA(BaseModel):
    kind: Literal["a"] = "a"
    x: float = 0
    y: str = ""


class B(BaseModel):
    kind: Literal["b"] = "b"
    x: int = 0


class Plain(BaseModel):
    x: int = 0


class Twin(BaseModel):
    x: int = 0


class Tree(BaseModel):
    leaves: list[Tree] = []


class BiggerTree(BaseModel):
    leaves: list[BiggerTree] = []
    size: int = 0


def block(annotation: Any, **values: Any) -> type[Block]:
    namespace = {"__annotations__": {"v": annotation}, "__module__": __name__, **values}
    return type(Block)("Sample", (Block,), namespace, slug="sample")


def told(old: Any, new: Any) -> dict[str, bool]:
    before, after = structure(schema_of(block(old))), structure(schema_of(block(new)))
    return {found.text: found.compatible for found in differences(before, after)}


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (int, float, "field 'v' was integer and is number"),
        (int, int | None, "field 'v' also takes null (it was integer, and is integer or null)"),
        (int | str, int | str | date, "field 'v' also takes date (it was integer or string, and is date or integer or string)"),
        (int | None, float | None, "field 'v' takes integer as number (it was integer or null, and is null or number)"),
        (Colour, MoreColours, "field 'v' also takes \"green\" (it was \"blue\" or \"red\")"),
        (Literal["a"], Literal["a", "b"], "field 'v' also takes \"b\" (it was \"a\")"),
        (Literal["a", "b"], str, "field 'v' was \"a\" or \"b\" and is string"),
        (list[int], list[float], "field 'v.*' was integer and is number"),
        (dict[str, int], dict[str, int | None], "field 'v.*' also takes null (it was integer, and is integer or null)"),
        (tuple[int, str], tuple[float, str], "field 'v.0' was integer and is number"),
        (A, LongA, "field 'v.y' is new and optional (string)"),
        (A | None, LongA | None, "field 'v.x' was integer and is number"),
        (A | B, Annotated[A | B, Field(discriminator="kind")], "field 'v' is told apart by kind (it was object, and is object)"),
        (Annotated[A | B, Field(discriminator="kind")], A | B, "field 'v' is told apart by its form (it was object, and is object)"),
        (Annotated[A | B, Field(discriminator="kind")], Annotated[LongA | B, Field(discriminator="kind")], "field 'v.y' is new and optional (string)"),
        (A, A | B, "field 'v' also takes object (it was object, and is object)"),
        (Held, Held | Other, "field 'v' also takes a block (other-here) (it was a block (held-here), and is a block (held-here) or a block (other-here))"),
        (Tree, BiggerTree, "field 'v.size' is new and optional (integer)"),
        (Secret[int], Secret[float], "field 'v' was integer and is number"),
        (Secret[A], Secret[LongA], "field 'v.y' is new and optional (string)"),
    ],
)  # fmt: skip
def test_what_is_stored_fits(old: Any, new: Any, text: str) -> None:
    found = told(old, new)
    assert text in found
    assert all(found.values()), found


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (float, int, "field 'v' was number and is integer"),
        (str, int, "field 'v' was string and is integer"),
        (date, str, "field 'v' was date and is string"),
        (str, Path, "field 'v' was string and is path"),
        (str, Decimal, "field 'v' was string and is decimal"),
        (int | None, int, "field 'v' no longer takes null (it was integer or null, and is integer)"),
        (int | str, int, "field 'v' no longer takes string (it was integer or string, and is integer)"),
        (MoreColours, Colour, "field 'v' no longer takes \"green\" (it was \"blue\" or \"green\" or \"red\")"),
        (str, Literal["a"], "field 'v' was string and is \"a\""),
        (str, SecretStr, "field 'v' was string and is a secret"),
        (SecretStr, str, "field 'v' was a secret and is string"),
        (A, Secret[A], "field 'v' was object and is a secret"),
        (SecretStr, SecretBytes, "field 'v' has another contentEncoding"),
        (Secret[int], Secret[str], "field 'v' was integer and is string"),
        (list[int], set[int], "field 'v' was list of integer and is set of integer"),
        (list[int], list[str], "field 'v.*' was integer and is string"),
        (list[int], dict[str, int], "field 'v' was list of integer and is dict of integer"),
        (tuple[int, str], tuple[int, str, str], "field 'v' was tuple of integer, string and is tuple of integer, string, string"),
        (dict[Colour, int], dict[Size, int], "the keys of field 'v' were \"blue\" or \"red\" and are \"l\" or \"s\""),
        (LongA, A, "field 'v.y' is gone (it was string)"),
        (A, B, "field 'v.kind' no longer takes \"a\" (it was \"a\")"),
        (Held, Other, "field 'v' was a block (held-here) and is a block (other-here)"),
        (Held, Storage, "field 'v' was a block (held-here) and is a block (storage)"),
        (Plain, Held, "field 'v' was object and is a block (held-here)"),
        (Annotated[A | B, Field(discriminator="kind")], A, "field 'v' no longer takes object (it was object, and is object)"),
    ],
)  # fmt: skip
def test_what_is_stored_may_not_fit(old: Any, new: Any, text: str) -> None:
    assert told(old, new)[text] is False


@pytest.mark.parametrize(
    ("old", "new", "gained"),
    [
        (Colour, Colour | str, "string"),
        (AnyUrl, AnyUrl | str, "string"),
        (Plain, Plain | Twin, "object"),
        (Plain, Plain | dict[str, int], "dict of integer"),
        (Plain, Plain | Held, "a block (held-here)"),
        (list[int], list[int] | tuple[int, str], "tuple of integer, string"),
        (str, str | SecretStr, "a secret"),
    ],
)
def test_gaining_what_the_stored_may_be_taken_for_is_told_so(old: Any, new: Any, gained: str) -> None:
    (text,) = [text for text, compatible in told(old, new).items() if not compatible]
    assert text.startswith(f"field 'v' also takes {gained}, for which what is stored may be taken (")


def test_required_and_optional_are_told_both_ways() -> None:
    needed, optional = structure(schema_of(block(str))), structure(schema_of(block(str, v="")))
    assert [vars(found) for found in differences(needed, optional)] == [
        {"text": "field 'v' was required and is optional", "compatible": True}
    ]
    assert [vars(found) for found in differences(optional, needed)] == [
        {"text": "field 'v' was optional and is required", "compatible": False}
    ]


def test_a_definition_that_is_renamed_is_no_difference() -> None:
    assert told(Plain, Twin) == {}
    assert told(list[Plain], list[Twin]) == {}


def test_a_type_that_holds_its_own_kind_has_its_fields_compared() -> None:
    class Chain(Block, slug="chain-here"):
        """One."""

        value: int
        next: Chain | None = None

    class Longer(Block, slug="chain-here"):
        """Two."""

        value: str
        next: Longer | None = None

    before, after = structure(schema_of(Chain)), structure(schema_of(Longer))
    assert [found.text for found in differences(before, after)] == ["field 'value' was integer and is string"]


@dataclass(frozen=True)
class Shape:
    """A type for a field, as a tree that can be changed."""

    kind: str
    inner: tuple[Shape, ...] = ()
    names: tuple[tuple[str, bool], ...] = ()
    """Of a model's fields, and whether each is required."""
    tag: str = ""
    values: tuple[Any, ...] = field(default=(), compare=False)


LEAVES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "str": (str, ("", "a", "red", "2020-01-01", "http://x.y/", "1", "1.2.3.4", "true", "s")),
    "int": (int, (0, 1, 2, 7)),
    "float": (float, (0.0, 1.0, 2.5)),
    "bool": (bool, (True, False)),
    "none": (None, (None,)),
    "bytes": (bytes, (b"", b"a\xff", b"red")),
    "date": (date, (date(2020, 1, 1),)),
    "datetime": (datetime, (datetime(2020, 1, 1), datetime(2020, 1, 1, 3, 4, tzinfo=UTC))),
    "time": (time, (time(1, 2),)),
    "timedelta": (timedelta, (timedelta(1), timedelta(0))),
    "decimal": (Decimal, (Decimal(1), Decimal("1.5"))),
    "uuid": (UUID, (UUID(int=5),)),
    "path": (Path, (Path("a"), Path("red"))),
    "url": (AnyUrl, (AnyUrl("http://x.y/"),)),
    "ip": (IPv4Address, (IPv4Address("1.2.3.4"),)),
    "pattern": (re.Pattern, (re.compile("a"),)),
    "secret": (SecretStr, (SecretStr("x"), SecretStr("red"))),
    "secret bytes": (SecretBytes, (SecretBytes(b"x"),)),
    "secret int": (Secret[int], (Secret[int](3),)),
    "colour": (Colour, tuple(Colour)),
    "colours": (MoreColours, tuple(MoreColours)),
    "size": (Size, tuple(Size)),
    "number": (Number, tuple(Number)),
    "a or b": (Literal["a", "b"], ("a", "b")),
    "a": (Literal["a"], ("a",)),
    "1 or 2": (Literal[1, 2], (1, 2)),
    "held": (Held, (Held(x=1),)),
    "other": (Other, (Other(x=1),)),
    "any": (Any, (1, "a", None)),
}

_names = st.sampled_from(["x", "y", "z"])
_count = itertools.count()
_models: dict[Shape, Any] = {}


def shapes(depth: int = 2) -> st.SearchStrategy[Shape]:
    leaf = st.sampled_from(sorted(LEAVES)).map(Shape)
    if not depth:
        return leaf
    inner = shapes(depth - 1)
    fields = st.lists(st.tuples(_names, st.booleans()), max_size=3, unique_by=lambda name: name[0])
    return st.one_of(
        leaf,
        leaf,
        st.builds(lambda one, other: Shape("union", (one, other)), inner, inner),
        st.builds(lambda one: Shape("union", (one, Shape("none"))), inner),
        st.builds(lambda one: Shape("list", (one,)), inner),
        st.builds(lambda one: Shape("dict", (one,)), inner),
        st.builds(lambda one, other: Shape("tuple", (one, other)), inner, inner),
        fields.flatmap(
            lambda names: st.builds(
                lambda inner, tag: Shape("model", tuple(inner), tuple(names), tag),
                st.lists(inner, min_size=len(names), max_size=len(names)),
                st.sampled_from(["", "", "a", "b"]),
            )
        ),
    )


@st.composite
def changed(draw: st.DrawFn, shape: Shape) -> Shape:
    """Draw what a type may become: often something near to it."""
    choice = draw(st.integers(0, 6))
    if choice == 0:
        return draw(shapes(1))
    if choice == 1:
        return Shape("union", (shape, draw(shapes(1))) if draw(st.booleans()) else (draw(shapes(1)), shape))
    if choice == 2 and shape.kind == "union":
        return draw(st.sampled_from(shape.inner))
    if choice == 3 and shape.kind == "model":
        new = draw(st.lists(st.tuples(st.just("new"), st.booleans()), max_size=1))
        kept = [one for one in zip(shape.names, shape.inner, strict=True) if draw(st.integers(0, 4))]
        names = [(name, needed and draw(st.booleans())) for (name, needed), _ in kept] + new
        return Shape(
            "model", (*(one for _, one in kept), *(draw(shapes(0)) for _ in new)), tuple(names), shape.tag
        )
    if shape.inner:
        inner = tuple(draw(changed(one)) if draw(st.booleans()) else one for one in shape.inner)
        return Shape(shape.kind, inner, shape.names, shape.tag)
    near = {"int": "float", "colour": "colours", "a": "a or b", "a or b": "str", "1 or 2": "int"}
    return Shape(near.get(shape.kind, shape.kind))


def annotation_of(shape: Shape) -> Any:
    if shape.kind in LEAVES:
        return LEAVES[shape.kind][0]
    inner = tuple(annotation_of(one) for one in shape.inner)
    match shape.kind:
        case "union":
            return Union[inner]  # noqa: UP007
        case "list":
            return list[inner[0]]  # type: ignore[valid-type]
        case "dict":
            return dict[str, inner[0]]  # type: ignore[valid-type]
        case "tuple":
            return tuple[inner]  # type: ignore[valid-type]
    if shape not in _models:
        fields: dict[str, Any] = {} if not shape.tag else {"kind": (Literal[shape.tag], shape.tag)}
        for (name, needed), one in zip(shape.names, inner, strict=True):
            fields[name] = (one, ...) if needed else (one | None if one is not None else None, None)
        _models[shape] = create_model(f"Model{next(_count)}", **fields)
    return _models[shape]


@lru_cache(maxsize=4000)
def typed(shape: Shape) -> tuple[type[Block], Any]:
    """Return a block type with such a field, and its structure."""
    made = block(annotation_of(shape))
    return made, structure(schema_of(made))


def value_of(draw: st.DrawFn, shape: Shape) -> Any:
    if shape.kind in LEAVES:
        return draw(st.sampled_from(LEAVES[shape.kind][1]))
    match shape.kind:
        case "union":
            return value_of(draw, draw(st.sampled_from(shape.inner)))
        case "list":
            return [value_of(draw, shape.inner[0]) for _ in range(draw(st.integers(0, 2)))]
        case "dict":
            return {name: value_of(draw, shape.inner[0]) for name in draw(st.sets(_names, max_size=2))}
        case "tuple":
            return tuple(value_of(draw, one) for one in shape.inner)
    given = [
        (name, one)
        for (name, needed), one in zip(shape.names, shape.inner, strict=True)
        if needed or draw(st.booleans())
    ]
    return annotation_of(shape)(**{name: value_of(draw, one) for name, one in given})


def same(old: Any, new: Any) -> bool:
    """Tell whether a value came through a change as it was; a model by the fields that it had."""
    if isinstance(old, Enum) != isinstance(new, Enum):
        return same(getattr(old, "value", old), getattr(new, "value", new))
    if isinstance(old, Enum):
        return old.value == new.value
    if isinstance(old, BaseModel) and isinstance(new, BaseModel):
        return all(same(getattr(old, name), getattr(new, name)) for name in type(old).model_fields)
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        return len(old) == len(new) and all(map(same, old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(old[key], new[key]) for key in old)
    if type(old) is int and type(new) is float:
        return old == new
    return old == new and type(old) is type(new)


def held_at(pointer: str, mark: str, members: Any) -> Block:
    return build_block(
        {"held-here": Held, "other-here": Other}[mark[7:].partition("@")[0]], members, what="it"
    )


def check(old: Shape, new: Shape, value: Any) -> str:
    """Make sure that what one type stores loads under another, if that is said to be so; return the verdict."""
    (before, first), (after, second) = typed(old), typed(new)
    found = differences(first, second)
    assert bool(found) or first == second, "what differs is told"
    if not all(one.compatible for one in found):
        return "refused"
    try:
        content = encode_block(before(v=value), address="old")
    except BlocksError:  # an ambiguous type, which is refused when it is saved
        return "cannot be saved"
    stored = build_block(before, decode(content, held_at, address="old"), what="old")
    loaded = build_block(after, decode(content, held_at, address="old"), what="new")
    assert same(stored.v, loaded.v), (stored, loaded)  # type: ignore[attr-defined]
    encode_block(loaded, address="new")
    return "compatible" if found else "the same"


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_judged_to_fit_fits(data: Any) -> None:
    old = data.draw(shapes())
    new = data.draw(changed(old))
    event(check(old, new, value_of(data.draw, old)))


@pytest.mark.parametrize("kind", sorted(LEAVES))
def test_what_is_judged_to_fit_fits_for_every_pair_of_leaves(kind: str) -> None:
    old = Shape(kind)
    for other in LEAVES:
        for new in (Shape(other), Shape("union", (old, Shape(other))), Shape("union", (Shape(other), old))):
            for value in LEAVES[kind][1]:
                check(old, new, value)
