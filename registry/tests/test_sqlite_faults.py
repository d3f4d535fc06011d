"""What happens when the embedded database's file or its folder is not as it should be."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks_core import Block, use_library
from blocks_core.errors import BlocksError
from blocks_core.library import Library
from blocks_registry import Settings, open_library
from blocks_registry.errors import (
    AddressInvalid,
    DatabaseCorrupt,
    DatabaseUnavailable,
)


class Token(Block, slug="fault-token"):
    """A token."""

    value: SecretStr


class Plain(Block, slug="fault-plain"):
    """Nothing secret."""

    value: str = ""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with use_library(at(home)) as library:
        yield library
    library.close()


def at(home: Path) -> Library:
    return open_library(Settings(home=home, url=f"sqlite:///{home / 'blocks.db'}"))


def test_the_first_save_makes_a_private_home(library: Library, home: Path) -> None:
    Token(value=SecretStr("x")).save("one")
    assert home.stat().st_mode & 0o777 == 0o700
    for file in home.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


@pytest.mark.parametrize(
    "damage",
    [b"this is no database, it is a text of some length" * 100, b"SQLite format 3\x00" + b"\xff" * 5000],
)
def test_a_corrupt_database_is_refused_and_left_as_it_is(home: Path, damage: bytes) -> None:
    home.mkdir()
    (home / "blocks.db").write_bytes(damage)
    library = at(home)
    with use_library(library):
        with pytest.raises(DatabaseCorrupt, match="restore it from a backup"):
            Plain().save("x")
        with pytest.raises(DatabaseCorrupt):
            Plain.load("x")
    library.close()
    assert (home / "blocks.db").read_bytes() == damage


def test_a_home_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with use_library(at(tmp_path / "file" / "home")), pytest.raises(DatabaseUnavailable, match="BLOCKS_HOME"):
        Plain().save("x")


READ_ONLY = """
import os, sys
from blocks_core.errors import BlocksError
from blocks_core import Block
from blocks_core.current import forget_default_library
class Plain(Block, slug="fault-plain"):
    "Nothing secret."
    value: str = ""
Plain().save("warm")  # imports all that a user without rights may not read
forget_default_library()
os.environ["BLOCKS_HOME"] = sys.argv[1]
os.setuid(65534)
for attempt in (lambda: Plain.load("one"), lambda: Plain().save("two"), lambda: Plain().save("one", overwrite=True)):
    try:
        attempt()
    except BlocksError as error:
        print(type(error).__name__, error)
    else:
        print("done")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's rights, so it needs them")
def test_a_read_only_home_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    home = Path("/tmp") / f"blocks-read-only-{os.getpid()}"  # pytest's own folders are closed to other users
    try:
        with use_library(at(home)) as library:
            Plain(value="kept").save("one")
        library.close()
        (home / "blocks.db").chmod(0o444)
        home.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(home)],
            env={"BLOCKS_HOME": str(tmp_path / "warm"), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.splitlines()
        assert len(lines) == 3, done.stderr
        for line in lines[1:]:
            assert line.startswith("DatabaseUnavailable")
            assert "writable" in line
        with use_library(at(home)) as library:
            assert [found.name for found in library.registry.find()] == ["one"]
        library.close()
    finally:
        home.chmod(0o755)
        shutil.rmtree(home)


def _fill() -> None:
    for number in range(100):
        Plain(value="x" * 50_000).save(f"big-{number}")


def test_a_full_disk_is_an_error_and_leaves_the_old_state(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(mount)], capture_output=True, check=False
    ).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        library = at(mount / "home")
        with use_library(library):
            Plain(value="kept").save("one")
            with pytest.raises(DatabaseUnavailable, match="disk is full"):
                _fill()
            assert Plain.load("one").value == "kept"
            names = [line.name for line in library.registry.find()]
            assert all(Plain.load(name).value for name in names)
        library.close()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:///", "http://", "blocks.db"])
def test_an_address_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(AddressInvalid, match="BLOCKS_URL"):
        open_library(Settings(home=tmp_path, url=url))


def test_a_home_that_was_removed_meanwhile_is_made_anew_and_nothing_is_lost(
    library: Library, home: Path
) -> None:
    Token(value=SecretStr("x")).save("one")
    shutil.rmtree(home)
    Token(value=SecretStr("y")).save("two")
    with use_library(at(home)) as again:
        assert Token.load("two").value.get_secret_value() == "y"
        assert [line.name for line in again.registry.find()] == ["two"]
    again.close()
    with sqlite3.connect(home / "blocks.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM keys").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize(
    "damage",
    ["data = x'ff'", "saved_at = 'x'", "type_version = 'x'"],
)
def test_a_value_of_another_type_in_a_row_is_an_error_that_names_the_block_and_harms_no_other(
    library: Library, home: Path, damage: str
) -> None:
    Token(value=SecretStr("planted")).save("one")
    Token(value=SecretStr("planted")).save("two")
    with sqlite3.connect(home / "blocks.db") as connection:
        connection.execute(
            f"UPDATE document_versions SET {damage} WHERE document_id = (SELECT id FROM documents WHERE name = 'one')"
        )
    connection.close()
    with pytest.raises(BlocksError, match="fault-token/one") as caught:
        Token.load("one")
    assert "planted" not in str(caught.value)
    assert Token.load("two").value.get_secret_value() == "planted"
