"""Secret references on the command line: `create --secret-ref`, `inspect`, `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blocks_core import SecretBytesRef, SecretRef
from blocks_core.library import Library
from blocks_registry.opening import open_library

SAFE = """
from pydantic import SecretBytes, SecretStr

from blocks_core import SecretSource
from blocks_core.errors import SecretUnresolved


class DemoSafe(SecretSource, slug="demo-safe"):
    '''Keeps one secret.'''

    cache_seconds: int = 42
    token: SecretStr | None = None

    def read_secret(self, key):
        if key != "there":
            raise SecretUnresolved(f"The safe has no secret '{key}'. Put it there.")
        return SecretBytes("pl4nted-s3cret/ü+".encode())
"""


@pytest.fixture
def library(home: Path, demo: Path) -> Any:
    library = open_library()
    yield library
    library.close()


@pytest.fixture
def safe(plant: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    entry_points = "[blocks.types]\ndemo-safe = demo_safe:DemoSafe\n"
    folder = plant("demo-safe-plugin", entry_points, {"demo_safe/__init__.py": SAFE})
    return folder


def stored(library: Library, address: str) -> Any:
    from blocks_core import Block

    return library.load(Block, address, resolve=False)


def test_a_reference_is_given_by_an_argument_and_not_read(block: Any, library: Library) -> None:
    block("create", "demo-login", "prod", "--set", "user=me", "--secret-ref", "password=env:NOT_THERE_AT_ALL")
    assert stored(library, "demo-login/prod").password == SecretRef("env:NOT_THERE_AT_ALL")
    block(
        "create", "demo-store", "s", "--set", "bucket=b", "--secret-ref", "headers.A=file:/run/secrets/a",
        "--secret-ref", "blob=demo-safe/prod/x/y#z", "--secret-ref", "either=env:E",
        "--set", "servers.0.host=h", "--secret-ref", "servers.0.token=env:T",
        "--set", "login=demo-login/prod",
    )  # fmt: skip
    found = stored(library, "demo-store/s")
    assert found.headers == {"A": SecretRef("file:/run/secrets/a")}
    assert found.blob == SecretBytesRef("demo-safe/prod/x/y#z")
    assert (found.either, found.servers[0].token) == (SecretRef("env:E"), SecretRef("env:T"))
    assert found.login.saved_as.address == "demo-login/prod"


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--secret-ref", "ratio=env:A"], 2, "The field 'ratio' is no secret"),
        (
            ["--secret-ref", "pin=env:A"],
            1,
            "pin: takes no secret reference, as it is no SecretStr or SecretBytes",
        ),
        (["--secret-ref", "bolb=env:A"], 1, "bolb: there is no such field (did you mean 'blob'?)"),
        (
            ["--secret-ref", "blob=hunter2"],
            1,
            "blob: what was given as a secret reference, 7 characters, is none",
        ),
        (["--secret-ref", "blob=file:key.txt"], 1, "give an absolute path"),
        (["--secret-ref", "blob"], 2, "--secret-ref needs FIELD=VALUE, such as --secret-ref token=env:TOKEN"),
        (["--secret-ref", "blob=env:A", "--secret-ref", "blob=env:B"], 2, "The field 'blob' was given twice"),
        (
            ["--set-json", 'blob={"ref": 5}'],
            1,
            "blob: a secret reference is a text, and this has the type int",
        ),
        (["--set-json", 'blob={"ref": "env:A", "x": 1}'], 2, "The field 'blob' is a secret"),
        (["--set-json", 'pin={"ref": "env:A"}'], 2, "The field 'pin' is a secret"),
    ],
)
def test_what_is_no_reference_is_refused_with_its_field(
    block: Any, words: list[str], code: int, problem: str
) -> None:
    result = block("create", "demo-store", "x", "--set", "bucket=b", *words, code=code)
    assert problem in result.stderr
    assert "hunter2" not in result.output
    assert "[]" in block("ls", "-o", "json").stdout


def test_in_json_a_reference_is_an_object_only_where_a_secret_is(
    block: Any, library: Library, tmp_path: Path
) -> None:
    fields = {
        "bucket": "b",
        "headers": {"A": {"ref": "env:A"}, "B": "env:B"},
        "blob": {"ref": "file:/k"},
        "free": {"ref": "env:FREE"},
    }
    (tmp_path / "fields.json").write_text(json.dumps(fields))
    block("create", "demo-store", "x", "--from-file", str(tmp_path / "fields.json"))
    found = stored(library, "demo-store/x")
    assert found.headers["A"] == SecretRef("env:A")
    assert type(found.headers["B"]).__name__ == "SecretStr"
    assert found.headers["B"].get_secret_value() == "env:B"
    assert found.blob == SecretBytesRef("file:/k")
    assert found.free == {"ref": "env:FREE"}
    typed = json.dumps({"headers": {"C": {"ref": "env:C"}}, "blob": "planted"})
    block("create", "demo-store", "y", "--set", "bucket=b", "--secrets-stdin", stdin=typed)
    assert stored(library, "demo-store/y").headers["C"] == SecretRef("env:C")


def test_inspect_shows_references_and_create_takes_what_it_shows(
    block: Any, library: Library, planted_secret: str, tmp_path: Path
) -> None:
    block(
        "create", "demo-store", "x", "--set", "bucket=b", "--secret", "headers.A", "--secret-ref", "headers.B=env:B",
        "--secret-ref", "blob=file:/k", stdin=planted_secret + "\n",
    )  # fmt: skip
    shown = block("inspect", "demo-store/x").stdout
    assert "A  **********" in shown
    assert "B  env:B (secret reference)" in shown
    assert "blob" in shown
    record = json.loads(block("inspect", "demo-store/x", "-o", "json").stdout)
    assert record["secret_references"] == {"headers.B": "env:B", "blob": "file:/k"}
    assert record["secrets"] == ["headers.A"]
    assert record["fields"]["headers"] == {"A": None, "B": {"ref": "env:B"}}
    record["fields"]["headers"].pop("A")
    (tmp_path / "again.json").write_text(json.dumps(record["fields"]))
    block("create", "demo-store", "y", "--from-file", str(tmp_path / "again.json"))
    assert stored(library, "demo-store/y").headers == {"B": SecretRef("env:B")}


def test_a_check_says_which_reference_leads_to_nothing(block: Any) -> None:
    block("create", "demo-login", "prod", "--set", "user=me", "--secret-ref", "password=env:NOT_THERE_AT_ALL")
    result = block("check", "demo-login/prod", code=1)
    assert "Block 'demo-login/prod' was not loaded, for its field 'password'." in result.stderr
    assert "has no variable NOT_THERE_AT_ALL" in result.stderr


def test_explain_tells_of_each_field_and_shows_no_secret(
    process: Any, demo: Path, safe: Path, planted_secret: str, tmp_path: Path
) -> None:
    path = Path(f"{demo}:{safe}")
    environment = {"DEMO_TOKEN": planted_secret}

    def block(*words: str, **more: Any) -> Any:
        return process(*words, path=path, environment=environment, **more)

    block("create", "demo-safe", "prod")
    block("create", "demo-login", "prod", "--set", "user=me", "--secret-ref", "password=env:DEMO_TOKEN")
    block(
        "create", "demo-store", "s", "--set", "bucket=b", "--set", "login=demo-login/prod",
        "--secret-ref", "headers.safe=demo-safe/prod/there", "--secret-ref", "headers.lost=demo-safe/prod/gone",
        "--secret-ref", "headers.env=env:DEMO_TOKEN", "--secret", "headers.own", stdin=planted_secret + "\n",
    )  # fmt: skip
    lines = {line.split()[0]: line for line in block("explain", "demo-store/s").stdout.splitlines()}
    assert "a saved block, version 1, saved" in lines["login"]
    assert "equals the type's default; stored since version 1" in lines["retries"]
    assert "set in version 1" in lines["bucket"]
    assert "default" not in lines["bucket"]
    assert "found here, in the variable DEMO_TOKEN of this process, read each time" in lines["headers.env"]
    assert "kept for 42 s, asked 0 s ago" in lines["headers.safe"]
    assert "not found here: " in lines["headers.lost"]
    assert "The safe has no secret 'gone'" in lines["headers.lost"]
    assert "a secret, sealed with the key '" in lines["headers.own"]
    record = json.loads(block("explain", "demo-store/s", "-o", "json").stdout)
    fields = {field["path"]: field for field in record["fields"]}
    assert record["key"]
    assert fields["headers.own"]["value"] is None
    assert fields["headers.safe"]["reference"]["source_version"] == 1
    assert fields["login"]["block"]["address"] == "demo-login/prod"
    assert fields["retries"]["kind"] == "default"


def test_explain_needs_no_plugin(process: Any, demo: Path) -> None:
    process("create", "demo-store", "s", "--set", "bucket=b", "--secret-ref", "either=env:GONE", path=demo)
    done = process("explain", "demo-store/s")
    assert "bucket" in done.stdout
    assert "equals the type's default" in done.stdout
    assert "not found here" in done.stdout
    assert "What is shown is what is stored." in done.stderr
    assert "demo-plugin" in done.stderr


def test_explain_of_what_is_not_there_is_an_error(block: Any) -> None:
    block("create", "demo-login", "prod", "--set", "user=me", "--secret-ref", "password=env:A")
    assert "did you mean 'demo-login/prod'" in block("explain", "demo-login/prd", code=1).stderr
    assert "no address" in block("explain", "prod", code=1).stderr
