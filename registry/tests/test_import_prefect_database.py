"""Prefect's SQLite file: read with its key, and left as it is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from import_stage import Stage
from prefect_stand_in import MARKER, RECORDED, recorded_blocks

from blocks_registry.errors import SourceRefused, SourceUnreadable
from blocks_registry.importing.prefect_answers import found_document
from blocks_registry.importing.prefect_database import read_documents

RECORDED_ROWS = (RECORDED / "prefect_blocks.sql").read_text("utf-8")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "home")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with the rows that Prefect wrote, in the write-ahead mode that it uses."""
    file = tmp_path / "their home" / "prefect #1.db"
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(RECORDED_ROWS)
    return file


def change(file: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


def test_the_file_gives_what_the_api_gives(database: Path) -> None:
    def comparable(found: Any) -> dict[str, Any]:
        return {
            one.id: (one.source, repr(sorted(one.fields.items(), key=str)), one.anonymous) for one in found
        }

    from_api = [
        found_document(
            one["block_type"]["slug"],
            one["name"],
            one["data"],
            {name: held["block_document"]["id"] for name, held in one["block_document_references"].items()},
            document_id=one["id"],
            anonymous=one["is_anonymous"],
        )
        for one in recorded_blocks()
    ]
    from_file = read_documents(database)
    assert len(from_file) == len(from_api) > 25
    plain = {one.id: json.dumps(_plain(one.fields), sort_keys=True) for one in from_file}
    assert plain == {one.id: json.dumps(_plain(one.fields), sort_keys=True) for one in from_api}
    assert {key: value[::2] for key, value in comparable(from_file).items()} == {
        key: value[::2] for key, value in comparable(from_api).items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if hasattr(value, "fields"):
        return {"inline": value.type, "fields": _plain(dict(value.fields))}
    return {"link": value.id} if hasattr(value, "id") else value


def test_blocks_are_imported_with_the_key_that_prefect_keeps_there(stage: Stage, database: Path) -> None:
    states = stage.states("prefect", "--database", str(database), "--yes", "--keep-unmapped")
    assert set(states.values()) == {"new"}
    assert stage.load("aws-credentials/prod").secret_access_key.get_secret_value() == "pl4nted-aws"
    assert stage.load("s3/anon-creds").credentials.secret_access_key.get_secret_value() == "pl4nted-unnamed"
    stage.assert_sealed()
    again = stage.states("prefect", "--database", str(database), "--yes", "--keep-unmapped")
    assert set(again.values()) == {"unchanged"}


def test_the_file_and_its_folder_stay_as_they_are(stage: Stage, database: Path) -> None:
    def state() -> dict[str, tuple[str, int]]:
        return {
            file.name: (sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
            for file in database.parent.iterdir()
        }

    before = state()
    assert list(before) == [database.name]
    stage.run("prefect", "--database", str(database), "--yes")
    assert state() == before


def test_a_server_may_write_the_file_meanwhile(stage: Stage, database: Path) -> None:
    with closing(sqlite3.connect(database)) as server:
        server.execute("UPDATE block_document SET name = 'renamed' WHERE name = 'prod'")
        server.commit()  # into the log, which is not in the file yet
        log = database.with_name(f"{database.name}-wal")
        before = database.read_bytes(), log.read_bytes()
        server.execute("UPDATE block_document SET name = 'not yet' WHERE name = 'renamed'")
        rows = stage.rows("prefect", "--database", str(database), "--plan")
        assert "aws-credentials/renamed" in rows
        server.rollback()
        assert (database.read_bytes(), log.read_bytes()) == before


@pytest.fixture
def own_key(database: Path) -> str:
    """The server's own key, as it is where PREFECT_SERVER_ENCRYPTION_KEY is set: it is not in the database."""
    with closing(sqlite3.connect(database)) as connection:
        (row,) = connection.execute("SELECT value FROM configuration").fetchone()
    change(database, "DELETE FROM configuration")
    return str(json.loads(row)["fernet_key"])


def test_the_key_is_taken_from_a_file_from_standard_input_or_from_the_environment(
    stage: Stage, database: Path, own_key: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{own_key}\n")
    words = ("prefect", "--database", str(database), "--plan")
    results = [
        stage.run(*words, "--key-file", str(tmp_path / "key"), PREFECT_SERVER_ENCRYPTION_KEY="other"),
        stage.run(*words, "--key-file", "-", stdin=own_key),
        stage.run(*words, PREFECT_SERVER_ENCRYPTION_KEY=own_key),
        stage.run(*words, ORION_ENCRYPTION_KEY=own_key),
    ]
    assert len({result.stdout for result in results}) == 1
    for result in results:
        assert own_key not in result.output


@pytest.mark.parametrize("key", ["", "pl4nted", "pl4nted" * 10, "ü" * 44, "pl4nted-" * 5 + "p==="])
def test_what_is_no_key_is_refused_without_repeating_it(
    stage: Stage, database: Path, own_key: str, key: str
) -> None:
    result = stage.run("prefect", "--database", str(database), "--key-file", "-", "--plan", stdin=key, code=1)
    assert "no Fernet key" in result.stderr
    assert own_key not in result.output


def test_a_wrong_key_is_refused(stage: Stage, database: Path) -> None:
    wrong = Fernet.generate_key().decode()
    result = stage.run(
        "prefect", "--database", str(database), "--plan", code=1, PREFECT_SERVER_ENCRYPTION_KEY=wrong
    )
    assert "The key opens none of" in result.stderr
    assert wrong not in result.output
    with pytest.raises(SourceRefused):
        read_documents(database, wrong)


def test_blocks_of_another_key_are_reported_and_the_others_imported(stage: Stage, database: Path) -> None:
    token = Fernet(Fernet.generate_key()).encrypt(b'{"value": "pl4nted"}').decode()
    change(database, "UPDATE block_document SET data = ? WHERE name = 'api-key'", json.dumps(token))
    rows = stage.rows("prefect", "--database", str(database), "--yes", "--keep-unmapped")
    assert rows["secret/api-key"]["notes"] == ["its fields do not open with the key"]
    assert rows["secret/api-key"]["state"] == "unmapped"
    assert rows["secret/number-like"]["state"] == "new"


@pytest.mark.parametrize(
    "data", ["pl4nted", '"pl4nted"', '"pl4nted', "{}", "[1]", "null", "", b"\xff\xfe pl4nted"]
)
def test_a_row_that_is_none_of_prefects_is_reported(stage: Stage, database: Path, data: Any) -> None:
    change(database, "UPDATE block_document SET data = ? WHERE name = 'api-key'", data)
    rows = stage.rows("prefect", "--database", str(database), "--plan")
    assert rows["secret/api-key"]["notes"] == ["its fields do not open with the key"]


def test_a_text_that_is_no_utf8_is_not_repeated(stage: Stage, database: Path) -> None:
    change(database, "UPDATE configuration SET value = CAST(? AS TEXT)", b'{"fernet_key": "\xffpl4nted"}')
    assert "no Fernet key" in stage.run("prefect", "--database", str(database), "--plan", code=1).stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"pl4nted", b"SQLite format 3\x00pl4nted", RECORDED_ROWS[:4000].encode()],
    ids=["empty", "text", "cut off", "sql"],
)
def test_a_file_that_is_no_database_of_prefect_is_refused(
    stage: Stage, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "prefect.db"
    file.write_bytes(content)
    result = stage.run("prefect", "--database", str(file), "--plan", code=1)
    assert "cannot be read as a database of Prefect 3" in result.stderr
    assert file.read_bytes() == content


def test_a_database_that_was_cut_off_is_refused(stage: Stage, database: Path) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2])
    stage.run("prefect", "--database", str(database), "--plan", code=1)


def test_a_database_without_blocks_has_nothing_to_import(stage: Stage, database: Path) -> None:
    change(database, "DELETE FROM block_document")
    change(database, "DELETE FROM configuration")
    result = stage.run("prefect", "--database", str(database), "--yes")
    assert "There is nothing to import from Prefect." in result.stderr


def test_a_file_that_is_not_there_is_told(tmp_path: Path, stage: Stage) -> None:
    with pytest.raises(SourceUnreadable, match="cannot be read: No such file"):
        read_documents(tmp_path / "prefect.db")
    with pytest.raises(SourceUnreadable, match="cannot be read as a database of Prefect 3"):
        read_documents(tmp_path)
    assert not (tmp_path / "prefect.db").exists()
    assert MARKER not in stage.run("prefect", "--database", str(tmp_path / "x"), code=2).output
