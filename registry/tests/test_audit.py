"""The audit's chain: what was altered, removed or moved is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import Field, SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, use_library
from blocks_core.library import Library
from blocks_registry.local import LocalRegistry


class Audited(Block, slug="audited"):
    """Something to save."""

    token: SecretStr = Field(SecretStr("planted-s3cr3t"), description="A secret.")


@pytest.fixture
def audited(place: RegistryPlace) -> RegistryPlace:
    """A place whose audit has eight rows: a type that was registered, six blocks, a deletion."""
    registry = place.registry()
    with use_library(Library(registry)):
        for number in range(6):
            Audited().save(f"b{number}")
        Audited.delete("b5")
    assert registry.verify_audit().problems == ()
    registry.close()
    return place


def problems(place: RegistryPlace, head: str | None = None) -> tuple[str, ...]:
    registry = place.registry()
    try:
        return registry.verify_audit(head).problems
    finally:
        registry.close()


@pytest.mark.parametrize(
    "column",
    ["at", "actor_kind", "actor_name", "actor_id", "actor_user", "action", "subject", "subject_id", "detail"],
)
def test_a_row_that_was_altered_is_found_whatever_was_altered(audited: RegistryPlace, column: str) -> None:
    value = "at + 1" if column == "at" else f"{column} || 'x'"
    audited.run(f"UPDATE audit SET {column} = {value} WHERE number = 4")
    assert problems(audited) == ("row 4 is not as it was written, or not in its place",)


def test_a_row_that_was_removed_is_found(audited: RegistryPlace) -> None:
    audited.run("DELETE FROM audit WHERE number = 4")
    assert "row 4 is missing" in problems(audited)


def test_a_row_that_was_removed_and_the_rest_numbered_anew_is_found(audited: RegistryPlace) -> None:
    audited.run(
        "DELETE FROM audit WHERE number = 4",
        *(f"UPDATE audit SET number = {number - 1} WHERE number = {number}" for number in range(5, 9)),
        "UPDATE audit_state SET number = 7",
    )
    assert "row 4 is not as it was written, or not in its place" in problems(audited)


def test_two_rows_that_were_exchanged_are_found(audited: RegistryPlace) -> None:
    audited.run(
        "UPDATE audit SET number = 99 WHERE number = 3",
        "UPDATE audit SET number = 3 WHERE number = 5",
        "UPDATE audit SET number = 5 WHERE number = 99",
    )
    found = problems(audited)
    assert "row 3 is not as it was written, or not in its place" in found
    assert "row 5 is not as it was written, or not in its place" in found


def test_rows_that_were_removed_from_the_end_are_found(audited: RegistryPlace) -> None:
    audited.run("DELETE FROM audit WHERE number > 6")
    assert problems(audited) == ("rows 7 to 8 are missing at the end",)


def test_an_audit_that_was_emptied_is_found(audited: RegistryPlace) -> None:
    audited.run("DELETE FROM audit")
    assert problems(audited) == ("rows 1 to 8 are missing at the end",)


def test_a_chain_that_was_made_anew_without_the_key_is_found(audited: RegistryPlace) -> None:
    import json
    from hashlib import sha256

    audited.run("UPDATE audit SET subject = 'audited/other', keyed = 0 WHERE number = 4")
    [(link,)] = audited.run("SELECT link FROM audit WHERE number = 3")
    for number in range(4, 9):
        audited.run(f"UPDATE audit SET keyed = 0 WHERE number = {number}")
        [(*row, _)] = audited.run(f"SELECT * FROM audit WHERE number = {number}")
        link = sha256(f"{link}\n{json.dumps(row, separators=(',', ':'))}".encode()).hexdigest()
        audited.run(f"UPDATE audit SET link = '{link}' WHERE number = {number}")
    audited.run(f"UPDATE audit_state SET link = '{link}'")
    assert "row 4 was written without the keys, so nothing proves it" in problems(audited)


def test_a_database_that_went_back_to_an_earlier_state_is_found_by_a_head_kept_elsewhere(
    audited: RegistryPlace,
) -> None:
    registry = audited.registry()
    head = registry.verify_audit().head
    registry.close()
    audited.run(
        "DELETE FROM audit WHERE number > 6",
        "UPDATE audit_state SET number = 6, link = (SELECT link FROM audit WHERE number = 6)",
    )
    assert problems(audited) == ()
    assert problems(audited, head) == (f"row 8, which was the head '{head}', is not there",)


def test_no_secret_is_in_the_audit(audited: RegistryPlace) -> None:
    rows = audited.run("SELECT * FROM audit")
    assert "planted-s3cr3t" not in repr(rows)
    assert len(rows) == 8


def test_what_is_done_without_the_keys_is_still_recorded_and_told(audited: RegistryPlace) -> None:
    (audited.home / "keys.json").rename(audited.home / "away.json")
    registry = audited.registry()
    registry.delete("audited", "b0")
    registry.close()
    (audited.home / "away.json").rename(audited.home / "keys.json")
    assert problems(audited) == ("row 9 was written without the keys, so nothing proves it",)


@pytest.mark.parametrize(
    "act", [lambda registry: registry.delete("audited", "b0"), lambda registry: registry.note("x", "y")]
)
def test_what_is_rolled_back_leaves_no_row(
    audited: RegistryPlace, act: Callable[[LocalRegistry], None]
) -> None:
    registry = audited.registry()
    with pytest.raises(LookupError):
        registry.delete("audited", "nobody")
    assert registry.verify_audit().rows == 8
    act(registry)
    assert registry.verify_audit().rows == 9
    registry.close()
