"""What a client that writes drafts by hand, and means ill or errs, cannot get into a registry."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from blocks_core import Block
from blocks_core.document import Draft, Encoded
from blocks_core.errors import BlockInvalid, BlocksError, LimitExceeded
from blocks_core.schema import describe
from blocks_core.testing.memory import MemoryRegistry

BASE: dict[str, Any] = {"size": 1, "free": None, "token": None, "parts": []}
CLEAR = "Kx93-in-clear"


class Hostile(Block, slug="hostile"):
    """A block that anything is written into."""

    size: int = 1
    free: Any = None
    token: SecretStr | None = None
    parts: list[Hostile] = []


TYPE = describe(Hostile)


def save(content: Encoded, **rest: Any) -> None:
    registry = MemoryRegistry()
    registry.register(TYPE)
    registry.save(Draft("hostile", "it", 1, TYPE.structure_hash, content, **rest))


def free(value: Any, mark: str = "", secret: Encoded | None = None) -> Encoded:
    secrets = {"/free": secret} if secret is not None else {}
    return Encoded({**BASE, "free": value}, {"/free": mark} if mark else {}, secrets)


def secrets_in_secrets(levels: int) -> Encoded:
    found = Encoded("x")
    for _ in range(levels):
        found = Encoded(None, {"": "secret:str"}, {"": found})
    return found


MALFORMED: dict[str, Encoded] = {
    "a mark at no place": Encoded(BASE, {"/nowhere": "date"}),
    "a mark at no item": Encoded({**BASE, "free": ["2020-01-01"]}, {"/free/00": "date"}),
    "a secret beside its value in clear": free(CLEAR, "secret:str", Encoded("x")),
    "a secret over a container in clear": free({"a": CLEAR}, "secret:value", Encoded("x")),
    "a secret without a mark": Encoded(BASE, {}, {"/token": Encoded("x")}),
    "a secret without a value": Encoded(BASE, {"/token": "secret:str"}),
    "a secret of no kind": free(None, "secret:odd", Encoded("x")),
    "a reference that is no id": free(None, "block:zzz"),
    "a reference whose id is written in capitals": free(None, f"block:{str(uuid4()).upper()}"),
    "a reference with data": free("x", f"block:{uuid4()}"),
    "a reference inside a secret": free(None, "secret:value", Encoded(None, {"": f"block:{uuid4()}"})),
    "a block inside a secret": free(None, "secret:value", Encoded(BASE, {"": "inline:hostile@1"})),
    "a secret reference inside a secret": free(None, "secret:value", Encoded("env:A", {"": "secretref:str"})),
    "an inner block of no type": free({"a": 1}, "inline:"),
    "an inner block of half a character": free({"a": 1}, "inline:\ud800@1"),
    "an inner block of a version beyond all": free({"a": 1}, f"inline:hostile@{'9' * 30}"),
    "an inner block that is a list": free([1], "inline:hostile@1"),
    "a mark that is a number": Encoded(BASE, {"/free": 5}),  # pyright: ignore[reportArgumentType]
    "a mark at a number": Encoded(BASE, {5: "date"}),  # pyright: ignore[reportArgumentType]
    "a mark that nobody knows": free("x", "odd"),
    "a date that is none": free("x", "date"),
    "a zone that is a folder": free("2020-01-01T00:00:00", "datetime@America"),
    "a set that is a text": free("x", "set"),
    "a secret reference of no kind": free("env:A", "secretref:odd"),
    "a secret reference that names nothing": free("s3cr3t", "secretref:str"),
    "a secret reference that is nothing": free(None, "secretref:str"),
    "a mark at the root": Encoded(BASE, {"": "inline:hostile@1"}),
    "a root that is a block": Encoded(None, {"": f"block:{uuid4()}"}),
    "no number": free(float("nan")),
    "a number without end": free(float("inf")),
    "a set": free({1}),
    "a tuple": free((1, 2)),
    "bytes": free(b"x"),
    "an object of Python": free(object()),
    "a member named by a number": free({1: 2, "1": 3}),
    "a number of too many digits": free(10**5000),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_draft_is_refused_with_a_typed_error(what: str) -> None:
    with pytest.raises(BlockInvalid) as caught:
        save(MALFORMED[what])
    assert CLEAR not in str(caught.value)


@pytest.mark.parametrize("levels", [150, 900, 3000])
def test_secrets_inside_secrets_count_as_levels(levels: int) -> None:
    with pytest.raises(LimitExceeded, match="deeper than 100 levels"):
        save(free(None, "secret:value", secrets_in_secrets(levels)))


@pytest.mark.parametrize("action", ["x" * 1000, "a\x1b[31m", "two\nlines", "\ud800", None, 5])
def test_an_action_is_one_short_line(action: Any) -> None:
    with pytest.raises(BlocksError, match="action"):
        save(Encoded(BASE), action=action)


def test_a_list_of_many_inner_blocks_is_read_once_not_once_for_each() -> None:
    """Each looks its marks up; none goes through those of all others."""

    class Counted(dict[str, str]):
        walks = 0

        def items(self) -> Any:
            Counted.walks += 1
            return super().items()

    parts = [{"size": 1} for _ in range(300)]
    marks = Counted({f"/parts/{index}": "inline:hostile@1" for index in range(300)})
    save(Encoded({**BASE, "parts": parts}, marks))
    assert Counted.walks < 20


def test_what_a_class_may_store_is_no_malformed_draft() -> None:
    for content in (
        free({"\0": 1, "\0secret": 2, "a/b~c": "2020-01-01"}),
        Encoded({**BASE, "free": {"a/b~c": "2020-01-01"}}, {"/free/a~1b~0c": "date"}),
        free(None, "secret:value", Encoded({"a": None}, {"/a": "secret:str"}, {"/a": Encoded("y")})),
        free({"1": "x"}, "keys:int"),
        free([1, 2], "tuple"),
        free("\ud800"),
        free({"\ud800": 10**3800}),
        free(str(UUID(int=1)), "uuid"),
    ):
        save(content)
