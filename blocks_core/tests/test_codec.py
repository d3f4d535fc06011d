"""What is stored, exactly, and what is refused rather than changed."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    JsonValue,
    RootModel,
    Secret,
    SecretStr,
    field_serializer,
    field_validator,
)

from blocks_core import Block
from blocks_core.codec import encode_block
from blocks_core.decoding import decode, fill_in
from blocks_core.document import Encoded
from blocks_core.errors import BlockInvalid, DocumentDamaged, ValueNotStorable
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


class Color(Enum):
    RED = "red"


class Plain(BaseModel):
    x: int = 1


Number = RootModel[int]


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
        (Color.RED, "is a Color and would come back as a str"),
        (Number(3), "would come back as a int"),
        ({Color.RED: 1}, "value is a dict and would come back as another"),
        (Secret(Plain()), "value is a Secret and would come back as another"),
        ([10**5000], "too many digits"),
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


class Precise(Block, slug="precise"):
    """Values of which a text says only a part."""

    pattern: re.Pattern[str] | re.Pattern[bytes] | None = None
    recent: deque[int] = deque()
    either: str | Color = ""
    keys: dict[str | Color, int] = {}
    models: set[frozenset[int]] = set()
    hidden: Secret[Number | int] | None = None


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": re.compile("a", re.IGNORECASE)},
        {"recent": deque([1], maxlen=3)},
        {"either": Color.RED},
        {"keys": {Color.RED: 1}},
        {"hidden": Secret[Number | int](Number(1))},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_a_text_does_not_say_is_refused_rather_than_lost(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueNotStorable, match=f"{next(iter(fields))} is a "):
        encode_block(Precise(**fields), address="precise/x")


SEOUL, PARIS = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 7, 1, tzinfo=SEOUL),
        datetime(2026, 10, 25, 2, 30, tzinfo=PARIS),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=PARIS),
        datetime(1880, 1, 1, tzinfo=PARIS),
        datetime(2026, 7, 1, fold=1, tzinfo=UTC),
        time(8, 30, tzinfo=SEOUL),
    ],
    ids=str,
)
def test_a_time_comes_back_in_its_zone(library: Library, value: datetime | time) -> None:
    Anything(value=value).save("x")
    loaded = Anything.load("x").value
    assert repr(loaded.tzinfo) == repr(value.tzinfo)
    assert loaded.isoformat() == value.isoformat()
    assert loaded.utcoffset() == value.utcoffset()


class Moving(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else timedelta(hours=when.month)

    def dst(self, when: datetime | None) -> timedelta | None:
        return None


def test_a_zone_that_cannot_be_named_is_refused_unless_it_is_a_mere_offset() -> None:
    stored(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=9))))
    with pytest.raises(ValueNotStorable, match="value is a datetime and would come back as another"):
        stored(datetime(2026, 1, 1, tzinfo=Moving()))


class Frozen(BaseModel, frozen=True):
    x: int


class Sets(Block, slug="sets"):
    """A set of models."""

    models: set[Frozen]


def test_a_set_of_models_comes_back(library: Library) -> None:
    Sets(models={Frozen(x=1), Frozen(x=2)}).save("x")
    assert Sets.load("x").models == {Frozen(x=1), Frozen(x=2)}


class Knot(Block, slug="knot"):
    """Holds two of anything."""

    left: Block | None = None
    right: Block | None = None


def test_saved_blocks_that_hold_each_other_are_refused(library: Library) -> None:
    first, second = Knot(), Knot()
    first.save("first")
    second.left = first
    second.save("second")
    first.left = second
    with pytest.raises(ValueNotStorable, match="'knot/first', changed since"):
        first.save("first", overwrite=True)


def test_a_block_that_holds_itself_is_refused_in_few_words() -> None:
    knot = Knot()
    knot.left = knot
    with pytest.raises(ValueNotStorable, match="deeper than") as caught:
        encode_block(knot, address="knot/x")
    assert len(str(caught.value)) < 400


def test_a_long_chain_of_references_comes_back_each_block_once(library: Library) -> None:
    knot = Knot()
    knot.save("0")
    for number in range(1, 150):  # each holds the one before it twice: 2 ** 150 ways lead to the first
        knot = Knot(left=knot, right=knot)
        knot.save(str(number))
    loaded, count = Knot.load("149"), 0
    while isinstance(loaded.left, Knot):
        assert loaded.left is loaded.right
        loaded, count = loaded.left, count + 1
    assert count == 149


def test_a_block_just_saved_can_be_held_whatever_its_defaults_are(library: Library) -> None:
    loose = Loose()
    loose.save("x")
    Knot(left=loose).save("k")
    assert Knot.load("k").left == Loose(seconds=60.0, path=Path("a/b"))


def test_a_block_whose_class_grew_since_it_was_saved_can_be_held(library: Library) -> None:
    def declare(**more: Any) -> type[Block]:
        names = {"__module__": __name__, "__annotations__": {"a": int} | dict.fromkeys(more, int), "a": 1}
        return type(Block)("Growing", (Block,), names | more, slug="growing")

    declare()().save("x")
    Knot(left=declare(b=2).load("x")).save("k")
    assert library.registry.users("growing", "x") == ["knot/k"]


def test_a_block_made_without_validation_is_refused_with_what_it_lacks(library: Library) -> None:
    with pytest.raises(BlockInvalid, match="token: is required"):
        Inner.model_construct().save("x")


T = TypeVar("T")


class Box(Block, Generic[T], slug="box"):
    """A generic block."""

    value: T


class Boxes(Block, slug="boxes"):
    """Two kinds of one generic block."""

    number: Box[int]
    text: Box[str]


def test_the_parametrised_copies_of_a_generic_block_are_not_confused(library: Library) -> None:
    boxes = Boxes(number=Box[int](value=1), text=Box[str](value="a"))
    boxes.save("x")
    assert Boxes.load("x") == boxes
    Box[int](value=1).save("x")
    assert type(Block.load("box/x")) is Box


class Open(Block, slug="open", extra="allow"):
    """Takes more than it names, and keeps what it worked out."""

    x: int = 1

    @cached_property
    def twice(self) -> int:
        return self.x * 2


def test_equality_is_of_fields_and_extra_ones_alone(library: Library) -> None:
    block = Open(y=SecretStr("s"))  # pyright: ignore[reportCallIssue]
    assert block.twice == 2
    block.save("x")
    assert Open.load("x") == block
    assert Open.load("x") != Open(y=SecretStr("t"))  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("data", "mark", "problem"),
    [
        ("planted", "no-such-kind", "value does not fit its mark 'no-such-kind'"),
        ("planted", "uuid", "value does not fit its mark 'uuid'"),
        ("planted", "datetime@No/Where", "does not fit"),
        (["planted"], "bytes", "does not fit"),
        ({"planted": 1}, "date", "does not fit"),
        ({"planted": 1}, "keys:date", "does not fit"),
        (7, "decimal", "does not fit"),
        (None, "secret:str", "value is a secret without a value"),
    ],
)
def test_damaged_content_is_an_error_that_names_the_block_and_no_value(
    data: Any, mark: str, problem: str
) -> None:
    content = Encoded(data={"value": data}, marks={"/value": mark})
    with pytest.raises(DocumentDamaged) as caught:
        decode(content, lambda *_: None, address="anything/x")
    assert "'anything/x'" in str(caught.value)
    assert problem in str(caught.value)
    assert "planted" not in str(caught.value)
    assert caught.value.__context__ is None
