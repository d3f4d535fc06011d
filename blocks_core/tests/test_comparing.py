"""How two stored forms of a block differ."""

from __future__ import annotations

from datetime import date

from pydantic import Field, SecretStr

from blocks_core import Block
from blocks_core.codec import encode_block
from blocks_core.comparing import compare
from blocks_core.document import Encoded
from blocks_core.records import FieldChange


class Compared(Block, slug="compared"):
    """A block to compare."""

    text: str = Field("", description="A text.")
    when: date | str | None = Field(None, description="A date.")
    items: list[dict[str, int]] = Field([], description="Numbers.")
    token: SecretStr | str | None = Field(None, description="A secret.")


def stored(**fields: object) -> Encoded:
    return encode_block(Compared(**fields), address="compared/it")  # type: ignore[arg-type]


def test_equal_blocks_do_not_differ() -> None:
    assert compare(stored(token=SecretStr("a")), stored(token=SecretStr("a"))) == []


def test_fields_at_any_depth_are_named_by_their_paths() -> None:
    found = compare(stored(text="a", items=[{"x": 1}]), stored(text="b", items=[{"x": 2, "y": 3}]))
    assert found == [
        FieldChange("items.0.x", "changed", 1, 2),
        FieldChange("items.0.y", "added", None, 3),
        FieldChange("text", "changed", "a", "b"),
    ]


def test_a_list_that_becomes_empty_and_one_that_is_filled() -> None:
    found = compare(stored(items=[{"x": 1}]), stored(items=[]))
    assert found == [
        FieldChange("items", "added", None, []),
        FieldChange("items.0.x", "removed", 1, None),
    ]


def test_a_secret_is_said_to_differ_and_not_shown() -> None:
    found = compare(stored(token=SecretStr("old-value")), stored(token=SecretStr("new-value")))
    assert found == [FieldChange("token", "changed", None, None, secret=True)]


def test_what_becomes_a_secret_is_not_shown_as_it_was_in_clear() -> None:
    clear = Encoded({"token": "the-same"})
    sealed = Encoded({"token": None}, {"/token": "secret:str"}, {"/token": Encoded("the-same")})
    assert compare(clear, sealed) == [FieldChange("token", "changed", None, None, secret=True)]


def test_a_date_that_becomes_a_text_of_the_same_look_differs() -> None:
    assert compare(stored(when=date(2026, 1, 2)), stored(when="2026-01-02")) != []


def test_a_number_that_becomes_a_truth_value_differs() -> None:
    one, true = Encoded({"a": 1}), Encoded({"a": True})
    assert compare(one, true) == [FieldChange("a", "changed", 1, True)]
