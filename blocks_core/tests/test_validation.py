"""What a registry asks of stored content: that it fits its type's JSON Schema, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from types import new_class
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, BeforeValidator, Field, Secret, SecretBytes, SecretStr
from pydantic.json_schema import SkipJsonSchema

from blocks_core import Block, Storage
from blocks_core.codec import encode_block
from blocks_core.document import Encoded
from blocks_core.errors import FieldProblem
from blocks_core.schema import schema_of
from blocks_core.validation import Held, Validator

TARGET = uuid4()


class Part(Block, slug="part"):
    """A block inside."""

    size: int = Field(1, ge=0, description="How large.")


class Model(BaseModel):
    """A model inside."""

    host: str
    token: SecretStr | None = None


class Whole(Block, slug="whole"):
    """A block of every kind of field."""

    count: int = Field(1, ge=1)
    ratio: float = Field(0.5, gt=0)
    exact: Annotated[Decimal, Field(gt=0)] = Decimal("1E+3")
    raw: Annotated[bytes, Field(min_length=3, max_length=4)] = b"abcd"
    code: Annotated[str, Field(pattern=r"^\d+$", max_length=3)] = "12"
    choice: Literal["a", "b"] | int = 1
    token: SecretStr | None = None
    pin: Annotated[SecretBytes, Field(min_length=3, max_length=4)] = SecretBytes(b"abcd")
    number: Secret[int] | None = None
    storage: Storage | None = None
    part: Part | None = None
    parts: list[Part] = []
    anything: Block | None = None
    models: dict[str, Model] = {}
    pairs: tuple[int, str] = (1, "x")
    names: set[str] = set()
    free: Any = None
    itself: Whole | None = None


VALIDATOR, PARTS = Validator(schema_of(Whole)), Validator(schema_of(Part))


def problems(
    content: Encoded, held: Mapping[UUID, Held] | None = None, validator: Validator = VALIDATOR
) -> list[tuple[str, str]]:
    def described(slug: str, version: int) -> tuple[Validator, Held]:
        return (PARTS if slug == "part" else VALIDATOR), Held(slug, ())

    found: list[FieldProblem] = validator.problems(content, (held or {}).get, described)
    return [(problem.path, problem.problem) for problem in found]


def stored(block: Block | None = None, **fields: Any) -> Encoded:
    return encode_block(block or Whole(**fields), address="whole/it")


def changed(
    data: Mapping[str, Any], marks: Mapping[str, str] = {}, secrets: Mapping[str, Encoded] = {}
) -> Encoded:
    good = stored()
    assert isinstance(good.data, dict)
    return Encoded({**good.data, **data}, {**good.marks, **marks}, {**good.secrets, **secrets})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ratio": float("inf")},
        {"exact": Decimal("12.50")},
        {"token": SecretStr("\ud800 and \x00"), "number": 5, "free": {"a": [1, SecretStr("x")]}},
        {"part": Part(), "parts": [Part(size=3)], "anything": Part()},
        {"models": {"a/b~c": Model(host="h", token=SecretStr("t"))}, "names": {"x", "y"}},
        {"itself": Whole(itself=Whole())},
        {"count": 10**400},
        {"free": "\ud800"},
    ],
)
def test_what_a_class_stores_fits_its_schema(fields: dict[str, Any]) -> None:
    assert problems(stored(**fields)) == []


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        ({"count": 0}, "count", "must be at least 1"),
        ({"count": "many-secrets"}, "count", "must be a whole number"),
        ({"ratio": 0}, "ratio", "must be more than 0"),
        ({"code": "1234"}, "code", "must have at most 3 characters"),
        ({"code": "x"}, "code", r"must match the pattern ^\d+$"),
        ({"choice": "c"}, "choice", "must be 'a' or 'b' or a whole number"),
        ({"cuont": 1}, "cuont", "there is no such field (did you mean 'count'?)"),
        ({"models": {"m": {}}}, "models.m.host", "is required"),
        ({"token": "in-clear"}, "token", "must be a secret, given as one"),
        ({"models": {"m": {"host": "h", "token": "x"}}}, "models.m.token", "must be a secret, given as one"),
        ({"part": {"size": 1}}, "part", "must be a block of the type 'part' or nothing"),
        ({"storage": "s3/raw"}, "storage", "must be a block that can be a 'storage' or nothing"),
        ({"pairs": [1]}, "pairs", "must have at least 2 items"),
        ({"names": ["x", "x"]}, "names", "must have no item twice"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path_and_without_its_value(
    data: dict[str, Any], path: str, problem: str
) -> None:
    assert problems(changed(data)) == [(path, problem)]


def test_a_secret_is_checked_and_not_shown() -> None:
    long = changed({}, {}, {"/pin": Encoded("bm90IHNob3Ju", {"": "bytes"})})
    assert problems(long) == []  # lengths of bytes are for the class to check: the text is their base64
    number = changed({"number": None}, {"/number": "secret:value"}, {"/number": Encoded("s3cret")})
    assert problems(number) == [("number", "must be a whole number")]
    clear = changed({"count": None}, {"/count": "secret:str"}, {"/count": Encoded("s3cret")})
    assert problems(clear) == [("count", "must be a whole number")]


def test_a_secret_reference_stands_where_a_secret_may() -> None:
    assert problems(changed({"token": "env:TOKEN"}, {"/token": "secretref:str"})) == []
    assert problems(changed({"code": "env:TOKEN"}, {"/code": "secretref:str"})) == [
        ("code", "must be a text")
    ]


@pytest.mark.parametrize(
    ("field", "held", "fits"),
    [
        ("storage", Held("s3", ("storage",)), True),
        ("storage", Held("slack", ("notifier",)), False),
        ("part", Held("part", ()), True),
        ("part", Held("whole", ("storage",)), False),
        ("anything", Held("whole", ()), True),
        ("free", Held("whole", ()), True),
        ("count", Held("whole", ()), False),
        ("itself", Held("whole", ()), True),
    ],
)
def test_a_reference_must_lead_to_a_block_that_the_field_takes(field: str, held: Held, fits: bool) -> None:
    found = problems(changed({field: None}, {f"/{field}": f"block:{TARGET}"}), {TARGET: held})
    assert (found == []) is fits
    assert all(path == field for path, _ in found)


def test_blocks_stored_inside_are_checked_against_their_own_types() -> None:
    inside = changed({"parts": [{"size": -1, "x": 2}]}, {"/parts/0": "inline:part@1"})
    assert problems(inside) == [
        ("parts.0.size", "must be at least 0"),
        ("parts.0.x", "there is no such field"),
    ]
    other = changed({"part": {"count": 1}}, {"/part": "inline:whole@1"})
    assert ("part", "must be a block of the type 'part'") in problems(other)


def test_a_value_of_a_user_is_never_taken_for_a_secret_or_a_block() -> None:
    assert [path for path, _ in problems(changed({"token": {"\0secret": "in-clear"}}))] == ["token"]
    assert [path for path, _ in problems(changed({"token": {"\0secretref": True}}))] == ["token"]
    held = {"\0block": {"slug": "part", "capabilities": []}}
    assert problems(changed({"free": held})) == []
    assert [path for path, _ in problems(changed({"part": held}))] == ["part"]


def test_a_pattern_that_only_python_reads_is_left_to_the_class() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": r"(?P<x>a)\Z", "maxLength": 2}},
        "additionalProperties": False,
    }
    validator = Validator(schema)
    assert problems(Encoded({"a": "b"}), validator=validator) == []
    assert problems(Encoded({"a": "bbb"}), validator=validator) == [("a", "must have at most 2 characters")]


class Number(IntEnum):
    """Keys that are numbers, which JSON holds as texts."""

    ONE = 1


class Ways(IntFlag):
    """Words that are joined."""

    A = 1
    B = 2


class Endless(Enum):
    """A number that JSON cannot write."""

    ALL = float("inf")


FITTING: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "a word of other letters": (Annotated[str, Field(pattern=r"^\w+$")], "größe", {}),
    "digits of another script": (Annotated[str, Field(pattern=r"^\d+$")], "١٢٣", {}),
    "a class of letters": (Annotated[str, Field(pattern=r"^[[:alpha:]]+$")], "abc", {}),
    "what two classes share": (Annotated[str, Field(pattern=r"^[a-z&&[^b]]+$")], "acd", {}),
    "a pattern with flags": (Annotated[str, Field(pattern=re.compile("^a", re.IGNORECASE))], "Abc", {}),
    "a set of a number and its text": (set[UUID | str], {UUID(int=5), str(UUID(int=5))}, {}),
    "a set of endless numbers": (set[float], {float("inf"), 1e308, 0.0, float("nan")}, {}),
    "a set of half characters": (set[Any], {"\ud800", "?"}, {}),
    "a set of very small decimals": (set[Decimal], {Decimal("1E-20000"), Decimal(0)}, {}),
    "keys of an enumeration of numbers": (dict[Number, int], {Number.ONE: 1}, {}),
    "flags together": (Ways, Ways.A | Ways.B, {}),
    "an enumeration of an endless number": (Endless, Endless.ALL, {}),
    "a list that is also given as a text": (
        Annotated[
            list[int],
            BeforeValidator(
                lambda found: found if isinstance(found, list) else [1], json_schema_input_type=str
            ),
        ],
        [1, 2],
        {},
    ),
    "a choice that the schema leaves out": (int | SkipJsonSchema[None], None, {}),
    "a field that the schema leaves out": (SkipJsonSchema[int], 5, {}),
    "short keys that begin with NUL": (dict[Annotated[str, Field(max_length=2)], int], {"\0b": 1}, {}),
    "a field that says required as old schemas did": (int, 5, {"required": True}),
    "notes that are no keywords": (
        str,
        "a",
        {"items": "x", "minLength": "two", "pattern": 5, "maximum": "y"},
    ),
    "notes where schemas stand": (str, "a", {"additionalProperties": "x", "anyOf": 5, "allOf": [5]}),
}


@pytest.mark.parametrize("what", FITTING)
def test_what_a_class_takes_its_registry_takes(what: str) -> None:
    kind, value, extra = FITTING[what]
    made = new_class(
        "Fitting",
        (Block,),
        {"slug": "fitting"},
        lambda body: body.update(
            __annotations__={"field": kind}, field=Field(json_schema_extra=extra), __module__=__name__
        ),
    )
    validator = Validator(schema_of(made))
    assert problems(stored(made(field=value)), validator=validator) == []


def test_an_item_that_stands_twice_in_a_set_is_refused_marks_and_secrets_compared() -> None:
    twice = changed({"free": ["a", "a"]}, {"/free": "set", "/free/0": "path"})
    assert problems(twice) == []
    twice = changed({"free": ["a", "a"]}, {"/free": "set", "/free/0": "path", "/free/1": "path"})
    assert problems(twice) == [("free", "must have no item twice")]
