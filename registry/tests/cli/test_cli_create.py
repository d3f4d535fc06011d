"""`block create`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from blocks_registry.opening import open_library


@pytest.fixture
def load(home: Path, demo: Path) -> Any:
    """Loads a saved block, by this process's own library."""
    from blocks_core import Block

    library = open_library()
    yield lambda address: library.load(Block, address)
    library.close()


def make_login(block: Any, secret: str, name: str = "prod") -> None:
    block("create", "demo-login", name, "--set", "user=me", "--secret", "password", stdin=secret + "\n")


def test_a_block_is_saved_with_its_secret_from_standard_input(
    block: Any, load: Any, planted_secret: str
) -> None:
    result = block(
        "create",
        "demo-login",
        "prod",
        "--set",
        "user=me",
        "--secret",
        "password",
        stdin=planted_secret + "\n",
    )
    assert result.stdout == "Saved demo-login/prod, version 1.\n"
    assert "block check demo-login/prod" in result.stderr
    assert "DemoLogin.load('prod')" in result.stderr
    found = load("demo-login/prod")
    assert (found.user, found.password.get_secret_value()) == ("me", planted_secret)


def test_the_name_may_be_an_option(block: Any, load: Any) -> None:
    block("create", "demo-store", "--name", "raw", "--set", "bucket=b")
    assert load("demo-store/raw").bucket == "b"
    assert "Missing argument 'NAME'" in block("create", "demo-store", "--set", "bucket=b", code=2).stderr
    assert "Two names" in block("create", "demo-store", "a", "-n", "b", code=2).stderr


def test_texts_stay_texts_and_other_types_are_json(block: Any, load: Any) -> None:
    block(
        "create", "demo-store", "raw", "--set", "bucket=123", "--set", "retries=5", "--set", "ratio=0.5",
        "--set", "secure=false", "--set", 'tags=["a", "b"]', "--set", "free={}", "--set", "raw=bytes",
        "--set-json", 'primary={"host": "h", "port": 1}', "--set", "servers.0.host=one",
        "--set", "servers.1.host=two", "--set", "servers.1.port=2", "--set", "tags.2=c",
    )  # fmt: skip
    found = load("demo-store/raw")
    assert (found.bucket, found.retries, found.ratio, found.secure) == ("123", 5, 0.5, False)
    assert (found.tags, found.free, found.raw) == (["a", "b", "c"], "{}", b"bytes")
    assert (found.primary.host, found.primary.port) == ("h", 1)
    assert [(server.host, server.port) for server in found.servers] == [("one", 22), ("two", 2)]


def test_a_value_may_hold_equals_signs(block: Any, load: Any) -> None:
    block("create", "demo-store", "raw", "--set", "bucket=a=b=")
    assert load("demo-store/raw").bucket == "a=b="


def test_a_reference_is_the_address_of_a_saved_block(block: Any, load: Any, planted_secret: str) -> None:
    make_login(block, planted_secret)
    block(
        "create", "demo-store", "raw", "--set", "bucket=b", "--set", "login=demo-login/prod",
        "--set", "anyone=demo-login/prod", "--set", 'logins=["demo-login/prod"]',
    )  # fmt: skip
    found = load("demo-store/raw")
    assert found.login.saved_as.address == "demo-login/prod"
    assert found.anyone.saved_as.address == "demo-login/prod"
    assert found.logins[0].saved_as.address == "demo-login/prod"
    shown = json.loads(block("inspect", "demo-login/prod", "-o", "json").stdout)
    assert shown["used_by"] == ["demo-store/raw"]


def test_a_block_inside_a_field_is_stored_inside(block: Any, load: Any, planted_secret: str) -> None:
    block(
        "create", "demo-store", "raw", "--set", "bucket=b", "--set", "login.user=me",
        "--secret", "login.password", stdin=planted_secret + "\n",
    )  # fmt: skip
    found = load("demo-store/raw")
    assert found.login.saved_as is None
    assert found.login.password.get_secret_value() == planted_secret


def test_secrets_lie_wherever_a_path_leads(block: Any, load: Any, planted_secret: str) -> None:
    block(
        "create", "demo-store", "raw", "--set", "bucket=b", "--set", "servers.0.host=one",
        "--secret", "headers.Authorization", "--secret", "blob", "--secret", "servers.0.token", "--secret", "pin",
        stdin=f"{planted_secret}\r\n{planted_secret}\ntoken\n1234",
    )  # fmt: skip
    found = load("demo-store/raw")
    assert found.headers["Authorization"].get_secret_value() == planted_secret
    assert found.blob.get_secret_value() == planted_secret.encode()
    assert found.servers[0].token.get_secret_value() == "token"
    assert found.pin.get_secret_value() == 1234


def test_a_json_object_on_standard_input_holds_secrets_at_any_depth(
    block: Any, load: Any, planted_secret: str
) -> None:
    secrets = {"headers": {"A": planted_secret, "X.Dotted": "x"}, "servers.0.token": planted_secret}
    block(
        "create", "demo-store", "raw", "--set", "bucket=b", "--set", "servers.0.host=one", "--secrets-stdin",
        stdin=json.dumps(secrets | {"blob": planted_secret, "pin": 99}),
    )  # fmt: skip
    found = load("demo-store/raw")
    assert found.servers[0].token.get_secret_value() == planted_secret
    assert found.blob.get_secret_value() == planted_secret.encode()
    assert found.pin.get_secret_value() == 99
    assert {name: value.get_secret_value() for name, value in found.headers.items()} == secrets["headers"]


@pytest.mark.parametrize(
    "words",
    [
        ("--set", "headers.Authorization=hunter22"),
        ("--set", 'headers={"Authorization": "hunter22"}'),
        ("--set-json", 'headers={"Authorization": "hunter22"}'),
        ("--set", "blob=hunter22"),
        ("--set-json", 'blob="hunter22"'),
        ("--set", "either=12345"),
        ("--set", "login.password=hunter22"),
        ("--set-json", 'login={"user": "me", "password": "hunter22"}'),
        ("--set-json", 'servers=[{"host": "a", "token": "hunter22"}]'),
        ("--set-json", "pin=12345"),
    ],
)
def test_a_secret_in_an_argument_is_refused_with_the_remedy(block: Any, words: tuple[str, ...]) -> None:
    result = block("create", "demo-store", "raw", "--set", "bucket=b", *words, code=2)
    assert "is a secret" in result.stderr
    assert "--secret " in result.stderr
    assert "--secrets-stdin" in result.stderr
    assert "hunter22" not in result.output
    assert "12345" not in result.output
    block("inspect", "demo-store/raw", code=1)


def test_null_is_no_secret(block: Any, load: Any) -> None:
    block("create", "demo-store", "raw", "--set", "bucket=b", "--set-json", "blob=null")
    assert load("demo-store/raw").blob is None


def test_a_field_that_may_be_a_secret_is_kept_as_one(block: Any, load: Any, planted_secret: str) -> None:
    block("create", "demo-store", "raw", "--set", "bucket=b", "--secret", "either", stdin=planted_secret)
    assert load("demo-store/raw").either.get_secret_value() == planted_secret
    assert json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)["secrets"] == ["either"]


def test_a_file_holds_fields_as_inspect_shows_them(
    block: Any, load: Any, tmp_path: Path, planted_secret: str
) -> None:
    fields = {
        "bucket": "file",
        "retries": 7,
        "headers": {"A": planted_secret},
        "blob": b64encode(planted_secret.encode()).decode(),
        "raw": b64encode(b"\xff\x00").decode(),
    }
    file = tmp_path / "fields.json"
    file.write_text(json.dumps(fields))
    block("create", "demo-store", "raw", "--from-file", str(file), "--set", "bucket=option")
    found = load("demo-store/raw")
    assert (found.bucket, found.retries, found.raw) == ("option", 7, b"\xff\x00")
    assert found.headers["A"].get_secret_value() == planted_secret
    assert found.blob.get_secret_value() == planted_secret.encode()


def test_a_file_that_is_no_json_object_is_refused(block: Any, tmp_path: Path) -> None:
    file = tmp_path / "fields.json"
    for content in (b"[1]", b"{", b"\xff", b"[" * 100_000):
        file.write_bytes(content)
        assert (
            "is no JSON object" in block("create", "demo-store", "a", "--from-file", str(file), code=2).stderr
        )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "bukket=x"), "bukket: there is no such field (did you mean 'bucket'?)"),
        (("--set", "primary.hst=x"), "primary.hst: there is no such field (did you mean 'host'?)"),
        (("--set", "retries=many"), "retries: takes JSON (integer), and what was given is none"),
        (("--set", "retries="), "retries: takes JSON (integer)"),
        (("--set", "retries=1.5"), "retries: "),
        (("--set", "servers.3.host=x"), "servers.3.host: the list has 0 items so far"),
        (("--set", "servers.x.host=x"), "servers.x.host: there is no such field"),
        (("--set", "login=prod"), "login: takes a saved block: give its address"),
        (("--set-json", "tags={"), "tags: takes JSON (list)"),
        (("--set-json", "tags=" + "[" * 100_000), "tags: "),
        (("--set", "bucket.deeper=x"), "bucket.deeper: there is no such field"),
        (("--set", "retries=1", "--set-json", "primary=null"), "bucket: is required (give it with --set bucket=VALUE)."),
    ],
)  # fmt: skip
def test_a_field_that_does_not_fit_is_named(block: Any, words: tuple[str, ...], said: str) -> None:
    result = block("create", "demo-store", "raw", *words, code=1)
    assert result.stderr.startswith("Error: Block 'demo-store/raw' is not valid: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_wrong_options_are_wrong_usage(block: Any) -> None:
    create = ("create", "demo-store", "raw")
    assert "FIELD=VALUE" in block(*create, "--set", "bucket", code=2).stderr
    assert "FIELD=VALUE" in block(*create, "--set", "=x", code=2).stderr
    assert "given twice" in block(*create, "--set", "bucket=a", "--set", "bucket=b", code=2).stderr
    assert "is no secret" in block(*create, "--secret", "bucket", stdin="x", code=2).stderr
    assert "not with both" in block(*create, "--secret", "blob", "--secrets-stdin", stdin="{}", code=2).stderr
    assert "is no secret" in block(*create, "--secrets-stdin", stdin='{"bucket": "b"}', code=2).stderr


def test_standard_input_that_does_not_fit_is_refused_without_its_content(
    block: Any, planted_secret: str
) -> None:
    create = ("create", "demo-login", "x", "--set", "user=me")
    for text in (planted_secret, f'["{planted_secret}"]', f'{{"password": "{planted_secret}"', ""):
        assert "needs a JSON object" in block(*create, "--secrets-stdin", stdin=text, code=2).stderr
    not_unicode = b"\xff" + planted_secret.encode()
    for words in (("--secrets-stdin",), ("--secret", "password")):
        for debug in ((), ("--debug",)):
            result = block(*debug, *create, *words, stdin=not_unicode, code=2)
            assert "is not UTF-8" in result.stderr
    assert "has no line for the secret" in block(*create, "--secret", "password", stdin="", code=2).stderr
    assert "has no line for the secret" in block(*create, "--secret", "password", stdin="\n", code=2).stderr


def test_a_missing_secret_says_how_to_give_it(block: Any) -> None:
    result = block("create", "demo-login", "x", "--set", "user=me", code=1)
    assert "password: is required (give it with --secret password)." in result.stderr


@pytest.mark.parametrize("header", ["leaky", "refused"])
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_what_a_validator_says_shows_no_secret(
    block: Any, planted_secret: str, header: str, debug: tuple[str, ...]
) -> None:
    result = block(
        *debug, "create", "demo-store", "raw", "--set", "bucket=b", "--secret", f"headers.{header}",
        stdin=planted_secret, code=1,
    )  # fmt: skip
    assert "Error: Block 'demo-store/raw' is not valid: " in result.stderr
    assert ("cannot use **********" in result.stderr) == (header == "leaky")


def test_a_taken_name_is_refused_unless_overwritten(block: Any, load: Any) -> None:
    block("create", "demo-store", "raw", "--set", "bucket=one")
    result = block("create", "demo-store", "raw", "--set", "bucket=two", code=1)
    assert "--overwrite" in result.stderr
    result = block("create", "demo-store", "raw", "--set", "bucket=two", "--overwrite", "-o", "json")
    assert json.loads(result.stdout)["version"] == 2
    assert load("demo-store/raw").bucket == "two"


def test_a_name_or_a_type_that_is_none_is_an_error(block: Any) -> None:
    assert "is no name for a block" in block("create", "demo-store", "Bad Name", code=1).stderr
    assert "did you mean 'demo-store'" in block("create", "demo-stor", "x", code=1).stderr
    assert "No block 'demo-login/none'" in block(
        "create", "demo-store", "x", "--set", "bucket=b", "--set", "login=demo-login/none", code=1
    ).stderr  # fmt: skip


def test_an_unknown_type_is_said_before_the_name_is_asked_for(block: Any) -> None:
    assert "did you mean 'demo-store'" in block("create", "demo-stor", code=1).stderr


def test_a_type_that_is_registered_and_not_installed_here_says_what_to_install(
    process: Any, demo: Path, tmp_path: Path
) -> None:
    process("register", "-m", "demo_blocks", path=demo)
    for words in (("create", "demo-store", "x"), ("check", "demo-store/x")):
        said = process(*words, code=1).stderr
        assert (
            "'demo-store' is registered, from demo-plugin 1.0, but no plugin that is installed here has it"
            in said
        )
        assert "pip install demo-plugin" in said
    tmp_path.joinpath("own.py").write_text(
        "from blocks_core import Block\nclass Own(Block, slug='own'): ...\n"
    )
    process("register", "-f", "own.py")
    said = process("create", "own", "x", code=1).stderr
    assert "'own' is registered, from 'own:Own'" in said
    assert "Import the module that defines it" in said


def test_arguments_that_are_no_unicode_are_refused(home: Path, demo: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("block")), "create", "demo-store", "x", "--set", b"bucket=\xff"],
        env=os.environ | {"PYTHONPATH": str(demo)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not UTF-8" in done.stderr


def test_a_person_is_asked_for_required_secrets_without_echo(
    terminal: Any, demo: Path, load: Any, planted_secret: str
) -> None:
    code, shown = terminal(
        "create", "demo-login", "prod", "--set", "user=me",
        question="password (not shown): ", answer=planted_secret.encode() + b"\n", path=demo,
    )  # fmt: skip
    assert code == 0, shown
    assert planted_secret not in shown
    assert load("demo-login/prod").password.get_secret_value() == planted_secret


def test_an_interrupted_question_saves_nothing(terminal: Any, demo: Path, block: Any) -> None:
    words = ("create", "demo-login", "prod", "--set", "user=me")
    code, shown = terminal(*words, question="password (not shown): ", answer=b"\x03", path=demo)
    assert (code, "Interrupted." in shown, "Traceback" in shown) == (130, True, False)
    block("inspect", "demo-login/prod", code=1)


def test_neither_arguments_nor_files_hold_the_secret(home: Path, demo: Path, planted_secret: str) -> None:
    words = ["create", "demo-login", "prod", "--set", "user=me", "--secret", "password"]
    running = subprocess.Popen(
        [str(Path(sys.executable).with_name("block")), *words],
        env=os.environ | {"PYTHONPATH": str(demo)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert running.stdin is not None
    running.stdin.write(planted_secret.encode())
    running.stdin.flush()
    seen = Path(f"/proc/{running.pid}/cmdline").read_bytes() if Path("/proc/self/cmdline").exists() else b""
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 0, output
    assert planted_secret.encode() not in seen + output
    for file in home.rglob("*"):
        assert not file.is_file() or planted_secret.encode() not in file.read_bytes()
