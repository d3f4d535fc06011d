"""What happens when the database or the keys are not as they should be: a typed error, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, use_library
from blocks_core.errors import BlockNotFound, BlocksError, KeysMissing, KeyUnknown, SealBroken
from blocks_core.library import Library
from blocks_registry import Settings, open_library
from blocks_registry.errors import (
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
def library(place: RegistryPlace) -> Iterator[Library]:
    with use_library(place.library()) as library:
        yield library
    library.close()


def test_no_key_is_made_before_there_is_a_secret(library: Library, place: RegistryPlace) -> None:
    Plain(value="x").save("one")
    assert not (place.home / "keys.json").exists()


def test_the_key_is_not_in_the_database(library: Library, place: RegistryPlace) -> None:
    Token(value=SecretStr("x")).save("one")
    key = (place.home / "keys.json").read_text().split('"key": "')[1].split('"')[0]
    assert key.encode() not in place.content()


def test_a_missing_key_file_is_an_error_that_names_the_key_and_no_new_key_is_made(
    library: Library, place: RegistryPlace
) -> None:
    Token(value=SecretStr("x")).save("one")
    key_id = (place.home / "keys.json").read_text().split('"primary": "')[1].split('"')[0]
    (place.home / "keys.json").unlink()
    again = place.library()
    with use_library(again):
        with pytest.raises(KeysMissing, match="Restore it from a backup"):
            Token.load("one")
        with pytest.raises(KeysMissing, match=key_id):
            Token(value=SecretStr("y")).save("two")
        assert not (place.home / "keys.json").exists()
        assert [line.name for line in again.registry.find()] == ["one"]
    again.close()


def test_keys_of_another_database_are_refused_and_nothing_is_sealed_with_them(
    library: Library, place: RegistryPlace, tmp_path: Path
) -> None:
    Token(value=SecretStr("x")).save("one")
    key_id = (place.home / "keys.json").read_text().split('"primary": "')[1].split('"')[0]
    other = open_library(
        Settings(home=tmp_path / "other", url=f"sqlite:///{tmp_path / 'other' / 'blocks.db'}")
    )
    with use_library(other):
        Token(value=SecretStr("x")).save("one")
    other.close()
    shutil.copy(tmp_path / "other" / "keys.json", place.home / "keys.json")
    wrong = place.library()
    with use_library(wrong):
        with pytest.raises(KeyUnknown, match=key_id):
            Token.load("one")
        with pytest.raises(KeyUnknown, match=key_id):
            Token(value=SecretStr("y")).save("one", overwrite=True)
    wrong.close()
    assert [line.version for line in library.registry.find()] == [1]


def test_a_wrong_key_of_the_right_id_is_refused_and_nothing_is_sealed_with_it(
    library: Library, place: RegistryPlace
) -> None:
    Token(value=SecretStr("x")).save("one")
    text = (place.home / "keys.json").read_text()
    key = text.split('"key": "')[1].split('"')[0]
    (place.home / "keys.json").write_text(
        text.replace(key, key[:-4] + ("AAA=" if key[-4:] != "AAA=" else "BBA="))
    )
    wrong = place.library()
    with use_library(wrong):
        with pytest.raises(SealBroken, match="Restore the right keys"):
            Token.load("one")
        with pytest.raises(SealBroken):
            Token(value=SecretStr("y")).save("two")
        assert [line.name for line in wrong.registry.find()] == ["one"]
    wrong.close()


def test_a_sealed_row_that_was_moved_to_another_document_does_not_open(
    library: Library, place: RegistryPlace
) -> None:
    Token(value=SecretStr("mine")).save("one")
    Token(value=SecretStr("yours")).save("two")
    place.run(
        "UPDATE document_versions SET (wrapped_key, ciphertext) = (SELECT wrapped_key, ciphertext "
        "FROM document_versions AS o JOIN documents ON id = o.document_id WHERE name = 'two')"
    )
    assert Token.load("two").value.get_secret_value() == "yours"
    with pytest.raises(SealBroken):
        Token.load("one")


def test_a_locked_database_is_an_error_in_bounded_time(library: Library, place: RegistryPlace) -> None:
    Plain(value="old").save("one")
    with place.held():
        database = place.database(wait_seconds=0.2)
        with (
            pytest.raises(DatabaseLocked, match=r"locked by another process for 0.2 seconds"),
            database.transaction(),
        ):
            pytest.fail("the lock was given twice")
        database.close()
        assert Plain.load("one").value == "old"


def test_a_database_of_a_newer_version_is_refused(library: Library, place: RegistryPlace) -> None:
    Plain().save("one")
    place.run("INSERT INTO migrations VALUES ('registry', 9999, 'future', 'x', 0)")
    newer = place.library()
    with use_library(newer), pytest.raises(DatabaseTooNew, match=r"'future'.*Upgrade blocks-registry"):
        Plain.load("one")
    newer.close()


def test_a_migration_that_was_changed_after_it_ran_is_refused(library: Library, place: RegistryPlace) -> None:
    Plain().save("one")
    place.run("UPDATE migrations SET checksum = 'x'")
    changed = place.library()
    with use_library(changed), pytest.raises(RegistryError, match="was changed after it ran"):
        Plain.load("one")
    changed.close()


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


def test_a_killed_process_loses_no_acknowledged_save(place: RegistryPlace) -> None:
    for attempt in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER],
            env=place.environment,
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
        with use_library(place.library()) as library:
            value = Token.load("shared").value.get_secret_value()
            assert int(value.removeprefix("value-")) in (acknowledged[-1], acknowledged[-1] + 1)
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


def test_a_key_file_that_was_removed_meanwhile_seals_nothing_more(
    library: Library, place: RegistryPlace
) -> None:
    Token(value=SecretStr("x")).save("one")
    (place.home / "keys.json").unlink()
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
        "marks = '{'",
        "marks = '[]'",
        "marks = '{\"/value\": 5}'",
        'marks = \'{"/value": "block:zzz"}\'',
        'marks = \'{"/value": "inline:fault-plain@x"}\', data = \'{"value": {}}\'',
        'marks = \'{"/value": "no-such-kind"}\', data = \'{"value": "planted"}\'',
        "ciphertext = NULL",
        "wrapped_key = NULL",
        "key_id = NULL",
        "saved_at = 1e300",
    ],
)
def test_a_damaged_row_is_an_error_that_names_the_block_and_harms_no_other(
    library: Library, place: RegistryPlace, damage: str
) -> None:
    Token(value=SecretStr("planted")).save("one")
    Token(value=SecretStr("planted")).save("two")
    place.run(
        f"UPDATE document_versions SET {damage} WHERE document_id = (SELECT id FROM documents WHERE name = 'one')"
    )
    with pytest.raises(BlocksError, match="fault-token/one") as caught:
        Token.load("one")
    assert "planted" not in str(caught.value)
    assert Token.load("two").value.get_secret_value() == "planted"


@pytest.mark.parametrize("damage", ["description = '{'", "description = '{}'"])
def test_a_damaged_row_of_a_type_is_a_typed_error(
    library: Library, place: RegistryPlace, damage: str
) -> None:
    Plain().save("one")
    place.run(f"UPDATE block_types SET {damage}")
    for attempt in (library.registry.types, lambda: library.register(Plain)):
        with pytest.raises(DatabaseCorrupt, match="block type"):
            attempt()


def test_a_table_that_is_gone_is_a_typed_error(library: Library, place: RegistryPlace) -> None:
    Plain().save("one")
    place.run("DROP TABLE document_references")
    with pytest.raises(DatabaseUnavailable, match="document_references"):
        library.registry.users("fault-plain", "one")
