"""What upgrading saved blocks changes in them, shown before it is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from blocks_core import Block, upgrades
from blocks_core.errors import BlockTypeNotFound, UpgradeFailed, VersionConflict
from blocks_core.library import Library
from blocks_core.schema import describe
from blocks_core.secret import SecretRef
from blocks_core.upgrade_plans import TypeUpgrade, UpgradeChange, find_outdated, plan_upgrade, upgrade_block

PLANTED = "planted-4711-secret"
REFERENCE = "env:NO_SUCH_VARIABLE_4711"


class Key(Block, slug="plan-key"):
    """A key."""

    value: SecretStr


class Server(BaseModel):
    host: str
    token: SecretStr


class Old(Block, slug="plan-server"):
    """As version 1 was."""

    url: str
    user: str = "ann"
    token: SecretStr = SecretStr(PLANTED)
    spare: SecretStr = SecretStr("spare-4711-secret")
    unused: SecretStr = SecretStr("unused-4711-secret")
    named: SecretStr = SecretRef(REFERENCE)
    key: Key | None = None
    mode: str = "slow"
    plain_token: str = "plain-4711-token"
    servers: list[Server] = []


class New(Block, slug="plan-server", version=3):
    """As it is now."""

    address: str
    user: str
    token: SecretStr
    tokens: list[SecretStr]
    names: dict[str, SecretStr]
    keys: list[Key]
    mode: str
    hidden: SecretStr
    servers: list[Server]
    added: int = 7

    @upgrades(from_version=1)
    def _renamed(data):
        data["address"] = data.pop("url")
        data["tokens"] = [data["token"], data.pop("spare")]
        return data

    @upgrades(from_version=2)
    def _moved(data):
        del data["unused"]
        key = data.pop("key")
        data["keys"] = [key] if key else []
        data["names"] = {"main": data.pop("named")}
        data["hidden"] = data.pop("plain_token")
        if data["mode"] == "broken":
            raise ValueError("no such mode")
        return data | {"mode": "fast"}


class Outer(Block, slug="plan-outer"):
    """Holds one."""

    inner: Block | None = None


@pytest.fixture
def saved(library: Library) -> Library:
    library.register(Old)
    key = Key(value=SecretStr("key-4711-secret"))
    key.save("main")
    Old(url="http://x", key=key).save("one")
    Old(url="http://y", mode="broken").save("broken")
    Key(value=SecretStr("another")).save("current")
    Outer(inner=Old(url="inside")).save("outer")
    return library


def changes_of(library: Library, name: str = "one") -> dict[str, UpgradeChange]:
    plan = plan_upgrade(library, "plan-server", name)
    assert plan is not None
    return {change.path: change for change in plan.changes}


def test_a_plan_says_what_is_added_dropped_moved_copied_and_changed(saved: Library) -> None:
    assert changes_of(saved) == {
        "address": UpgradeChange("moved", "address", "url"),
        "tokens.0": UpgradeChange("copied", "tokens.0", "token", secret=True),
        "tokens.1": UpgradeChange("moved", "tokens.1", "spare", secret=True),
        "unused": UpgradeChange("dropped", "unused", secret=True),
        "names.main": UpgradeChange("moved", "names.main", "named"),
        "keys.0": UpgradeChange("moved", "keys.0", "key"),
        "mode": UpgradeChange("changed", "mode", "", "slow", "fast"),
        "added": UpgradeChange("added", "added", "", None, 7),
        "hidden": UpgradeChange("added", "hidden", secret=True),
        "plain_token": UpgradeChange("dropped", "plain_token", "", "**********"),
    }


def test_no_plan_shows_a_secret_or_what_becomes_one(saved: Library) -> None:
    plan = plan_upgrade(saved, "plan-server", "one")
    assert "4711" not in repr(plan).replace(REFERENCE, "")


def test_a_plan_names_the_versions_of_the_block_and_of_those_inside(saved: Library) -> None:
    plan = plan_upgrade(saved, "plan-outer", "outer")
    assert plan is not None
    assert plan.upgrades == (TypeUpgrade("inner", "plan-server", 1, 3),)
    assert {change.path for change in plan.changes} >= {"inner.address", "inner.added"}
    assert "inner" not in {change.path for change in plan.changes}
    document = upgrade_block(saved, plan)
    assert (document.version, document.action) == (2, "upgraded from version 1, blocks stored inside")
    assert document.content.marks["/inner"] == "inline:plan-server@3"
    assert plan_upgrade(saved, "plan-outer", "outer") is None


def test_planning_writes_nothing(saved: Library) -> None:
    before = [(found.version, found.type_version) for found in saved.registry.find()]
    changes_of(saved)
    assert [(found.version, found.type_version) for found in saved.registry.find()] == before


def test_upgrading_writes_a_new_version_and_restoring_brings_the_old_one_back(saved: Library) -> None:
    expected = saved.load(New, "one", resolve=False)
    plan = plan_upgrade(saved, "plan-server", "one")
    assert plan is not None
    document = upgrade_block(saved, plan)
    assert (document.version, document.type_version, document.action) == (2, 3, "upgraded from version 1")
    assert saved.load(New, "one", resolve=False) == expected
    assert plan_upgrade(saved, "plan-server", "one") is None
    saved.registry.restore("plan-server", "one", 1)
    assert changes_of(saved).keys() >= {"address", "tokens.0"}


def test_secret_references_are_moved_and_never_read(saved: Library) -> None:
    """The variable that the reference names is not there, so that reading it would fail."""
    plan = plan_upgrade(saved, "plan-server", "one")
    assert plan is not None
    document = upgrade_block(saved, plan)
    assert document.content.marks["/names/main"] == "secretref:str"
    assert document.content.data["names"]["main"] == REFERENCE  # type: ignore[index, call-overload]


def test_labels_stay(saved: Library) -> None:
    draft = replace(saved.draft(Old(url="z"), "labelled"), labels={"team": "data"})
    saved.registry.save(draft)
    plan = plan_upgrade(saved, "plan-server", "labelled")
    assert plan is not None
    assert upgrade_block(saved, plan).labels == {"team": "data"}


def test_a_block_that_was_changed_since_the_plan_is_left_alone(saved: Library) -> None:
    plan = plan_upgrade(saved, "plan-server", "one")
    assert plan is not None
    saved.load(New, "one", resolve=False).save("one", overwrite=True)
    with pytest.raises(VersionConflict):
        upgrade_block(saved, plan)
    saved.registry.restore("plan-server", "one", 1)
    with pytest.raises(VersionConflict):
        upgrade_block(saved, plan)


def test_a_plan_that_cannot_be_carried_out_is_no_plan(saved: Library) -> None:
    with pytest.raises(UpgradeFailed, match="no such mode"):
        plan_upgrade(saved, "plan-server", "broken")


def test_outdated_blocks_are_found_with_those_that_hold_some(saved: Library) -> None:
    found = [
        f"{summary.slug}/{summary.name}" for summary, problem in find_outdated(saved, saved.registry.find())
    ]
    assert found == ["plan-outer/outer", "plan-server/broken", "plan-server/one"]


def test_what_is_not_installed_here_is_found_with_the_reason(saved: Library) -> None:
    elsewhere = replace(describe(Key), slug="plan-elsewhere", distribution="acme-blocks")
    saved.registry.register(elsewhere)
    saved.registry.save(replace(saved.draft(Key(value=SecretStr("x")), "away"), slug="plan-elsewhere"))
    (problem,) = [problem for _, problem in find_outdated(saved, saved.registry.find("plan-elsewhere"))]
    assert isinstance(problem, BlockTypeNotFound)
    assert "pip install acme-blocks" in str(problem)


class Pairs(Block, slug="plan-pairs"):
    """Values that are alike."""

    a: int = 1
    b: int = 1
    c: str = "only"
    one: SecretStr = SecretStr("first-4711")
    two: SecretStr = SecretStr("second-4711")


class Swapped(Block, slug="plan-pairs", version=2):
    """The same, elsewhere."""

    x: int
    y: int
    z: dict[str, Any]
    one: SecretStr
    two: SecretStr

    @upgrades(from_version=1)
    def _swapped(data):
        return {
            "x": data["a"],
            "y": data["b"],
            "z": {"c": data["c"]},
            "one": data["two"],
            "two": data["one"],
        }


def test_what_is_alike_is_not_guessed_to_be_moved_and_secrets_need_no_guess(library: Library) -> None:
    Pairs().save("one")
    plan = plan_upgrade(library, "plan-pairs", "one")
    assert plan is not None
    assert {(change.kind, change.path, change.source) for change in plan.changes} == {
        ("added", "x", ""),
        ("added", "y", ""),
        ("dropped", "a", ""),
        ("dropped", "b", ""),
        ("moved", "z.c", "c"),
        ("moved", "one", "two"),
        ("moved", "two", "one"),
    }
