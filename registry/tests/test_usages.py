"""Who resolved what: noted beside the loads, which never wait for it and never fail by it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from blocks_core import Block, use_library
from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.vault import Vault
from blocks_registry.database import Database
from blocks_registry.local import LocalRegistry
from blocks_registry.usages import KEPT_DAYS


class Used(Block, slug="used"):
    """Something to load."""

    token: SecretStr = Field(SecretStr("t"), description="A secret.")


def open_at(home: Path) -> LocalRegistry:
    return LocalRegistry(Database(home / "blocks.db"), Vault(FileKeyProvider(home / "keys.json")))


def rows(home: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(home / "blocks.db")
    try:
        return connection.execute("SELECT actor_name, uses FROM usages ORDER BY actor_name").fetchall()
    finally:
        connection.close()


def test_what_was_resolved_is_written_when_the_registry_is_closed(tmp_path: Path) -> None:
    registry = open_at(tmp_path)
    with use_library(Library(registry)):
        Used().save("one")
        for _ in range(5):
            Used.load("one")
    registry.close()
    ((_, uses),) = rows(tmp_path)
    assert uses == 5


def test_what_a_program_resolved_is_written_when_it_ends(tmp_path: Path) -> None:
    program = tmp_path / "nightly.py"
    program.write_text(
        "from blocks_standard import Secret\n"
        "import sys\n"
        "if sys.argv[1] == 'save':\n"
        "    Secret(value='v').save('one')\n"
        "else:\n"
        "    Secret.load('one')\n"
    )
    environment = {**os.environ, "BLOCKS_HOME": str(tmp_path), "HOME": str(tmp_path)}
    for word in ("save", "an-argument-that-is-nobodys-business"):
        subprocess.run([sys.executable, program, word], env=environment, check=True, timeout=60)
    assert rows(tmp_path) == [("nightly.py", 1)]
    assert b"nobodys-business" not in (tmp_path / "blocks.db").read_bytes()


def test_a_load_succeeds_while_another_process_holds_the_lock(tmp_path: Path) -> None:
    registry = open_at(tmp_path)
    with use_library(Library(registry)):
        Used().save("one")
        other = sqlite3.connect(tmp_path / "blocks.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        Used.load("one")
        registry._usages.flush()
        assert rows(tmp_path) == []
        other.execute("ROLLBACK")
        other.close()
        Used.load("one")
        (usage,) = registry.usages("used", "one")
        assert usage.uses == 2
    registry.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_notes_for_itself(tmp_path: Path) -> None:
    registry = open_at(tmp_path)
    with use_library(Library(registry)):
        Used().save("one")
        Used.load("one")
        child = os.fork()
        if child == 0:
            Used.load("one")
            registry.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        (usage,) = registry.usages("used", "one")
    registry.close()
    assert usage.uses == 2


def test_usages_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    registry = open_at(tmp_path)
    with use_library(Library(registry)):
        Used().save("one")
        Used().save("two")
        Used.load("one")
        registry.usages("used", "one")
        connection = sqlite3.connect(tmp_path / "blocks.db")
        with connection:
            connection.execute("UPDATE usages SET last_used_at = last_used_at - ?", (KEPT_DAYS * 86400 + 60,))
        connection.close()
        Used.load("two")
        assert len(registry.usages("used", "two")) == 1
        assert registry.usages("used", "one") == []
    registry.close()


def test_a_deleted_block_takes_its_usages_with_it(tmp_path: Path) -> None:
    registry = open_at(tmp_path)
    with use_library(Library(registry)):
        Used().save("one")
        Used.load("one")
        Used.delete("one")
        registry._usages.flush()
    registry.close()
    assert rows(tmp_path) == []
