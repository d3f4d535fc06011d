"""What is stored, exactly, and what is refused rather than changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    JsonValue,
    Secret,
    SecretStr,
    field_serializer,
    field_validator,
)

from blocks_core import Block
from blocks_core.codec import encode_block, fill_in
from blocks_core.document import Encoded
from blocks_core.errors import ValueNotStorable
from blocks_core.library import Library


class Anything(Block, slug="anything", arbitrary_types_allowed=True):
    """Takes anything."""

    value: Any = None


class Inner(Block, slug="inner"):
    """To be held."""

    token: SecretStr


class Outer(Block, slug="outer"):
    """Holds one."""

    inner: Inner | None = None
    inners: dict[str, list[Inner]] = {}


def stored(value: Any) -> Encoded:
    return encode_block(Anything(value=value), address="anything/x")


def test_values_are_stored_as_natural_json_with_their_kinds_beside_it() -> None:
    encoded = stored({"a/b": (1, date(2026, 1, 2)), "c": SecretStr("s")})
    assert encoded.data == {"value": {"a/b": [1, "2026-01-02"], "c": None}}
    assert encoded.marks == {"/value/a~1b": "tuple", "/value/a~1b/1": "date", "/value/c": "secret:str"}
    assert encoded.secrets["/value/c"].data == "s"
    assert fill_in(encoded) == {"value": {"a/b": [1, "2026-01-02"], "c": "s"}}
    assert fill_in(encoded, hide="***") == {"value": {"a/b": [1, "2026-01-02"], "c": "***"}}


def test_what_looks_like_a_marker_is_a_value(library: Library) -> None:
    for value in (
        {"$secret": 1},
        {"marks": {"/x": "secret:str"}},
        "block:00000000-0000-0000-0000-000000000000",
    ):
        Anything(value=value).save("x", overwrite=True)
        assert Anything.load("x").value == value


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        -math.inf,
        -0.0,
        10**400,
        "\ud800",
        "\x00",
        "a" * 100_000,
        {1: "a"},
        {date(2026, 1, 1): 1},
        Path("a/b"),
    ],
    ids=repr,
)
def test_odd_values_come_back_as_they_were(library: Library, value: Any) -> None:
    Anything(value=value).save("x")
    loaded = Anything.load("x").value
    assert loaded == value
    assert type(loaded) is type(value)
    assert repr(loaded) == repr(value)


def test_not_a_number_comes_back(library: Library) -> None:
    Anything(value=math.nan).save("x")
    assert math.isnan(Anything.load("x").value)


class Opaque:
    pass


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (Opaque(), "is a Opaque, which has no stored form"),
        ({"deep": [Opaque()]}, "value.deep.0 is a Opaque"),
        (_circle(), "deeper than"),
        ({SecretStr("k"): 1}, "has a secret as a key"),
        ({1: "a", "1": "b"}, "mixes keys"),
        ({(1, 2): "a"}, "has a key of type tuple"),
        (AnyUrl("http://x"), "would come back as a str"),
        (Secret(Inner(token=SecretStr("x"))), "holds a block inside a secret"),
        (b"\xff".join([b"a"]).__class__, "is a type"),
    ],
)
def test_what_would_not_come_back_is_refused_with_its_path(value: Any, problem: str) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        stored(value)
    assert problem in str(caught.value)
    assert "anything/x" in str(caught.value)


class First(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int


class Second(First):
    pass


class Ambiguous(Block, slug="ambiguous"):
    """A union without a discriminator."""

    either: First | Second


def test_an_ambiguous_union_is_refused_rather_than_changed(library: Library) -> None:
    Ambiguous(either=First(x=1)).save("fine")
    with pytest.raises(
        ValueNotStorable, match=r"either is a Second and would come back as a First.*discriminator"
    ):
        Ambiguous(either=Second(x=1)).save("x")


class Loose(Block, slug="loose"):
    """Defaults as people write them: of a type that pydantic would have changed, had it looked."""

    seconds: float = 60
    path: Path = "a/b"  # pyright: ignore[reportAssignmentType]


def test_an_unvalidated_default_is_stored_as_its_field_says(library: Library) -> None:
    Loose().save("x")
    assert Loose.load("x").seconds == 60
    assert Loose.load("x").path == Path("a/b")


class Shouting(Block, slug="shouting"):
    """A validator that never gives back what it is given."""

    text: str

    @field_validator("text")
    @classmethod
    def _louder(cls, text: str) -> str:
        return text + "!"


def test_a_block_that_changes_when_it_is_loaded_is_refused(library: Library) -> None:
    with pytest.raises(ValueNotStorable, match="changes when it is stored"):
        Shouting(text="a").save("x")


class Revealing(Block, slug="revealing"):
    """Its serializer gives the secret away, as a common recipe does."""

    token: SecretStr

    @field_serializer("token")
    def _reveal(self, value: SecretStr) -> str:
        return value.get_secret_value()


def test_a_serializer_that_reveals_a_secret_is_not_asked() -> None:
    encoded = encode_block(Revealing(token=SecretStr("planted")), address="x")
    assert encoded.data == {"token": None}
    assert encoded.secrets["/token"].data == "planted"


@dataclass
class Pair:
    left: int
    right: SecretStr


class Various(Block, slug="various"):
    """A dataclass and any JSON."""

    pair: Pair
    json_value: JsonValue = None


def test_dataclasses_and_json_come_back(library: Library) -> None:
    block = Various(pair=Pair(1, SecretStr("s")), json_value={"a": [1, None, 2.5, {"b": "c"}]})
    block.save("x")
    assert Various.load("x") == block


def test_a_held_block_that_was_changed_since_it_was_loaded_is_refused(library: Library) -> None:
    Inner(token=SecretStr("old")).save("i")
    inner = Inner.load("i")
    inner.token = SecretStr("new")
    with pytest.raises(ValueNotStorable, match=r"'inner/i', changed since it was loaded. Save it first"):
        Outer(inner=inner).save("o")
    inner.save("i", overwrite=True)
    Outer(inners={"a": [inner, inner]}).save("o")
    assert Outer.load("o").inners["a"][1].token.get_secret_value() == "new"


def test_stored_content_shows_no_value_in_its_repr() -> None:
    encoded = stored({"user": "ann", "password": SecretStr("planted")})
    assert repr(encoded) == "Encoded(1 marks, 1 secrets)"
    assert "planted" not in encoded.data_text() + encoded.marks_text()
    assert Encoded.from_parts(encoded.data_text(), encoded.marks_text(), encoded.secrets_bytes()) == encoded
