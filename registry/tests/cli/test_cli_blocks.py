"""`block ls`, `inspect`, `check` and `delete`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def saved(block: Any, planted_secret: str) -> None:
    """A login, and a store that holds it by reference and another one inside."""
    block("create", "demo-login", "prod", "--set", "user=me", "--secret", "password", stdin=planted_secret)
    block(
        "create", "demo-store", "raw", "--set", "bucket=raw", "--set", "login=demo-login/prod",
        "--set-json", 'logins=["demo-login/prod"]', "--set", "free=x",
        "--set", "servers.0.host=one", "--secrets-stdin",
        stdin=json.dumps({"headers": {"a/b~c": planted_secret}, "servers.0.token": planted_secret}),
    )  # fmt: skip


def test_blocks_are_listed_by_type_and_capability(block: Any, saved: None) -> None:
    def addresses(*words: str) -> list[str]:
        return [row["address"] for row in json.loads(block("ls", *words, "-o", "json").stdout)]

    assert addresses() == ["demo-login/prod", "demo-store/raw"]
    assert addresses("--type", "demo-store") == ["demo-store/raw"]
    assert addresses("--capability", "credentials") == ["demo-login/prod"]
    assert addresses("--type", "demo-store", "--capability", "credentials") == []
    lines = block("ls").stdout.splitlines()
    assert lines[0].split() == ["Block", "Capabilities", "Version", "Saved", "at", "Last", "used"]
    assert lines[1].split()[:3] == ["demo-login/prod", "credentials", "1"]


def test_an_empty_list_says_what_to_do(block: Any) -> None:
    assert "block create SLUG NAME" in block("ls").stderr
    assert json.loads(block("ls", "-o", "json").stdout) == []
    assert "block register" in block("ls", "--type", "demo-store", code=1).stderr
    block("register", "-m", "demo_blocks")
    assert "block create demo-store NAME" in block("ls", "--type", "demo-store").stderr
    assert "did you mean 'credentials'" in block("ls", "--capability", "credential").stderr


def test_inspect_shows_fields_and_addresses_and_no_secret(block: Any, saved: None) -> None:
    shown = block("inspect", "demo-store/raw").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "login demo-login/prod" in lines
    assert "logins demo-login/prod" in lines
    assert "a/b~c **********" in lines
    assert "used by -" in lines
    assert "used by demo-store/raw" in [
        " ".join(line.split()) for line in block("inspect", "demo-login/prod").stdout.splitlines()
    ]


def test_inspect_in_json_has_null_for_a_secret_and_its_path(block: Any, saved: None) -> None:
    shown = json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)
    assert shown["fields"]["headers"] == {"a/b~c": None}
    assert shown["fields"]["bucket"] == "raw"
    assert shown["fields"]["logins"] == ["demo-login/prod"]
    assert sorted(shown["secrets"]) == ["headers.a/b~c", "servers.0.token"]
    assert shown["references"] == {"login": "demo-login/prod", "logins.0": "demo-login/prod"}
    assert (shown["version"], shown["type_version"], shown["used_by"]) == (1, 2, [])


def test_inspect_shows_an_older_version(block: Any) -> None:
    block("create", "demo-store", "raw", "--set", "bucket=one")
    block("create", "demo-store", "raw", "--set", "bucket=two", "--overwrite")

    def bucket(*words: str) -> str:
        return json.loads(block("inspect", "demo-store/raw", "-o", "json", *words).stdout)["fields"]["bucket"]

    assert (bucket(), bucket("--version", "1")) == ("two", "one")
    block("inspect", "demo-store/raw", "--version", "3", code=1)


def test_a_block_inside_says_which_type_it_is(block: Any, planted_secret: str) -> None:
    block(
        "create", "demo-store", "raw", "--set", "bucket=b", "--set", "login.user=me",
        "--secret", "login.password", stdin=planted_secret,
    )  # fmt: skip
    shown = json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)
    assert shown["inline"] == {"login": "demo-login@1"}
    assert shown["fields"]["login"] == {"user": "me", "password": None}


def test_inspect_needs_neither_the_plugin_nor_the_key(
    block: Any, saved: None, process: Any, home: Path
) -> None:
    (home / "keys.json").unlink()
    done = process("inspect", "demo-store/raw", "-o", "json")
    assert json.loads(done.stdout)["fields"]["login"] == "demo-login/prod"
    assert "demo-login/prod" in process("ls").stdout
    process("check", "demo-login/prod", code=1)


def test_control_characters_in_a_field_are_shown_as_escapes(block: Any) -> None:
    block(
        "create", "demo-store", "raw", "--set", "bucket=[red]\x1b[2J\n", "--set-json", 'free={"\\u001b": 1}'
    )
    shown = block("inspect", "demo-store/raw").stdout
    assert "[red]\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_check_tells_each_permission(block: Any, saved: None) -> None:
    lines = block("check", "demo-login/prod").stdout.splitlines()
    assert lines[0].split() == ["Permission", "ms", "Detail"]
    assert lines[1].split()[:2] == ["ok", "identity"]
    assert "it is me" in lines[1]
    (row,) = json.loads(block("check", "demo-login/prod", "-o", "json").stdout)
    assert (row["name"], row["ok"], row["detail"]) == ("identity", True, "it is me")


def test_a_failed_check_is_exit_code_1_and_shows_no_secret(block: Any, planted_secret: str) -> None:
    for user, said in (
        ("locked", "refused with **********"),
        ("leaky", "RuntimeError: no luck with **********"),
    ):
        block(
            "create",
            "demo-login",
            user,
            "--set",
            f"user={user}",
            "--secret",
            "password",
            stdin=planted_secret,
        )
        result = block("check", f"demo-login/{user}", code=1)
        assert "FAILED" in result.stdout
        assert said in result.stdout
        assert not json.loads(block("check", f"demo-login/{user}", "-o", "json", code=1).stdout)[-1]["ok"]


def test_a_type_that_checks_nothing_says_so(block: Any, saved: None) -> None:
    result = block("check", "demo-store/raw")
    assert (result.stdout, "checks nothing more" in result.stderr) == ("", True)


def test_delete_refuses_a_block_in_use_unless_forced(block: Any, saved: None) -> None:
    result = block("delete", "demo-login/prod", "--yes", code=1)
    assert "is used by demo-store/raw" in result.stderr
    assert block("delete", "demo-login/prod", "--force", "--yes").stdout == "Deleted demo-login/prod.\n"
    shown = json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)
    assert shown["references"]["login"].endswith("(deleted)")
    assert block("delete", "demo-store/raw", "--yes").stdout == "Deleted demo-store/raw.\n"
    block("delete", "demo-store/raw", "--yes", code=1)


def test_delete_refuses_where_there_is_nobody_to_ask(block: Any, saved: None) -> None:
    for words in (("demo-store/raw",), ("demo-store/raw", "--force")):
        assert "Give --yes." in block("delete", *words, stdin="y\n", code=2).stderr
    block("inspect", "demo-store/raw")


@pytest.mark.parametrize("command", ["inspect", "check", "delete"])
def test_a_block_that_is_not_there_is_an_error(block: Any, saved: None, command: str) -> None:
    assert "did you mean 'demo-login/prod'" in block(command, "demo-login/prot", code=1).stderr
    assert "write it as slug/name" in block(command, "prod", code=1).stderr
    assert "is no name" in block(command, "demo-login/../x", code=1).stderr


@pytest.mark.parametrize("command", ["inspect", "check", "delete"])
def test_a_block_of_an_unknown_type_is_an_error_that_names_the_type_that_was_meant(
    block: Any, command: str
) -> None:
    assert "(did you mean 'demo-login'?)" in block(command, "demo-lgin/prod", code=1).stderr


@pytest.mark.parametrize(
    ("answer", "code", "gone"), [(b"n\n", 1, False), (b"y\n", 0, True), (b"\x03", 130, False)]
)
def test_delete_asks_a_person_first(
    block: Any, saved: None, terminal: Any, answer: bytes, code: int, gone: bool
) -> None:
    found, shown = terminal("delete", "demo-store/raw", question="[y/N]: ", answer=answer)
    assert found == code, shown
    assert "Traceback" not in shown
    block("inspect", "demo-store/raw", code=1 if gone else 0)


def test_delete_does_not_ask_where_it_is_told_not_to(block: Any, saved: None, terminal: Any) -> None:
    found, shown = terminal("delete", "demo-store/raw", "--yes", question="[y/N]: ", answer=b"n\n")
    assert (found, shown) == (0, "Deleted demo-store/raw.\r\n")
