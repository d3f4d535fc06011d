"""Blocks whose forms must give back what they were shown: each kind of field that pydantic describes, with values."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AnyUrl,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    JsonValue,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
)

from blocks_core import Block, SecretRef, Storage
from blocks_core.secret import SecretBytesRef

T = TypeVar("T")
CANARY = "canary-7f3a9"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Key(Block, slug="corpus-key"):
    """A key, which others hold."""

    name: str = ""
    token: SecretStr | None = None


class Folder(Storage, slug="corpus-folder"):
    """A storage, so that fields by capability have what to choose from."""

    root: str = "/"

    def _none(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    read = write = remove = list_files = exists = stat = location = check = _none


class Server(BaseModel):
    model_config = ConfigDict(extra="forbid")
    host: str = Field(description="Name or address.", min_length=1)
    port: int = Field(443, ge=1, le=65535)
    password: SecretStr | None = None


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str
    token: SecretStr


class Tree(BaseModel):
    label: str
    children: list[Tree] = []
    secret: SecretStr | None = None


class Add(BaseModel):
    op: Literal["add"] = "add"
    left: Expression
    right: Expression


class Number(BaseModel):
    op: Literal["number"] = "number"
    value: int


Expression = Annotated[Add | Number, Field(discriminator="op")]
Add.model_rebuild()


class Holder(BaseModel, Generic[T]):
    held: T
    more: list[T] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int = 0


class Numbers(RootModel[list[int]]):
    pass


@dataclass
class Point:
    x: int
    y: int = 0


class Row(NamedTuple):
    a: int
    b: str = "x"


class OddNames(BaseModel):
    a_b: int = Field(0, alias="a.b")
    model_config = ConfigDict(populate_by_name=True)


Make = Callable[[], Block]


def sample(annotation: Any, *values: Any, field: Any = ...) -> list[Make]:
    """Return what makes a block for each value, all of one type with one field."""
    found = type(Block)(
        "Sample",
        (Block,),
        {
            "__annotations__": {"value": annotation},
            "__module__": __name__,
            "__doc__": "A sample.",
            **({} if field is ... else {"value": field}),
        },
        slug="corpus-sample",
    )
    return [lambda value=value: found(value=value() if callable(value) else value) for value in values]


def saved_key() -> Key:
    key = Key(name="one", token=SecretStr(CANARY))
    key.save("one", overwrite=True)
    return key


CORPUS: dict[str, list[Make]] = {
    "text": sample(str, "plain", "", " spaces ", "ütf ☃ 𝄞", "a" * 5000, "two\nlines", "\nfirst", "tab\there"),
    "hostile text": sample(
        str,
        "</textarea><script>alert(1)</script>",
        "\"quotes\" 'and' &amp; <b>",
        "nul\0 cr\r crlf\r\n bell\a",
        "half \ud800 pair",
        "\x85\u2028\u2029\ufeff",
        "null",
        "{{ 7 * 7 }}{% raw %}",
    ),
    "text with a default": sample(str, "x", "", "default", field="default"),
    "text with an empty default": sample(str, "x", "", field=""),
    "constrained text": sample(
        Annotated[str, Field(min_length=1, max_length=9, pattern="^a", examples=["ab"])], "a", "abc"
    ),
    "optional text": sample(str | None, None, "", "x", "null", field=None),
    "optional text with a default": sample(str | None, None, "", "x", field="y"),
    "required optional text": sample(str | None, None, "", "x"),
    "whole number": sample(int, 0, -5, 10**30),
    "bounded number": sample(Annotated[int, Field(ge=0, lt=10, multiple_of=3)], 0, 9),
    "number": sample(float, 0.0, 1.5, -1e-300, 1e300, float("inf"), float("-inf"), 3.0),
    "optional number": sample(float | None, None, 0.0, 2.5, field=1.0),
    "optional whole number": sample(int | None, None, 0, 86400, field=86400),
    "decimal": sample(Decimal, Decimal("1.50"), Decimal("-0"), Decimal("1E+5")),
    "bounded decimal": sample(
        Annotated[Decimal, Field(gt=0, max_digits=5, decimal_places=2)], Decimal("1.20"), field=Decimal("2.5")
    ),
    "optional decimal": sample(Decimal | None, None, Decimal("0.10")),
    "switch": sample(bool, True, False),
    "switch with a default": sample(bool, True, False, field=True),
    "optional switch": sample(bool | None, None, True, False, field=None),
    "bytes": sample(bytes, b"", b"\0\xff<", b"text"),
    "date": sample(date, date(2026, 1, 31), date(1, 1, 1)),
    "moment": sample(
        datetime,
        datetime(2026, 1, 31, 9, 0, tzinfo=UTC),
        datetime(2026, 1, 31, 9, 0, 0, 123456),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=9))),
    ),
    "time": sample(time, time(9, 30), time(9, 30, 1, 5, tzinfo=UTC)),
    "duration": sample(timedelta, timedelta(days=2, seconds=5), timedelta(microseconds=-1), timedelta(0)),
    "optional date": sample(date | None, None, date(2026, 2, 3), field=None),
    "uuid": sample(UUID, UUID("123e4567-e89b-12d3-a456-426614174000")),
    "path": sample(Path, Path("/tmp/x"), Path("a b"), Path(".")),
    "address": sample(AnyUrl, AnyUrl("https://example.com/a?b=c&d=%20")),
    "web address": sample(HttpUrl | None, None, HttpUrl("http://localhost:1/")),
    "ip": sample(IPv4Address, IPv4Address("127.0.0.1")),
    "pattern": sample(re.Pattern, re.compile("^a+$")),
    "byte size": sample(ByteSize, ByteSize(1024)),
    "enum": sample(Colour, Colour.RED, Colour.BLUE),
    "enum with a default": sample(Colour, Colour.RED, Colour.BLUE, field=Colour.BLUE),
    "optional enum": sample(Colour | None, None, Colour.BLUE, field=None),
    "whole number enum": sample(Level, Level.HIGH),
    "literal": sample(Literal["a", "b", ""], "a", "", "b"),
    "one literal": sample(Literal["a"], "a"),
    "mixed literal": sample(Literal["a", 1, True, None], "a", 1, True, None),
    "anything": sample(Any, None, 1, "x", [1, {"a": None}], {"b": ["<"]}, date(2026, 1, 1), (1, 2), b"x"),
    "anything or nothing": sample(Any, None, "x", 0, field=None),
    "json value": sample(JsonValue, {"a": [1, 2.5, None, "x"]}, "text", None, []),
    "free dict": sample(dict[str, Any], {}, {"a": 1, "b": {"c": [True]}, "": None, "d": "x"}),
    "free dict with secrets": sample(dict[str, Any], {"a": {"b": SecretStr(CANARY), "c": 1}}),
    "list of texts": sample(list[str], [], ["a"], ["a", "", "a\nb"], ["x"] * 30),
    "list with a factory": sample(list[str], [], ["a"], field=Field(default_factory=list)),
    "bounded list": sample(Annotated[list[int], Field(min_length=1, max_length=3)], [1], [1, 2, 3]),
    "lists of lists": sample(list[list[int]], [], [[], [1, 2], [3]]),
    "list of optionals": sample(list[int | None], [None, 1, None]),
    "optional list": sample(list[str] | None, None, [], ["a"], field=None),
    "deque": sample(deque[int], deque([1, 2])),
    "set": sample(set[int], set(), {3, 1, 2}),
    "frozen set": sample(frozenset[Colour], frozenset({Colour.RED, Colour.BLUE})),
    "pair": sample(tuple[int, str], (1, "a")),
    "long tuple": sample(tuple[int, ...], (), (1, 2, 3)),
    "named tuple": sample(Row, Row(1), Row(2, "y")),
    "dict of texts": sample(dict[str, str], {}, {"a": "", "b": "x", "C D/~.[]": "y", "n\0": "z", "": "e"}),
    "dict of numbers": sample(dict[int, float], {1: 0.5, -2: 3.0}),
    "dict by enum": sample(dict[Colour, int], {Colour.RED: 1}),
    "dict by date": sample(dict[date, str], {date(2026, 1, 1): "x"}),
    "dict by pattern": sample(dict[Annotated[str, Field(pattern="^x")], int], {"x1": 1, "x2": 2}),
    "dict of lists": sample(dict[str, list[int]], {"a": [1, 2], "b": []}),
    "model": sample(Server, Server(host="a"), Server(host="b", port=1, password=SecretStr(CANARY))),
    "optional model": sample(Server | None, None, Server(host="a"), field=None),
    "model with a factory": sample(Point, Point(1), field=Field(default_factory=lambda: Point(0))),
    "models": sample(list[Server], [], [Server(host="a", password=SecretStr(CANARY)), Server(host="b")]),
    "models by name": sample(dict[str, Server], {"x": Server(host="a", password=SecretStr(CANARY))}),
    "open model": sample(Open, Open(), Open(known=1, other="x", more=[1])),
    "odd names": sample(OddNames, OddNames(a_b=1)),
    "dataclass": sample(Point, Point(1, 2)),
    "root model": sample(Numbers, Numbers([1, 2])),
    "generic": sample(Holder[int], Holder[int](held=1, more=[2])),
    "generic secret": sample(Holder[SecretStr], Holder[SecretStr](held=SecretStr(CANARY))),
    "tree": sample(
        Tree,
        Tree(label="a"),
        Tree(label="a", children=[Tree(label="b", children=[Tree(label="c", secret=SecretStr(CANARY))])]),
    ),
    "expression": sample(
        Expression, Add(left=Number(value=1), right=Add(left=Number(value=2), right=Number(value=3)))
    ),
    "union of scalars": sample(int | str | None, None, 1, "1", "x", ""),
    "union of number kinds": sample(int | float | bool, 1, 1.0, True),
    "dates or texts": sample(date | str, date(2026, 1, 1), "2026-01-01", "x"),
    "moments, dates or texts": sample(
        datetime | date | str | None, datetime(2026, 1, 1), date(2026, 1, 1), "x", None
    ),
    "decimals or texts": sample(Decimal | str, Decimal("1.0"), "1.0"),
    "bytes or texts": sample(bytes | str, b"abcd", "abcd"),
    "models of a choice": sample(
        Annotated[Cat | Dog, Field(discriminator="kind")],
        Cat(name="x"),
        Dog(name="y", token=SecretStr(CANARY)),
    ),
    "optional models of a choice": sample(
        Annotated[Cat | Dog, Field(discriminator="kind")] | None,
        None,
        Dog(name="y", token=SecretStr(CANARY)),
        field=None,
    ),
    "models or texts": sample(Cat | str, Cat(name="x"), "x"),
    "lists or texts": sample(list[int] | str | dict[str, int], [1], "x", {"a": 1}),
    "secret": sample(SecretStr, SecretStr(CANARY), SecretRef("env:TOKEN")),
    "optional secret": sample(
        SecretStr | None, None, SecretStr(CANARY), SecretRef("file:/run/x"), field=None
    ),
    "secret with a default": sample(SecretStr, SecretStr(CANARY), SecretStr(""), field=SecretStr("")),
    "secret bytes": sample(SecretBytes, SecretBytes(CANARY.encode()), SecretBytesRef("env:TOKEN")),
    "secret number": sample(Secret[int], Secret(5)),
    "secret model": sample(Secret[Server], Secret(Server(host=CANARY))),
    "secret or text": sample(SecretStr | str, SecretStr(CANARY), "in clear"),
    "secrets": sample(list[SecretStr], [], [SecretStr(CANARY), SecretStr(f"{CANARY}2"), SecretRef("env:A")]),
    "secrets by name": sample(dict[str, SecretStr], {"a": SecretStr(CANARY), "b c": SecretRef("env:A")}),
    "block stored inside": sample(Key, Key(name="x", token=SecretStr(CANARY))),
    "saved block": sample(Key, saved_key),
    "optional block": sample(Key | None, None, Key(name="x"), saved_key, field=None),
    "any block": sample(Block, Key(name="x"), saved_key),
    "blocks": sample(list[Key], lambda: [saved_key(), Key(token=SecretStr(CANARY))]),
    "blocks by name": sample(dict[str, Key | None], lambda: {"a": saved_key(), "b": None}),
    "block or text": sample(Key | str, lambda: saved_key(), "text", Key(name="x")),
    "read only": sample(int, 5, field=Field(3, json_schema_extra={"readOnly": True})),
    "odd keywords": sample(
        int,
        5,
        field=Field(json_schema_extra={"not": {"const": 3}, "if": True, "x-odd": [1], "required": True}),
    ),
    "wrong format": sample(str, "tomorrow", field=Field(json_schema_extra={"format": "date"})),
}
