"""`block import`: what it asks, what it refuses, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TOKEN = {"conn_type": "generic", "password": "pl4nted-s3cret/ü+"}
AWS = {"conn_type": "aws", "login": "AK", "password": "pl4nted-s3cret/ü+", "extra": '{"verify": false}'}


@pytest.fixture
def export(tmp_path: Path) -> Any:
    """Writes what Airflow exports -> the file's name."""

    def write(**connections: Any) -> str:
        file = tmp_path / "connections.json"
        file.write_text(json.dumps(connections), "utf-8")
        return str(file)

    return write


def test_without_a_terminal_it_needs_yes(block: Any, export: Any) -> None:
    refused = block("import", "airflow", "--export", export(token=TOKEN), code=2)
    assert "Give --yes, or --plan" in refused.stderr
    assert "generic/token" in refused.stdout
    assert json.loads(block("ls", "-o", "json").stdout) == []


@pytest.mark.parametrize(("answer", "code", "said"), [(b"y\n", 0, "Imported 1 block from Airflow."), (b"n\n", 1, "Nothing was written.")])  # fmt: skip
def test_on_a_terminal_it_asks(terminal: Any, export: Any, answer: bytes, code: int, said: str) -> None:
    found, shown = terminal(
        "import", "airflow", "--export", export(token=TOKEN), question="Save 1 block?", answer=answer
    )
    assert (found, said in shown) == (code, True), shown
    assert "pl4nted" not in shown


def test_nothing_is_asked_where_there_is_nothing_to_write(block: Any, export: Any) -> None:
    file = export(token=TOKEN)
    block("import", "airflow", "--export", file, "--yes")
    again = block("import", "airflow", "--export", file)
    assert "1 unchanged." in again.stderr
    assert "Nothing was written." in again.stderr
    assert "There is nothing to import" in block("import", "airflow", "--export", export()).stderr


def test_json_has_every_row_and_whether_it_was_written(block: Any, export: Any) -> None:
    file = export(token=TOKEN, aws=AWS, db={"conn_type": "mysql", "host": "h"})
    assert "Give --yes" in block("import", "airflow", "--export", file, "-o", "json", code=2).stderr
    rows = json.loads(block("import", "airflow", "--export", file, "-o", "json", "--plan").stdout)
    assert not any(row["written"] for row in rows)
    rows = json.loads(block("import", "airflow", "--export", file, "-o", "json", "--yes").stdout)
    assert rows == [
        {
            "source": "aws/aws",
            "address": "aws-credentials/aws",
            "state": "new",
            "notes": [],
            "fields_left_out": ["extra.verify"],
            "written": True,
        },
        {
            "source": "generic/token",
            "address": "secret/token",
            "state": "new",
            "notes": [],
            "fields_left_out": [],
            "written": True,
        },
        {
            "source": "mysql/db",
            "address": None,
            "state": "unmapped",
            "notes": ["no block type does what Airflow's 'mysql' does"],
            "fields_left_out": ["host"],
            "written": False,
        },
    ]


def test_what_someone_has_to_decide_makes_the_exit_code_one(block: Any, export: Any) -> None:
    block("import", "airflow", "--export", export(token=TOKEN), "--yes")
    file = export(token=TOKEN | {"password": "other"})
    shown = block("import", "airflow", "--export", file, "--yes", code=1)
    assert "--overwrite replaces it" in shown.stdout
    block("import", "airflow", "--export", file, "--plan")
    block("import", "airflow", "--export", file, "--yes", "--overwrite")
    twins = export(Token=TOKEN, TOKEN=TOKEN)
    assert "--rename" in block("import", "airflow", "--export", twins, "--yes", code=1).stdout
    block(
        "import",
        "airflow",
        "--export",
        twins,
        "--yes",
        "--rename",
        "generic/TOKEN=b",
        "--rename",
        "generic/Token=a",
    )


def test_labels_are_given_to_what_is_imported(block: Any, export: Any) -> None:
    words = ("--label", "from=airflow", "--label", "team=data")
    block("import", "airflow", "--export", export(token=TOKEN), "--yes", *words)
    (row,) = json.loads(block("ls", "-o", "json").stdout)
    assert row["labels"] == {"from": "airflow", "team": "data"}


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("prefect",), 2, "Say what to import"),
        (
            ("prefect", "--url", "http://127.0.0.1:1/api", "--key-file", "FILE"),
            2,
            "--key-file is for a database",
        ),
        (("prefect", "--database", "FILE", "--api-key"), 2, "--api-key is for an API"),
        (("prefect", "--database", "FILE", "--url", "http://127.0.0.1:1/api"), 2, "not both"),
        (("airflow",), 2, "Say what to import, one of"),
        (("airflow", "--environment", "--export", "FILE"), 2, "Say what to import, one of"),
        (("airflow", "--export", "FILE", "--label", "team"), 2, "--label needs two words"),
        (("airflow", "--export", "FILE", "--label", "Team=x y"), 1, "is no label"),
        (("airflow", "--export", "FILE", "--rename", "generic/token"), 2, "--rename needs two words"),
        (("airflow", "--export", "FILE", "--rename", "generic/token=No Name"), 1, "is no name for a block"),
        (("airflow", "--export", "FILE", "--rename", "generic/tokn=b"), 2, "did you mean 'generic/token'?"),
        (("airflow", "--export", "nowhere.json"), 2, "does not exist"),
        (("dagster",), 2, "No such command 'dagster'"),
    ],
)
def test_wrong_usage_is_told(
    block: Any, export: Any, words: tuple[str, ...], code: int, problem: str
) -> None:
    file = export(token=TOKEN)
    shown = block("import", *(file if word == "FILE" else word for word in words), code=code)
    assert problem in " ".join(shown.stderr.split())


@pytest.mark.parametrize("command", ["prefect", "airflow"])
def test_the_help_teaches_and_reads_nothing(process: Any, command: str, home: Path) -> None:
    shown = process("import", command, "--help").stdout
    assert "Examples:" in shown
    assert all(word in shown for word in ("new ", "unchanged ", "changed ", "unmapped ", "conflict "))
    assert not home.exists()
