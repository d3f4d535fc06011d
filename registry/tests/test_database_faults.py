"""What happens when the database or the keys are not as they should be: a typed error, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks_core import Block, use_library
from blocks_core.errors import BlockNotFound, BlocksError, KeysMissing, KeyUnknown, SealBroken
from blocks_core.library import Library
from blocks_registry import Settings, open_library
from blocks_registry.database import Database
from blocks_registry.errors import (
    AddressInvalid,
    DatabaseCorrupt,
    DatabaseLocked,
    DatabaseTooNew,
    DatabaseUnavailable,
    RegistryError,
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


def test_no_key_is_made_before_there_is_a_secret(library: Library, home: Path) -> None:
    Plain(value="x").save("one")
    assert not (home / "keys.json").exists()


def test_the_key_is_not_in_the_database(library: Library, home: Path) -> None:
    Token(value=SecretStr("x")).save("one")
    key = (home / "keys.json").read_text().split('"key": "')[1].split('"')[0]
    assert key.encode() not in b"".join(file.read_bytes() for file in home.glob("blocks.db*"))


def test_a_missing_key_file_is_an_error_that_names_the_key_and_no_new_key_is_made(
    library: Library, home: Path
) -> None:
    Token(value=SecretStr("x")).save("one")
    key_id = (home / "keys.json").read_text().split('"primary": "')[1].split('"')[0]
    (home / "keys.json").unlink()
    again = at(home)
    with use_library(again):
        with pytest.raises(KeysMissing, match="Restore it from a backup"):
            Token.load("one")
        with pytest.raises(KeysMissing, match=key_id):
            Token(value=SecretStr("y")).save("two")
        assert not (home / "keys.json").exists()
        assert [line.name for line in again.registry.find()] == ["one"]
    again.close()


def test_keys_of_another_database_are_refused_and_nothing_is_sealed_with_them(
    library: Library, home: Path
) -> None:
    Token(value=SecretStr("x")).save("one")
    key_id = (home / "keys.json").read_text().split('"primary": "')[1].split('"')[0]
    other = at(home.parent / "other")
    with use_library(other):
        Token(value=SecretStr("x")).save("one")
    other.close()
    shutil.copy(home.parent / "other" / "keys.json", home / "keys.json")
    wrong = at(home)
    with use_library(wrong):
        with pytest.raises(KeyUnknown, match=key_id):
            Token.load("one")
        with pytest.raises(KeyUnknown, match=key_id):
            Token(value=SecretStr("y")).save("one", overwrite=True)
    wrong.close()
    assert [line.version for line in library.registry.find()] == [1]


def test_a_wrong_key_of_the_right_id_is_refused_and_nothing_is_sealed_with_it(
    library: Library, home: Path
) -> None:
    Token(value=SecretStr("x")).save("one")
    text = (home / "keys.json").read_text()
    key = text.split('"key": "')[1].split('"')[0]
    (home / "keys.json").write_text(text.replace(key, key[:-4] + ("AAA=" if key[-4:] != "AAA=" else "BBA=")))
    wrong = at(home)
    with use_library(wrong):
        with pytest.raises(SealBroken, match="Restore the right keys"):
            Token.load("one")
        with pytest.raises(SealBroken):
            Token(value=SecretStr("y")).save("two")
        assert [line.name for line in wrong.registry.find()] == ["one"]
    wrong.close()


def test_a_sealed_row_that_was_moved_to_another_document_does_not_open(library: Library, home: Path) -> None:
    Token(value=SecretStr("mine")).save("one")
    Token(value=SecretStr("yours")).save("two")
    with sqlite3.connect(home / "blocks.db") as connection:
        connection.execute(
            "UPDATE document_versions SET (wrapped_key, ciphertext) = (SELECT wrapped_key, ciphertext "
            "FROM document_versions AS o JOIN documents ON id = o.document_id WHERE name = 'two')"
        )
    connection.close()
    assert Token.load("two").value.get_secret_value() == "yours"
    with pytest.raises(SealBroken):
        Token.load("one")


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


def test_a_locked_database_is_an_error_in_bounded_time(library: Library, home: Path) -> None:
    Plain(value="old").save("one")
    holder = sqlite3.connect(home / "blocks.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        database = Database(home / "blocks.db", wait_seconds=0.2)
        with (
            pytest.raises(DatabaseLocked, match=r"locked by another process for 0.2 seconds"),
            database.transaction(),
        ):
            pytest.fail("the lock was given twice")
        database.close()
        assert Plain.load("one").value == "old"
    finally:
        holder.close()


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


def test_a_database_of_a_newer_version_is_refused(library: Library, home: Path) -> None:
    Plain().save("one")
    with sqlite3.connect(home / "blocks.db") as connection:
        connection.execute("INSERT INTO migrations VALUES ('registry', 9999, 'future', 'x', 0)")
    connection.close()
    newer = at(home)
    with use_library(newer), pytest.raises(DatabaseTooNew, match=r"'future'.*Upgrade blocks-registry"):
        Plain.load("one")
    newer.close()


def test_a_migration_that_was_changed_after_it_ran_is_refused(library: Library, home: Path) -> None:
    Plain().save("one")
    with sqlite3.connect(home / "blocks.db") as connection:
        connection.execute("UPDATE migrations SET checksum = 'x'")
    connection.close()
    changed = at(home)
    with use_library(changed), pytest.raises(RegistryError, match="was changed after it ran"):
        Plain.load("one")
    changed.close()


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:///", "http://localhost", "blocks.db"])
def test_an_address_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(AddressInvalid, match="BLOCKS_URL"):
        open_library(Settings(home=tmp_path, url=url))


SAVER = """
import sys
from blocks_core import Block
from pydantic import SecretStr
class Token(Block, slug="fault-token"):
    "A token."
    value: SecretStr
number = 0
while True:
    number += 1
    Token(value=SecretStr(f"value-{number}")).save("shared", overwrite=True)
    print(number, flush=True)
"""


def test_a_killed_process_loses_no_acknowledged_save(home: Path) -> None:
    for attempt in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER],
            env={"BLOCKS_HOME": str(home), "PATH": ""},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 + 0.017 * attempt)
        process.kill()
        acknowledged = [int(line) for line in process.stdout.read().splitlines() if line.strip()] or [1]
        process.stdout.close()
        process.wait()
        with use_library(at(home)) as library:
            value = Token.load("shared").value.get_secret_value()
            assert int(value.removeprefix("value-")) in (acknowledged[-1], acknowledged[-1] + 1)
        library.close()


def test_processes_write_at_once_without_an_error_or_a_lost_version(home: Path) -> None:
    code = SAVER.replace("while True:", "while number < 25:")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={"BLOCKS_HOME": str(home), "PATH": ""},
            stdout=subprocess.DEVNULL,
        )
        for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    with use_library(at(home)) as library:
        saved = Token.load("shared").saved_as
        assert saved is not None
        assert saved.version == 100
    library.close()


def test_a_forked_child_uses_the_library_of_its_parent(library: Library) -> None:
    Plain(value="before").save("one")
    child = os.fork()
    if child == 0:
        try:
            ok = Plain.load("one").value == "before"
            Plain(value="child").save("two")
            os._exit(0 if ok else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert Plain.load("two").value == "child"


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


def test_a_key_file_that_was_removed_meanwhile_seals_nothing_more(library: Library, home: Path) -> None:
    Token(value=SecretStr("x")).save("one")
    (home / "keys.json").unlink()
    with pytest.raises(KeysMissing, match="Restore it from a backup"):
        Token(value=SecretStr("y")).save("two")
    assert [line.name for line in library.registry.find()] == ["one"]


@pytest.mark.parametrize("version", [2**63, 2**70, -(2**70), 0, -1])
def test_a_version_that_no_document_can_have_is_not_found(library: Library, version: int) -> None:
    Plain().save("one")
    with pytest.raises(BlockNotFound, match=f"no version {version}"):
        Plain.load("one", version=version)
    with pytest.raises(BlockNotFound):
        library.registry.read("fault-plain", "one", version=version)


@pytest.mark.parametrize(
    "damage",
    [
        "data = '{'",
        "data = '[1]'",
        "data = x'ff'",
        "marks = '{'",
        "marks = '[]'",
        "marks = '{\"/value\": 5}'",
        'marks = \'{"/value": "block:zzz"}\'',
        'marks = \'{"/value": "inline:fault-plain@x"}\', data = \'{"value": {}}\'',
        'marks = \'{"/value": "no-such-kind"}\', data = \'{"value": "planted"}\'',
        "ciphertext = NULL",
        "wrapped_key = NULL",
        "key_id = NULL",
        "saved_at = 'x'",
        "saved_at = 1e300",
        "type_version = 'x'",
    ],
)
def test_a_damaged_row_is_an_error_that_names_the_block_and_harms_no_other(
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


@pytest.mark.parametrize("damage", ["description = '{'", "description = '{}'"])
def test_a_damaged_row_of_a_type_is_a_typed_error(library: Library, home: Path, damage: str) -> None:
    Plain().save("one")
    with sqlite3.connect(home / "blocks.db") as connection:
        connection.execute(f"UPDATE block_types SET {damage}")
    connection.close()
    for attempt in (library.registry.types, lambda: library.register(Plain)):
        with pytest.raises(DatabaseCorrupt, match="block type"):
            attempt()


def test_a_table_that_is_gone_is_a_typed_error(library: Library, home: Path) -> None:
    Plain().save("one")
    with sqlite3.connect(home / "blocks.db") as connection:
        connection.execute("DROP TABLE document_references")
    connection.close()
    with pytest.raises(DatabaseUnavailable, match="no such table"):
        Plain.load("one")


OPENER = """
import sys
from pathlib import Path
from blocks_registry.database import Database
for number in range(60):
    Path(sys.argv[1], f"{number}-{sys.argv[2]}").touch()
    while len(list(Path(sys.argv[1]).glob(f"{number}-*"))) < 2:
        pass
    database = Database(Path(sys.argv[1], f"{number}.db"))
    database.migrate("registry", "blocks_registry.migrations")
    database.close()
"""


def test_processes_that_make_the_database_at_once_wait_for_each_other(tmp_path: Path) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(tmp_path), str(number)], stderr=subprocess.PIPE, text=True
        )
        for number in range(2)
    ]
    try:
        for opener in openers:
            _, problem = opener.communicate(timeout=60)
            assert not problem
    finally:
        for opener in openers:
            opener.kill()
