"""A write that comes again under its key is done once, whoever is asked the second time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from time import time
from typing import Any

import pytest
from pydantic import Field, SecretStr
from registry_places import RegistryPlace

from blocks_core import Block
from blocks_core.document import Draft
from blocks_core.errors import BlockExists, BlockNotFound
from blocks_core.library import Library
from blocks_core.registry import Put, Remove, Rename
from blocks_registry import LocalRegistry
from blocks_registry.once import KEPT_COUNT, KEPT_SECONDS, Once

PLANTED = "planted-secret-of-a-write"


class Leaf(Block, slug="once-leaf"):
    """What is written."""

    counter: int = Field(0, description="Which write it was.")
    token: SecretStr = Field(SecretStr(PLANTED), description="A secret.")


def once(key: str = "a-key-drawn-by-lot", token: str = "token", what: bytes = b"what") -> Once:
    return Once.of(key, token, what)


def draft(registry: LocalRegistry, name: str, counter: int = 0) -> Draft:
    return Library(registry).draft(Leaf(counter=counter), name)


@pytest.fixture
def registry(place: RegistryPlace) -> Any:
    registry = place.registry()
    Library(registry).register(Leaf)
    yield registry
    registry.close()


def test_a_create_that_comes_again_is_the_same_block(registry: LocalRegistry, place: RegistryPlace) -> None:
    first = registry.once(once()).save(draft(registry, "one"))
    other = place.registry()  # as of another server
    again = other.once(once()).save(draft(registry, "one"))
    other.close()
    assert (again.id, again.version, again.address) == (first.id, 1, "once-leaf/one")
    assert len(registry.history("once-leaf", "one")) == 1
    assert not again.content.secrets
    with pytest.raises(BlockExists):
        registry.once(once("another-key-by-lot")).save(draft(registry, "one"))


def test_a_write_that_was_refused_is_tried_again(registry: LocalRegistry) -> None:
    registry.save(draft(registry, "one"))
    with pytest.raises(BlockExists):
        registry.once(once()).save(draft(registry, "one"))
    registry.delete("once-leaf", "one")
    assert registry.once(once()).save(draft(registry, "one")).version == 1


def test_other_writes_under_a_key_are_not_taken_for_it(registry: LocalRegistry) -> None:
    for number, each in enumerate(
        [once(), once(token="another"), once(what=b"something else"), once(key="another-key-by-lot")]
    ):
        assert registry.once(each).save(draft(registry, "one", number), overwrite=True).version == number + 1


def test_several_edits_that_come_again_give_what_they_left(registry: LocalRegistry) -> None:
    for name in ("a", "b"):
        registry.save(draft(registry, name))
    edits = [
        Rename("once-leaf", "a", "c"),
        Put(draft(registry, "a", 5)),
        Remove("once-leaf", "b"),
    ]
    first = registry.once(once()).change(edits)
    registry.save(draft(registry, "a", 6), overwrite=True)
    again = registry.once(once()).change(edits)
    assert [each and (each.id, each.version, each.name) for each in again] == [
        each and (each.id, each.version, each.name) for each in first
    ]
    assert again[1] is not None
    assert again[1].content.data["counter"] == 5  # as it was left, though it was saved since


def test_a_rename_a_restore_a_removal_and_a_note_are_done_once(registry: LocalRegistry) -> None:
    registry.save(draft(registry, "a", 1))
    registry.save(draft(registry, "a", 2), overwrite=True)
    for _ in range(2):
        assert registry.once(once("key-of-the-restore")).restore("once-leaf", "a", 1).version == 3
        registry.once(once("key-of-the-note-00")).note("test.noted", "once-leaf/a")
    for _ in range(2):
        assert registry.once(once("key-of-the-rename")).rename("once-leaf", "a", "b").name == "b"
    for _ in range(2):
        registry.once(once("key-of-the-removal")).delete("once-leaf", "b")
    actions = [row.action for row in registry.audit()]
    assert [actions.count(each) for each in ("test.noted", "block.renamed", "block.deleted")] == [1, 1, 1]


def test_what_was_written_and_removed_since_is_said_to_be_gone(registry: LocalRegistry) -> None:
    registry.once(once()).save(draft(registry, "one"))
    registry.delete("once-leaf", "one")
    with pytest.raises(BlockNotFound, match="once-leaf/one"):
        registry.once(once()).save(draft(registry, "one"))
    assert not registry.find("once-leaf")


def test_the_same_write_at_the_same_time_is_done_once(registry: LocalRegistry) -> None:
    made = draft(registry, "one")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: registry.once(once()).save(made), range(16)))
    assert {each.version for each in found} == {1}
    assert len({each.id for each in found}) == 1


def test_neither_key_nor_secret_is_kept(registry: LocalRegistry, place: RegistryPlace) -> None:
    registry.once(once(what=PLANTED.encode())).save(draft(registry, "one"))
    content = place.content()
    assert b"a-key-drawn-by-lot" not in content
    assert PLANTED.encode() not in content


def test_an_old_key_is_forgotten_but_none_of_the_newest_whatever_the_clock_says(
    registry: LocalRegistry, place: RegistryPlace
) -> None:
    registry.once(once()).save(draft(registry, "one"))
    place.run(f"UPDATE write_keys SET at = at - {KEPT_SECONDS + 60}")
    looking = (
        each for each in map(once, map("key-{}".format, count())) if int(each.digest[:8], 16) % 100 == 0
    )
    registry.once(next(looking)).note("test.noted", "once-leaf/one")
    assert len(place.run("SELECT 1 FROM write_keys")) == 2
    newer = ", ".join(f"('{number}', '[]', {time()})" for number in range(KEPT_COUNT))
    place.run(f"INSERT INTO write_keys (digest, written, at) VALUES {newer}")
    registry.once(next(looking)).note("test.noted", "once-leaf/one")
    assert len(place.run("SELECT 1 FROM write_keys")) == KEPT_COUNT + 2
    assert once().digest not in {row[0] for row in place.run("SELECT digest FROM write_keys")}
