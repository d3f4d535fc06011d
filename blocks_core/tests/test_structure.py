"""What makes a new schema, and what does not."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

from blocks_core import Block, Storage
from blocks_core.differences import differences
from blocks_core.schema import describe, schema_of
from blocks_core.structure import structure


class Held(Block, slug="held"):
    """Held."""

    x: int = 0


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def block(annotations: dict[str, Any], doc: str = "A.", **values: Any) -> type[Block]:
    namespace = {"__annotations__": annotations, "__doc__": doc, "__module__": __name__, **values}
    return type(Block)("Sample", (Block,), namespace, slug="sample")


def hash_of(annotations: dict[str, Any], **rest: Any) -> str:
    return describe(block(annotations, **rest)).structure_hash


def test_documentation_order_defaults_and_constraints_make_no_new_schema() -> None:
    plain = hash_of({"a": str, "b": int}, b=1)
    assert plain == hash_of({"b": int, "a": str}, b=2, doc="Other words.")
    assert plain == hash_of(
        {"a": str, "b": int}, a=Field(description="Words.", max_length=3), b=Field(1, gt=0)
    )
    assert plain == hash_of({"a": str, "b": int}, a=Field(alias="outerName", title="T", examples=["x"]), b=1)


def test_names_types_required_and_secrets_make_a_new_schema() -> None:
    plain = hash_of({"a": str, "b": int}, b=1)
    for other in (
        hash_of({"a": str, "c": int}, c=1),
        hash_of({"a": str, "b": float}, b=1.0),
        hash_of({"a": str, "b": int}),
        hash_of({"a": SecretStr, "b": int}, b=1),
        hash_of({"a": Secret[str], "b": int}, b=1),
        hash_of({"a": str | None, "b": int}, b=1),
        hash_of({"a": list[str], "b": int}, b=1),
    ):
        assert other != plain


def test_the_members_of_a_union_and_of_an_enum_have_no_order() -> None:
    assert hash_of({"a": int | str | None}) == hash_of({"a": None | str | int})
    other = Enum("Colour", {"BLUE": "blue", "RED": "red"})
    assert hash_of({"a": Colour}) == hash_of({"a": other})


def test_a_held_block_counts_by_its_slug_and_not_by_its_fields() -> None:
    class Changed(Block, slug="held"):
        """Held."""

        y: str

    assert hash_of({"a": Held | None}) == hash_of({"a": Changed | None})
    assert hash_of({"a": Held}) != hash_of({"a": Storage})


def test_a_known_schema_keeps_its_hash() -> None:
    """If this fails, every stored type would look changed: a change of the rules needs a migration."""

    class Tree(BaseModel):
        children: list[Tree] = []
        secret: Secret[int] | None = None

    assert hash_of({"name": str, "tree": Tree, "held": Held | None}) == "2746f5bc9d6b3d2fad54a508520adca6"


def test_what_looks_alike_in_json_is_told_apart() -> None:
    class Model(BaseModel):
        x: int

    assert hash_of({"a": Model}) != hash_of({"a": Secret[Model]})
    assert hash_of({"a": Decimal}) != hash_of({"a": float | str})
    assert hash_of({"a": list[int]}) != hash_of({"a": set[int]})


def test_the_fields_of_a_type_that_holds_its_own_kind_count() -> None:
    class One(Block, slug="link"):
        """Links."""

        value: int
        next: One | None = None

    class Other(Block, slug="link"):
        """Links."""

        value: str
        next: Other | None = None

    assert describe(One).structure_hash != describe(Other).structure_hash
    assert structure(schema_of(One))["properties"].keys() == {"value", "next"}


def test_secrets_of_any_kind_are_marked() -> None:
    properties: Any = schema_of(block({"a": SecretStr, "b": Secret[list[int]], "c": str}))["properties"]
    assert [name for name, part in properties.items() if part.get("writeOnly")] == ["a", "b"]
    assert describe(block({"a": SecretStr | None, "b": Secret[int], "c": str})).secret_fields() == ("a", "b")


def test_the_default_of_a_secret_is_not_in_the_schema() -> None:
    described = describe(
        block(
            {"a": SecretStr, "b": SecretStr | None, "c": Secret[list[str]], "d": SecretBytes},
            a=SecretStr("planted"),
            b="planted",
            c=Secret[list[str]](["planted"]),
            d=SecretBytes(b"planted"),
        )
    )
    assert "planted" not in str(described.schema)
    assert "**" not in str(described.schema)
    assert "required" not in described.schema


def test_differences_are_told_by_path() -> None:
    class One(BaseModel):
        deep: int = 0

    class Other(BaseModel):
        deep: str = ""

    old = structure(schema_of(block({"m": One, "gone": int, "same": str})))
    new = structure(schema_of(block({"m": Other, "same": str, "extra": int}, extra=1)))
    found = {item.text: item.compatible for item in differences(old, new)}
    assert found == {
        "field 'm.deep' was integer and is string": False,
        "field 'gone' is gone (it was integer)": False,
        "field 'extra' is new and optional (integer)": True,
    }
