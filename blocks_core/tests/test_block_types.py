"""What a class statement may say, and what a block type knows of itself."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from pydantic import Field, SecretStr, ValidationError

from blocks_core import Block, Notifier, Storage, use_library
from blocks_core.errors import BlockTypeInvalid, NameInvalid
from blocks_core.library import Library
from blocks_core.schema import describe
from blocks_core.testing import memory_library


class HTTPDoor(Block, slug="http-door", version=3):
    """Opens.

    And closes.
    """

    token: SecretStr
    label: str = Field("", alias="outerLabel")


def test_a_type_knows_its_slug_version_title_and_docs() -> None:
    info = HTTPDoor.type_info
    assert (info.slug, info.version, info.title) == ("http-door", 3, "HTTP Door")
    assert info.description == "Opens.\n\nAnd closes."


def test_a_subclass_takes_neither_slug_nor_documentation() -> None:
    class Other(HTTPDoor):
        pass

    assert (Other.type_info.slug, Other.type_info.description) == (None, "")
    with pytest.raises(NameInvalid, match="has no slug"):
        Other(token=SecretStr("x")).save("x")


def test_capabilities_are_collected_from_all_bases() -> None:
    class Both(Storage, Notifier):
        pass

    assert Both.type_info.capabilities == ("notifier", "readable-storage", "storage")


def test_a_type_that_lacks_a_method_of_its_capability_is_refused() -> None:
    with pytest.raises(BlockTypeInvalid, match="lacks notify"):

        class Silent(Notifier, slug="silent"):
            pass


@pytest.mark.parametrize("version", [0, -1, "1", True, 1.5])
def test_versions_count_from_one(version: Any) -> None:
    with pytest.raises(BlockTypeInvalid, match="Count versions"):

        class Odd(Block, slug="odd", version=version):
            pass


def test_a_field_may_not_take_a_name_of_block() -> None:
    with pytest.raises((BlockTypeInvalid, UserWarning)):

        class Greedy(Block, slug="greedy"):
            check: str = ""


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="tokn"):
        HTTPDoor(tokn="x")


def test_a_refused_value_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        HTTPDoor.model_validate({"token": ["planted-secret"], "lable": "planted-secret"})
    assert "planted-secret" not in str(caught.value)
    door = HTTPDoor(token=SecretStr("x"))
    with pytest.raises(ValidationError) as caught:
        door.token = ["planted-secret"]
    assert "planted-secret" not in str(caught.value)


def test_blocks_are_equal_by_their_fields_wherever_they_are_saved(library: Library) -> None:
    one, other = HTTPDoor(token=SecretStr("x")), HTTPDoor(token=SecretStr("x"))
    one.save("one")
    assert one == other
    assert one != HTTPDoor(token=SecretStr("y"))
    assert one != object()


def test_a_copy_knows_where_the_block_is_saved(library: Library) -> None:
    block = HTTPDoor(token=SecretStr("x"))
    block.save("one")
    for twin in (
        copy.copy(block),
        copy.deepcopy(block),
        block.model_copy(),
        pickle.loads(pickle.dumps(block)),
    ):
        assert twin == block
        assert twin.saved_as == block.saved_as


async def _all_twins() -> None:
    await HTTPDoor(token=SecretStr("x")).asave("one")
    loaded = await HTTPDoor.aload("one")
    assert (await loaded.acheck()).ok
    await HTTPDoor.adelete("one")


def test_the_async_twins_do_the_same() -> None:
    import asyncio

    with use_library(memory_library()) as library:
        asyncio.run(_all_twins())
        assert library.registry.find() == []


def test_a_field_of_a_type_that_is_not_defined_is_an_error_of_the_class() -> None:
    class Vague(Block, slug="vague"):
        """Names what there is not."""

        value: "NoSuchType" = None  # type: ignore[name-defined]  # noqa: F821, UP037

    with pytest.raises(BlockTypeInvalid, match="NoSuchType"):
        describe(Vague)
