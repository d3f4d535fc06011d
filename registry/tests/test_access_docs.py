"""docs/tokens.md: its tables and numbers are those of the code. What it shows is run by the test of the README."""

from __future__ import annotations

import re
from pathlib import Path

from access_calls import CALLS

import blocks_registry.access
from blocks_registry.access import Role
from blocks_registry.access.attempts import MAX_WAIT_SECONDS
from blocks_registry.access.authenticating import FRESH_SECONDS
from blocks_registry.access.logins import CODE_SECONDS, SESSION_SECONDS
from blocks_registry.access.reads import COUNTED_SECONDS

PAGE = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text("utf-8")


def rows(first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is this."""
    lines = PAGE.partition(f"| {first} |")[2].splitlines()[2:]
    table = [line for line in lines[: lines.index("")] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_role_is_explained() -> None:
    assert [row[0].strip("`") for row in rows("role")] == [role.value for role in Role]


def test_the_table_of_methods_is_what_the_code_does() -> None:
    said = {
        method: [role.value for role, cell in zip(Role, cells, strict=True) if cell == "yes"]
        for methods, *cells in rows("method of a registry")
        for method in re.findall(r"`(\w+)`", methods)
    }
    assert said == {method: call.roles.split() for method, call in CALLS.items() if method != "close"}


def test_the_times_are_those_of_the_code() -> None:
    words = " ".join(PAGE.split())
    for said in (
        f"within {FRESH_SECONDS:g} seconds",
        f"for {CODE_SECONDS // 60} minutes",
        f"for {SESSION_SECONDS // 3600} hours",
        f"up to {MAX_WAIT_SECONDS / 60:g} minutes",
    ):
        assert said in words
    assert COUNTED_SECONDS == 60
    assert "within a minute" in words


def test_the_public_names_are_these() -> None:
    names = blocks_registry.access.__all__
    assert names == sorted(names)
    assert dir(blocks_registry.access) == names
    assert all(hasattr(blocks_registry.access, name) for name in names)
