"""The audit's chain: what was altered, removed or moved is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from blocks_core import Block, use_library
from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.vault import Vault
from blocks_registry.database import Database
from blocks_registry.local import LocalRegistry


class Audited(Block, slug="audited"):
    """Something to save."""

    token: SecretStr = Field(SecretStr("planted-s3cr3t"), description="A secret.")


def open_at(home: Path) -> LocalRegistry:
    return LocalRegistry(Database(home / "blocks.db"), Vault(FileKeyProvider(home / "keys.json")))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose audit has eight rows: a type that was registered, six blocks, a deletion."""
    registry = open_at(tmp_path)
    with use_library(Library(registry)):
        for number in range(6):
            Audited().save(f"b{number}")
        Audited.delete("b5")
    assert registry.verify_audit().problems == ()
    registry.close()
    return tmp_path


def tamper(home: Path, *statements: str) -> None:
    connection = sqlite3.connect(home / "blocks.db")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def problems(home: Path, head: str | None = None) -> tuple[str, ...]:
    registry = open_at(home)
    try:
        return registry.verify_audit(head).problems
    finally:
        registry.close()


@pytest.mark.parametrize(
    "column",
    ["at", "actor_kind", "actor_name", "actor_id", "actor_user", "action", "subject", "subject_id", "detail"],
)
def test_a_row_that_was_altered_is_found_whatever_was_altered(home: Path, column: str) -> None:
    value = "at + 1" if column == "at" else f"{column} || 'x'"
    tamper(home, f"UPDATE audit SET {column} = {value} WHERE number = 4")
    assert problems(home) == ("row 4 is not as it was written, or not in its place",)


def test_a_row_that_was_removed_is_found(home: Path) -> None:
    tamper(home, "DELETE FROM audit WHERE number = 4")
    assert "row 4 is missing" in problems(home)


def test_a_row_that_was_removed_and_the_rest_numbered_anew_is_found(home: Path) -> None:
    tamper(
        home,
        "DELETE FROM audit WHERE number = 4",
        *(f"UPDATE audit SET number = {number - 1} WHERE number = {number}" for number in range(5, 9)),
        "UPDATE audit_state SET number = 7",
    )
    assert "row 4 is not as it was written, or not in its place" in problems(home)


def test_two_rows_that_were_exchanged_are_found(home: Path) -> None:
    tamper(
        home,
        "UPDATE audit SET number = 99 WHERE number = 3",
        "UPDATE audit SET number = 3 WHERE number = 5",
        "UPDATE audit SET number = 5 WHERE number = 99",
    )
    found = problems(home)
    assert "row 3 is not as it was written, or not in its place" in found
    assert "row 5 is not as it was written, or not in its place" in found


def test_rows_that_were_removed_from_the_end_are_found(home: Path) -> None:
    tamper(home, "DELETE FROM audit WHERE number > 6")
    assert problems(home) == ("rows 7 to 8 are missing at the end",)


def test_an_audit_that_was_emptied_is_found(home: Path) -> None:
    tamper(home, "DELETE FROM audit")
    assert problems(home) == ("rows 1 to 8 are missing at the end",)


def test_a_chain_that_was_made_anew_without_the_key_is_found(home: Path) -> None:
    import json
    from hashlib import sha256

    connection = sqlite3.connect(home / "blocks.db")
    with connection:
        connection.execute("UPDATE audit SET subject = 'audited/other', keyed = 0 WHERE number = 4")
        link = connection.execute("SELECT link FROM audit WHERE number = 3").fetchone()[0]
        for number in range(4, 9):
            connection.execute("UPDATE audit SET keyed = 0 WHERE number = ?", (number,))
            *row, _ = connection.execute("SELECT * FROM audit WHERE number = ?", (number,)).fetchone()
            link = sha256(f"{link}\n{json.dumps(row, separators=(',', ':'))}".encode()).hexdigest()
            connection.execute("UPDATE audit SET link = ? WHERE number = ?", (link, number))
        connection.execute("UPDATE audit_state SET link = ?", (link,))
    connection.close()
    assert "row 4 was written without the keys, so nothing proves it" in problems(home)


def test_a_database_that_went_back_to_an_earlier_state_is_found_by_a_head_kept_elsewhere(home: Path) -> None:
    registry = open_at(home)
    head = registry.verify_audit().head
    registry.close()
    tamper(
        home,
        "DELETE FROM audit WHERE number > 6",
        "UPDATE audit_state SET number = 6, link = (SELECT link FROM audit WHERE number = 6)",
    )
    assert problems(home) == ()
    assert problems(home, head) == (f"row 8, which was the head '{head}', is not there",)


def test_no_secret_is_in_the_audit(home: Path) -> None:
    connection = sqlite3.connect(home / "blocks.db")
    rows = connection.execute("SELECT * FROM audit").fetchall()
    connection.close()
    assert "planted-s3cr3t" not in repr(rows)
    assert len(rows) == 8


def test_what_is_done_without_the_keys_is_still_recorded_and_told(home: Path) -> None:
    (home / "keys.json").rename(home / "away.json")
    registry = open_at(home)
    registry.delete("audited", "b0")
    registry.close()
    (home / "away.json").rename(home / "keys.json")
    assert problems(home) == ("row 9 was written without the keys, so nothing proves it",)


@pytest.mark.parametrize(
    "act", [lambda registry: registry.delete("audited", "b0"), lambda registry: registry.note("x", "y")]
)
def test_what_is_rolled_back_leaves_no_row(home: Path, act: Callable[[LocalRegistry], None]) -> None:
    registry = open_at(home)
    with pytest.raises(LookupError):
        registry.delete("audited", "nobody")
    assert registry.verify_audit().rows == 8
    act(registry)
    assert registry.verify_audit().rows == 9
    registry.close()
