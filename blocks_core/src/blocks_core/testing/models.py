"""Blocks of generated types, for property tests: secrets anywhere, in every kind of container.

Every secret's value holds a canary, a text that stands nowhere else; wherever it shows up, a secret has leaked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar, cast, get_args
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, Secret, SecretBytes, SecretStr, create_model

from blocks_core.block import Block
from blocks_core.secret import SecretBytesRef, SecretRef

T = TypeVar("T")
_counter = itertools.count()

_FIELD_COUNTS, _LENGTHS, _LEAVES = st.integers(1, 5), st.integers(0, 3), st.integers(0, 999)
_HALF, _KEYS = st.booleans(), st.lists(st.integers(), max_size=3, unique=True)
_SHORT_TEXT, _SHORT_BYTES = st.text(max_size=5), st.binary(max_size=5)


class Holder(BaseModel, Generic[T]):
    """A generic model."""

    model_config = ConfigDict(extra="forbid")
    held: T
    more: list[T] = []


class Colour(Enum):
    """Something to choose from."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Kind:
    """A type for a field, and how to draw a value of it."""

    annotation: Any
    values: Callable[[st.DrawFn], Any] = field(repr=False)
    hashable: bool = True


@dataclass
class Canaries:
    """The secrets that were planted in one generated block."""

    texts: list[str] = field(default_factory=list[str])
    references: tuple[str, ...] = ()
    """To stand in the places of some secrets."""

    def plant(self) -> str:
        """Return a new secret text."""
        self.texts.append(f"canary{next(_counter):08d}canary")
        return self.texts[-1]


@st.composite
def generated_blocks(draw: st.DrawFn, references: tuple[str, ...] = ()) -> tuple[Block, list[str]]:
    """Draw a block of a type made for it, and the texts of the secrets that are planted in it.

    Args:    references: secret references that stand in the places of some of the secrets.
    """
    canaries = Canaries(references=references)
    kinds = [_kind(draw, canaries, depth=3) for _ in range(draw(_FIELD_COUNTS))]
    block_type = _block_type(kinds)
    values = {f"field_{index}": kind.values(draw) for index, kind in enumerate(kinds)}
    return block_type.model_validate(values, by_name=True), canaries.texts


def _block_type(kinds: list[Kind]) -> type[Block]:
    fields: dict[str, Any] = {
        f"field_{index}": (kind.annotation, Field(alias=f"alias{index}" if index % 2 else None))
        for index, kind in enumerate(kinds)
    }
    slug = f"generated-{next(_counter)}"
    made: Any = create_model(
        f"Generated{next(_counter)}", __base__=Block, __cls_kwargs__={"slug": slug}, **fields
    )
    return cast("type[Block]", made)


def _kind(draw: st.DrawFn, canaries: Canaries, *, depth: int) -> Kind:
    """Draw a kind of value; strategies are built once, as building them costs more than drawing."""
    choice = draw(_CHOICES)
    if not depth or choice < 0:
        leaves = _secret_kinds(canaries) if draw(_HALF) else _plain_kinds()
        return leaves[draw(_LEAVES) % len(leaves)]
    inner = _kind(draw, canaries, depth=depth - 1)
    if choice < len(_WRAPPERS):
        wrapper = _WRAPPERS[choice]
        return wrapper(inner) if inner.hashable or wrapper is not _set else _list(inner)
    if choice < len(_WRAPPERS) + len(_JOINERS):
        return _JOINERS[choice - len(_WRAPPERS)]((inner, _kind(draw, canaries, depth=depth - 1)))
    return _secret_or_text(canaries) if draw(_HALF) else _number_or_date()


@cache
def _plain_kinds() -> list[Kind]:
    times = st.datetimes(timezones=st.just(UTC))
    drawn: list[tuple[Any, st.SearchStrategy[Any]]] = [
        (str, st.text(max_size=20)),
        (int, st.integers()),
        (float, st.floats(allow_nan=False)),
        (bool, st.booleans()),
        (bytes, st.binary(max_size=20)),
        (date, st.dates()),
        (datetime, times),
        (timedelta, st.timedeltas(timedelta(days=-999), timedelta(days=999))),
        (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
        (UUID, st.uuids()),
        (Colour, st.sampled_from(Colour)),
        (Literal["a", "b"], st.sampled_from(["a", "b"])),
        (int | str, st.one_of(st.integers(), st.text(max_size=9))),
        (date | str, st.one_of(st.dates(), st.just("2020-01-01"))),
    ]
    return [Kind(annotation, _drawing(strategy)) for annotation, strategy in drawn]


def _drawing(strategy: st.SearchStrategy[Any]) -> Callable[[st.DrawFn], Any]:
    return lambda draw: draw(strategy)


def _secret_kinds(canaries: Canaries) -> list[Kind]:
    return [
        Kind(SecretStr, lambda draw: _secret_text(draw, canaries)),
        Kind(SecretBytes, lambda draw: _secret_bytes(draw, canaries)),
        Kind(Secret[list[str]], lambda draw: Secret([canaries.plant()]), hashable=False),
        Kind(
            Secret[dict[str, SecretStr]],
            lambda draw: Secret({"k": SecretStr(canaries.plant())}),
            hashable=False,
        ),
    ]


def _secret_text(draw: st.DrawFn, canaries: Canaries) -> SecretStr:
    if canaries.references and draw(_HALF):
        return SecretRef(draw(st.sampled_from(canaries.references)))
    return SecretStr(canaries.plant() + draw(_SHORT_TEXT))


def _secret_bytes(draw: st.DrawFn, canaries: Canaries) -> SecretBytes:
    if canaries.references and draw(_HALF):
        return SecretBytesRef(draw(st.sampled_from(canaries.references)))
    return SecretBytes(canaries.plant().encode() + draw(_SHORT_BYTES))


def _optional(kind: Kind) -> Kind:
    return Kind(
        kind.annotation | None, lambda draw: kind.values(draw) if draw(_HALF) else None, kind.hashable
    )


def _some(kind: Kind, draw: st.DrawFn) -> list[Any]:
    return [kind.values(draw) for _ in range(draw(_LENGTHS))]


def _list(kind: Kind) -> Kind:
    return Kind(list[kind.annotation], lambda draw: _some(kind, draw), hashable=False)


def _dict(kind: Kind) -> Kind:
    return Kind(
        dict[int, kind.annotation],
        lambda draw: {key: kind.values(draw) for key in draw(_KEYS)},
        hashable=False,
    )


def _pair(kinds: tuple[Kind, Kind]) -> Kind:
    one, other = kinds
    return Kind(
        tuple[one.annotation, other.annotation],
        lambda draw: (one.values(draw), other.values(draw)),
        one.hashable and other.hashable,
    )


def _tuple(kind: Kind) -> Kind:
    return Kind(tuple[kind.annotation, ...], lambda draw: tuple(_some(kind, draw)), kind.hashable)


def _set(kind: Kind) -> Kind:
    return Kind(frozenset[kind.annotation], lambda draw: frozenset(_some(kind, draw)))


def _nested(kind: Kind) -> Kind:
    made: Any = create_model(f"Nested{next(_counter)}", inner=(kind.annotation, Field(alias="outerName")))
    return Kind(made, lambda draw: made(outerName=kind.values(draw)), hashable=False)


def _generic(kind: Kind) -> Kind:
    made: Any = Holder[kind.annotation]
    return Kind(made, lambda draw: made(held=kind.values(draw), more=_some(kind, draw)), hashable=False)


def _inline_block(kind: Kind) -> Kind:
    made: Any = _block_type([kind])
    return Kind(made, lambda draw: made(field_0=kind.values(draw)), hashable=False)


def _discriminated(kinds: tuple[Kind, Kind]) -> Kind:
    models: list[Any] = []
    for tag, kind in zip((Literal["a"], Literal["b"]), kinds, strict=True):
        members: dict[str, Any] = {"kind": (tag, get_args(tag)[0]), "value": (kind.annotation, ...)}
        models.append(create_model(f"Choice{next(_counter)}", **members))
    annotation: Any = Annotated[models[0] | models[1], Field(discriminator="kind")]

    def values(draw: st.DrawFn) -> Any:
        chosen = int(draw(_HALF))
        return models[chosen](value=kinds[chosen].values(draw))

    return Kind(annotation, values, hashable=False)


def _secret_or_text(canaries: Canaries) -> Kind:
    return Kind(
        SecretStr | str | None,
        lambda draw: SecretStr(canaries.plant()) if draw(_HALF) else draw(_SHORT_TEXT),
    )


@cache
def _number_or_date() -> Kind:
    values = st.one_of(st.integers(), st.dates(), st.decimals(allow_nan=False, allow_infinity=False))
    return Kind(int | date | Decimal, _drawing(values))


_WRAPPERS = (_optional, _list, _dict, _tuple, _set, _nested, _generic, _inline_block)
_JOINERS = (_pair, _discriminated)
_CHOICES = st.integers(-3, len(_WRAPPERS) + len(_JOINERS))
