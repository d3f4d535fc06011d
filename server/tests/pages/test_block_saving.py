"""From what a form says to what is kept: blocks made in place, secrets kept, errors at their fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks_core import Block, use_library
from blocks_core.document import Encoded
from blocks_core.errors import BlockInvalid, FieldProblem, VersionConflict
from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.schema import describe
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.access import GuardedRegistry, Holder, Reach, Role
from blocks_registry.errors import AccessDenied
from blocks_registry.sqlite_database import SqliteDatabase
from blocks_server.forms import Answer, Filled
from blocks_server.pages.blocks.conflicts import find_conflict, unclear_secrets
from blocks_server.pages.blocks.form_pages import FormOfBlock
from blocks_server.pages.blocks.saving import Writing, writing_of

CANARY = "canary-0a11ce"


class Badge(Block, slug="badge"):
    """Who somebody is."""

    user: str
    password: SecretStr | None = None


class Gate(Block, slug="gate"):
    """Opened by badges."""

    title: str = "a gate"
    badge: Badge | None = None
    spares: list[Badge] = []
    code: SecretStr | None = None


class House(Block, slug="house"):
    """Has a gate."""

    gate: Gate


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    keys = FileKeyProvider(tmp_path / "keys.json")
    library = Library(LocalRegistry(SqliteDatabase(tmp_path / "blocks.db"), Vault(keys)))
    with use_library(library):
        for block_type in (Badge, Gate, House):
            library.register(block_type)
        yield library
    library.close()


def editor(library: Library, *patterns: str) -> GuardedRegistry:
    return GuardedRegistry(library.registry, Holder("id", "ed", Role.EDITOR, Reach.of(patterns or ("*",))))


def sent(block_type: type[Block], registry: GuardedRegistry, *pairs: tuple[str, str]) -> Filled:
    return FormOfBlock.open(registry, describe(block_type), pairs=pairs).read([("~is", "given"), *pairs])


def writing(answer: Answer | None, block_type: type[Block], name: str) -> Writing:
    assert answer is not None
    types = {found.slug: found for found in map(describe, (Badge, Gate, House))}
    return writing_of(answer, types[describe(block_type).slug], name, types, {})


GATE_WITH_BADGE = (
    ("title", "front"),
    ("badge", "inside:badge"),
    ("badge~is", "given"),
    ("badge~saved-as", "ann"),
    ("badge.user", "Ann"),
    ("badge.password", "set"),
    ("badge.password~value", CANARY),
)


def test_a_block_that_is_made_in_place_with_a_name_is_saved_as_one_of_its_own(library):
    registry = editor(library)
    filled = sent(Gate, registry, *GATE_WITH_BADGE)
    writing(filled.answer, Gate, "front").save(registry, 0)
    gate = Gate.load("front")
    assert gate.badge == Badge.load("ann")
    assert gate.badge.password.get_secret_value() == CANARY
    assert registry.users("badge", "ann") == ["gate/front"]


def test_without_a_name_it_is_a_part_of_the_block(library):
    registry = editor(library)
    pairs = [pair for pair in GATE_WITH_BADGE if pair[0] != "badge~saved-as"]
    writing(sent(Gate, registry, *pairs).answer, Gate, "front").save(registry, 0)
    assert Gate.load("front").badge.user == "Ann"
    assert registry.find("badge") == []


def test_blocks_made_in_place_may_have_blocks_made_in_place(library):
    registry = editor(library)
    nested = [(f"gate.{name}", value) for name, value in GATE_WITH_BADGE]
    own = (("gate", "inside:gate"), ("gate~is", "given"), ("gate~saved-as", "front"))
    writing(sent(House, registry, *own, *nested).answer, House, "home").save(registry, 0)
    assert House.load("home").gate.badge.password.get_secret_value() == CANARY
    assert registry.users("badge", "ann") == ["gate/front"]
    assert registry.users("gate", "front") == ["house/home"]


def test_nothing_is_saved_where_the_name_of_one_is_taken_and_the_field_says_so(library):
    registry = editor(library)
    Badge(user="Other").save("ann")
    filled = sent(Gate, registry, *GATE_WITH_BADGE)
    planned = writing(filled.answer, Gate, "front")
    with pytest.raises(VersionConflict) as caught:
        planned.save(registry, 0)
    shown = filled.with_problems(planned.problems_of(caught.value))
    assert "has" in shown.problems["badge"]
    assert registry.find("gate") == []
    assert Badge.load("ann").user == "Other"


def test_what_is_no_name_is_said_at_the_field(library):
    pairs = [
        ("badge~saved-as", "No Name") if pair[0] == "badge~saved-as" else pair for pair in GATE_WITH_BADGE
    ]
    filled = sent(Gate, editor(library), *pairs)
    assert filled.answer is None
    assert "cannot be saved under that name" in filled.problems["badge"]


def test_nobody_makes_a_block_beyond_their_list_in_place(library):
    registry = editor(library, "gate/*")
    planned = writing(sent(Gate, registry, *GATE_WITH_BADGE).answer, Gate, "front")
    with pytest.raises(AccessDenied):
        planned.save(registry, 0)
    assert library.registry.find() == []


def test_what_a_registry_refuses_of_a_block_made_in_place_is_said_at_its_field(library):
    planned = writing(sent(Gate, editor(library), *GATE_WITH_BADGE).answer, Gate, "front")
    error = BlockInvalid("Block 'badge/ann'", [FieldProblem("user", "is odd")])
    assert planned.problems_of(error) == [FieldProblem("badge.user", "is odd")]


def test_a_secret_is_kept_beside_a_block_that_is_made_in_place(library):
    Gate(code=SecretStr(CANARY)).save("front")
    registry = editor(library)
    document = registry.read("gate", "front")
    opened = FormOfBlock.open(registry, describe(Gate), document.content)
    filled = opened.read([("~is", "given"), ("code", "keep"), *GATE_WITH_BADGE])
    writing(filled.answer, Gate, "front").save(registry, 1, document.id)
    assert Gate.load("front").code.get_secret_value() == CANARY
    assert Gate.load("front").badge == Badge.load("ann")


def test_a_block_whose_secrets_are_kept_is_not_moved_out_of_the_one_that_has_them(library):
    Gate(badge=Badge(user="Ann", password=SecretStr(CANARY))).save("front")
    registry = editor(library)
    opened = FormOfBlock.open(registry, describe(Gate), registry.read("gate", "front").content)
    pairs = [pair for pair in GATE_WITH_BADGE if not pair[0].startswith("badge.password")]
    filled = opened.read([("~is", "given"), *pairs, ("badge.password", "keep")])
    assert filled.answer is None
    assert "Set them anew" in filled.problems["badge"]


def test_a_secret_in_a_list_that_others_changed_is_asked_for_again(library):
    Gate(spares=[Badge(user="a", password=SecretStr("1")), Badge(user="b", password=SecretStr("2"))]).save(
        "it"
    )
    registry = editor(library)
    before = registry.read("gate", "it")
    kept = {"/spares/1/password": "/spares/1/password", "/code": "/code"}
    assert unclear_secrets(kept, before.content, before.content) == []
    Gate(spares=[Badge(user="b", password=SecretStr("2"))]).save("it", overwrite=True)
    now = registry.read("gate", "it")
    assert [found.path for found in unclear_secrets(kept, before.content, now.content)] == [
        "spares.1.password"
    ]


def test_a_conflict_says_what_others_changed_and_no_secret(library):
    Gate(title="one", code=SecretStr(CANARY)).save("it")
    Gate(title="two", code=SecretStr(f"{CANARY}2")).save("it", overwrite=True)
    registry = editor(library)
    now = registry.read("gate", "it")
    assert find_conflict(registry, now, 2) is None
    conflict = find_conflict(registry, now, 1)
    assert [(each.path, each.after) for each in conflict.changes] == [("code", None), ("title", "two")]
    assert CANARY not in repr(conflict)


def test_a_secret_is_not_kept_from_another_version_than_the_one_that_is_expected(library):
    Gate(code=SecretStr("1")).save("it")
    Gate().save("it", overwrite=True)
    registry = editor(library)
    answer = Answer(Encoded({"title": "x", "badge": None, "spares": [], "code": None}), {"/code": "/code"})
    with pytest.raises(VersionConflict):
        writing(answer, Gate, "it").save(registry, 1)
