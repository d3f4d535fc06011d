"""What an import plans and writes, whatever the other system is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from import_stage import Stage, import_all, notes_of, plan_of, states_of
from pydantic import SecretStr

from blocks_core.block import Block
from blocks_core.errors import VersionConflict
from blocks_core.library import Library
from blocks_registry.importing.found import Found, Inline, Link
from blocks_registry.importing.mapping import System, TypeMap, left_out, rule
from blocks_registry.importing.planning import carry_out


class ImportedLogin(Block, slug="imported-login"):
    """Who one is."""

    user: str
    password: SecretStr


class ImportedStore(Block, slug="imported-store"):
    """Holds a login."""

    place: str = "here"
    login: ImportedLogin | None = None


THEIRS = System(
    "Elsewhere",
    {
        "login": TypeMap(
            "login",
            "imported-login",
            (rule("user", "name"), rule("password", "secrets.password")),
            says_nothing={"active": True},
        ),
        "store": TypeMap("store", "imported-store", (rule("place"), rule("login", "who"))),
        "gone": TypeMap("gone", "not-installed-anywhere", (rule("a"),)),
    },
    without={"clock": "nothing tells the time"},
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Stage(tmp_path / "home").library() as opened:
        yield opened


def login(name: str = "prod", password: str = "pl4nted", **more: Any) -> Found:
    fields = {"name": "joe", "secrets": {"password": password}} | more
    return Found("login", name, fields, id=f"login-{name}")


def store(name: str, who: Any, **more: Any) -> Found:
    return Found("store", name, {"place": "there", "who": who} | more, id=f"store-{name}")


def test_what_others_hold_goes_first_and_is_held_here_by_reference(library: Library) -> None:
    import_all(library, THEIRS, [store("a", Link("login-prod")), store("b", Link("login-prod")), login()])
    assert library.registry.users("imported-login", "prod") == ["imported-store/a", "imported-store/b"]
    held = library.load(ImportedStore, "a").login
    assert held is not None
    assert held.password.get_secret_value() == "pl4nted"


def test_a_second_import_changes_nothing(library: Library) -> None:
    found = [store("a", Link("login-prod")), login(), Found("clock", "x", {"hands": 2})]
    first = import_all(library, THEIRS, found, keep_unmapped=True, labels={"from": "there"})
    assert set(states_of(first).values()) == {"new"}
    rows = len(library.registry.audit())
    second = import_all(library, THEIRS, found, keep_unmapped=True, labels={"from": "there"})
    assert set(states_of(second).values()) == {"unchanged"}
    assert not second.to_write()
    assert len(library.registry.audit()) == rows


def test_a_plan_alone_writes_nothing(library: Library) -> None:
    assert states_of(plan_of(library, THEIRS, [login()])) == {"login/prod": "new"}
    assert library.registry.find() == []
    assert library.registry.types() == []


def test_a_changed_secret_is_seen_and_written_only_when_asked(library: Library) -> None:
    import_all(library, THEIRS, [login()])
    changed = [login(password="pl4nted-2")]
    assert states_of(import_all(library, THEIRS, changed)) == {"login/prod": "changed"}
    assert library.load(ImportedLogin, "prod").password.get_secret_value() == "pl4nted"
    assert states_of(import_all(library, THEIRS, changed, overwrite=True)) == {"login/prod": "changed"}
    assert library.load(ImportedLogin, "prod").password.get_secret_value() == "pl4nted-2"
    assert [found.action for found in library.registry.history("imported-login", "prod")] == ["imported"] * 2


def test_a_new_block_does_not_hold_one_that_differs_from_what_it_held_there(library: Library) -> None:
    import_all(library, THEIRS, [login()])
    found = [store("a", Link("login-prod")), login(password="pl4nted-2")]
    plan = import_all(library, THEIRS, found)
    assert states_of(plan) == {"login/prod": "changed", "store/a": "conflict"}
    assert "it holds 'login/prod'" in notes_of(plan, "store/a")
    plan = import_all(library, THEIRS, found, overwrite=True)
    assert states_of(plan) == {"login/prod": "changed", "store/a": "new"}
    assert library.load(ImportedStore, "a").login == library.load(ImportedLogin, "prod")


def test_labels_are_added_to_those_that_are_there(library: Library) -> None:
    import_all(library, THEIRS, [login(), store("a", Link("login-prod"))], labels={"team": "data"})
    plan = plan_of(library, THEIRS, [login()], labels={"from": "there"})
    assert states_of(plan) == {"login/prod": "changed"}
    assert "lacks the labels" in notes_of(plan, "login/prod")
    import_all(library, THEIRS, [login()], labels={"from": "there"}, overwrite=True)
    assert library.registry.read("imported-login", "prod").labels == {"from": "there", "team": "data"}
    assert library.registry.read("imported-store", "a").labels == {"team": "data"}
    assert states_of(plan_of(library, THEIRS, [login()])) == {"login/prod": "unchanged"}


def test_missing_labels_of_what_is_held_do_not_keep_others_out(library: Library) -> None:
    import_all(library, THEIRS, [login()])
    found = [login(), store("a", Link("login-prod"))]
    plan = import_all(library, THEIRS, found, labels={"from": "there"})
    assert states_of(plan) == {"login/prod": "changed", "store/a": "new"}


def test_two_that_would_have_one_address_are_refused_until_one_is_renamed(library: Library) -> None:
    found = [login("Prod"), login("prod"), store("a", Link("login-Prod")), store("b", None)]
    plan = import_all(library, THEIRS, found)
    assert states_of(plan) == {
        "login/Prod": "conflict",
        "login/prod": "conflict",
        "store/a": "conflict",
        "store/b": "new",
    }
    assert "'login/prod' would have the same address" in notes_of(plan, "login/Prod")
    plan = import_all(library, THEIRS, found, renames={"login/Prod": "old"})
    assert [row.address for row in plan.rows][:2] == ["imported-login/old", "imported-login/prod"]
    assert library.registry.users("imported-login", "old") == ["imported-store/a"]


def test_a_name_that_is_none_of_ours_is_changed_and_that_is_said(library: Library) -> None:
    plan = import_all(library, THEIRS, [login("Überweisung (alt)"), login("b")])
    assert [row.address for row in plan.rows] == ["imported-login/b", "imported-login/uberweisung-alt"]
    assert notes_of(plan, "login/Überweisung (alt)") == "the name was changed"
    assert notes_of(plan, "login/b") == ""


def test_what_has_no_counterpart_is_reported_with_its_fields_and_without_values(library: Library) -> None:
    odd = {"hands": "pl4nted", "nothing": None, "alice@example.com": 1, "extra": {"x": "pl4nted", "y": ""}}
    plan = plan_of(library, THEIRS, [Found("clock", "a", odd), Found("bell", "b", {})])
    assert states_of(plan) == {"bell/b": "unmapped", "clock/a": "unmapped"}
    assert notes_of(plan, "clock/a") == "nothing tells the time"
    assert notes_of(plan, "bell/b") == "no block type does what Elsewhere's 'bell' does"
    assert plan.rows[1].fields_left_out == ("hands", "(a name that is not shown)", "extra.x")


def test_what_has_no_counterpart_is_kept_whole_in_a_secret_when_asked(library: Library) -> None:
    found = [
        Found("clock", "a", {"hands": 2, "who": Link("login-prod"), "case": Link("id-case"), "none": None}),
        Found("case", "wood", {"colour": "pl4nted"}, id="id-case"),
        login(),
    ]
    plan = import_all(library, THEIRS, found, keep_unmapped=True)
    assert {row.address for row in plan.rows} == {"secret/case.wood", "secret/clock.a", "imported-login/prod"}
    kept = json.loads(library.load(Block, "secret/clock.a").get())
    assert kept == {
        "source": "elsewhere",
        "type": "clock",
        "name": "a",
        "fields": {
            "hands": 2,
            "who": {"block": "imported-login/prod"},
            "case": {"block": "secret/case.wood"},
        },
    }


def test_fields_of_a_mapped_type_that_have_no_counterpart_are_named(library: Library) -> None:
    plan = plan_of(library, THEIRS, [login(active=False, secrets={"password": "pl4nted", "pin": 7}, note="")])
    assert plan.rows[0].fields_left_out == ("secrets.pin", "active")
    assert plan_of(library, THEIRS, [login(active=True)]).rows[0].fields_left_out == ()


def test_a_block_inside_stays_inside(library: Library) -> None:
    inside = Inline("login", {"name": "joe", "secrets": {"password": "pl4nted"}})
    import_all(library, THEIRS, [store("a", inside)])
    held = library.load(ImportedStore, "a").login
    assert held is not None
    assert (held.saved_as, held.password.get_secret_value()) == (None, "pl4nted")


def test_a_block_without_a_name_goes_inside_what_holds_it_and_else_nowhere(library: Library) -> None:
    unnamed = Found("login", "anonymous-1", login().fields, id="x", anonymous=True)
    import_all(library, THEIRS, [unnamed, store("a", Link("x")), store("b", None)])
    assert [found.slug for found in library.registry.find()] == ["imported-store", "imported-store"]
    held = library.load(ImportedStore, "a").login
    assert held is not None
    assert held.saved_as is None


def test_what_a_block_without_a_name_has_goes_into_the_secret_of_what_holds_it(library: Library) -> None:
    unnamed = Found("login", "anonymous-1", login().fields, id="x", anonymous=True)
    import_all(library, THEIRS, [unnamed, Found("clock", "a", {"who": Link("x")})], keep_unmapped=True)
    kept = json.loads(library.load(Block, "secret/clock.a").get())
    assert kept["fields"]["who"] == {
        "type": "login",
        "fields": {"name": "joe", "secrets": {"password": "pl4nted"}},
    }


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (Link("nowhere"), "its field 'login' holds a block that is not there"),
        (Link("clock/a"), "its field 'login' holds 'clock/a', which has no counterpart"),
        (Inline("clock", {}), "its field 'login' holds a block inside, and nothing tells the time"),
        (
            Inline("login", {}),
            "its field 'login' holds a block inside, and 'imported-login' does not take it",
        ),
        (Link("store-b"), "'imported-store' does not take it: login"),
        ("pl4nted-text", "'imported-store' does not take it: login"),
    ],
)
def test_a_block_that_holds_what_is_not_imported_has_no_counterpart(
    library: Library, who: Any, reason: str
) -> None:
    found = [store("a", who), store("b", None), Found("clock", "a", {})]
    plan = plan_of(library, THEIRS, found)
    assert states_of(plan)["store/a"] == "unmapped"
    assert reason in notes_of(plan, "store/a")
    assert "pl4nted" not in notes_of(plan, "store/a")
    kept = plan_of(library, THEIRS, found, keep_unmapped=True)
    assert states_of(kept)["store/a"] == "new"


@pytest.mark.parametrize("keep", [False, True])
def test_blocks_that_hold_themselves_are_reported_and_left(library: Library, keep: bool) -> None:
    found = [
        store("a", Link("store-b")),
        store("b", Link("store-c")),
        store("c", Link("store-a")),
        store("self", Link("store-self")),
        store("above", Link("store-a")),
        store("free", None),
    ]
    plan = import_all(library, THEIRS, found, keep_unmapped=keep)
    states = states_of(plan)
    assert states.pop("store/free") == "new"
    assert set(states.values()) == {"unmapped"}
    assert "it holds itself" in notes_of(plan, "store/self")
    assert [f"{one.slug}/{one.name}" for one in library.registry.find()] == ["imported-store/free"]


def test_only_what_a_pattern_names_is_imported_and_what_it_holds(library: Library) -> None:
    found = [
        store("a", Link("login-prod")),
        store("b", None),
        login(),
        login("other"),
        Found("clock", "a", {}),
    ]

    def names(*only: str) -> list[str]:
        return list(states_of(plan_of(library, THEIRS, found, only=only)))

    assert names("store/a") == ["login/prod", "store/a"]
    assert names("store/*") == ["login/prod", "store/a", "store/b"]
    assert names("a") == ["clock/a", "login/prod", "store/a"]
    assert names("*o*", "b") == ["login/other", "login/prod", "store/b"]
    assert names("nothing") == []


def test_a_type_that_no_plugin_has_is_reported_with_what_to_do(library: Library) -> None:
    plan = plan_of(library, THEIRS, [Found("gone", "a", {"a": 1})])
    assert states_of(plan) == {"gone/a": "unmapped"}
    assert "No block type 'not-installed-anywhere' is installed" in notes_of(plan, "gone/a")


def test_what_is_too_large_for_a_block_is_reported(library: Library) -> None:
    plan = import_all(library, THEIRS, [login(password="x" * 5_000_000), login("small")])
    assert states_of(plan) == {"login/prod": "unmapped", "login/small": "new"}
    assert "5,0" in notes_of(plan, "login/prod")


def test_a_block_that_was_saved_since_the_plan_stops_the_import(library: Library) -> None:
    plan = plan_of(library, THEIRS, [login(), login("other")])
    ImportedLogin(user="me", password=SecretStr("mine"))  # a type that is known, and saved by somebody else
    library.save(ImportedLogin(user="me", password=SecretStr("mine")), "prod")
    with pytest.raises(VersionConflict):
        carry_out(library, plan)
    assert [found.name for found in library.registry.find()] == ["prod"]


def test_a_saved_block_that_cannot_be_read_counts_as_changed(library: Library, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    import_all(library, THEIRS, [login()])
    with closing(sqlite3.connect(tmp_path / "home" / "blocks.db")) as database, database:
        database.execute("UPDATE document_versions SET marks = 'pl4nted'")
    plan = import_all(library, THEIRS, [login()])
    assert states_of(plan) == {"login/prod": "changed"}
    assert "cannot be read" in notes_of(plan, "login/prod")


def test_a_problem_of_the_source_is_no_reason_to_keep_what_is_not_known(library: Library) -> None:
    broken = Found("login", "prod", {}, id="login-prod", problem="its fields do not open with the key")
    found = [broken, store("a", Link("login-prod")), Found("clock", "a", {"who": Link("login-prod")})]
    plan = import_all(library, THEIRS, found, keep_unmapped=True)
    assert set(states_of(plan).values()) == {"unmapped"}
    assert library.registry.find() == []


def test_a_deep_chain_of_blocks_is_imported(library: Library) -> None:
    class ImportedLink(Block, slug="imported-link"):
        """Holds the next one."""

        next: ImportedLink | None = None

    ImportedLink.model_rebuild(_types_namespace={"ImportedLink": ImportedLink})
    chain = System("Chains", {"link": TypeMap("link", "imported-link", (rule("next"),))})
    found = [
        Found("link", f"n{i}", {"next": Link(f"link/n{i + 1}") if i < 200 else None}) for i in range(201)
    ]
    assert states_of(import_all(library, chain, found)) == {f"link/n{i}": "new" for i in range(201)}
    assert library.registry.users("imported-link", "n200") == ["imported-link/n199"]


def test_left_out_names_nothing_that_says_nothing() -> None:
    type_map = TypeMap("t", "t", (rule("a", "x.y"),), says_nothing={"x.z": 1, "v": False})
    fields = {"x": {"y": 1, "z": 1, "w": 0}, "v": False, "empty": "", "list": [], "extra": {"k": 0}}
    assert list(left_out(type_map, fields)) == ["x.w", "extra.k"]
    assert list(left_out(type_map, fields | {"x": {"z": 2}})) == ["x.z", "extra.k"]
