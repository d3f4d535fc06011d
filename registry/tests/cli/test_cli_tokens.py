"""`block token create`, `ls`, `inspect` and `revoke`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks_registry.access import Access, open_access
from blocks_registry.errors import TokenRevoked


@pytest.fixture
def access(home: Path) -> Iterator[Access]:
    access = open_access()
    yield access
    access.close()


def test_a_token_is_shown_once_and_lets_its_holder_in(block: Any, access: Access, home: Path) -> None:
    made = block(
        "token", "create", "ci", "--role", "runner", "--allow", "s3/*", "--allow", "secret/prod-mail"
    )
    token = made.stdout.strip()
    assert re.fullmatch(r"blk_[A-Za-z0-9_-]{43}", token)
    assert "The token 'ci' is for a runner and s3/*, secret/prod-mail, until 20" in made.stderr
    assert access.authenticator.holder_of_token(token).reach.names("s3", "raw")
    for words in (("ls",), ("ls", "--all", "-o", "json"), ("inspect", "ci"), ("inspect", "ci", "-o", "json")):
        assert token not in block("token", *words).output
    assert token not in block("audit", "ls", "-o", "json").output
    assert all(token.encode() not in file.read_bytes() for file in home.glob("blocks.db*"))


def test_a_token_ends_after_ninety_days_unless_told(block: Any) -> None:
    for name, words in (
        ("a", ()),
        ("b", ("--expires", "12h")),
        ("c", ("--expires", "never")),
        ("d", ("--expires", "2990-01-31")),
    ):
        block("token", "create", name, "--role", "viewer", *words)
    rows = {row["name"]: row for row in json.loads(block("token", "ls", "-o", "json").stdout)}
    assert rows["c"]["expires_at"] is None
    assert rows["d"]["expires_at"].startswith("2990-01-3")
    assert rows["b"]["expires_at"] < rows["a"]["expires_at"]


@pytest.mark.parametrize("when", ["", "x", "0d", "-1d", "1w", "99999999d", "\u0661d", "2020-01-01", "90 d"])
def test_a_time_that_is_none_is_refused(block: Any, when: str) -> None:
    done = block("token", "create", "ci", "--role", "viewer", f"--expires={when}", code=None)
    assert done.exit_code in (1, 2)
    assert "This was not foreseen" not in done.output
    assert json.loads(block("token", "ls", "--all", "-o", "json").stdout) == []


def test_a_token_in_a_file_is_not_shown(block: Any, access: Access, tmp_path: Path) -> None:
    file = tmp_path / "agent-token"
    made = block("token", "create", "agent", "--role", "runner", "--to", str(file))
    token = file.read_text().strip()
    assert token not in made.output
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert access.authenticator.holder_of_token(token).name == "agent"
    refused = block("token", "create", "other", "--role", "runner", "--to", str(file), code=1)
    assert "is there already, so there is no token" in refused.stderr
    assert [token.name for token in access.tokens.all()] == ["agent"]
    record = block("token", "create", "third", "--role", "runner", "--to", str(tmp_path / "3"), "-o", "json")
    assert set(json.loads(record.stdout)) >= {"id", "name", "written_to"}
    assert "token" not in json.loads(record.stdout)


def test_a_runner_whose_list_lacks_what_its_blocks_hold_is_told(block: Any, planted_secret: str) -> None:
    block("create", "demo-login", "prod", "--set", "user=ann", "--secret", "password", stdin=planted_secret)
    for number in range(7):
        block("create", "demo-store", f"raw{number}", "--set", "bucket=raw", "--set", "login=demo-login/prod")
    words = ("--role", "runner", "--allow", "demo-store/*")
    said = block("token", "create", "a", *words).stderr
    assert "It cannot load demo-store/raw0, which holds demo-login/prod: add --allow demo-login/prod" in said
    assert "Nor 2 others" in said
    assert "cannot load" not in block("token", "create", "b", *words, "--allow", "demo-login/prod").stderr
    assert "cannot load" not in block("token", "create", "c", "--role", "runner").stderr


def test_a_program_gets_the_token_as_json(block: Any, access: Access) -> None:
    record = json.loads(block("token", "create", "ci", "--role", "editor", "-o", "json").stdout)
    assert access.authenticator.holder_of_token(record["token"]).name == "ci"
    assert (record["role"], record["allow"], record["state"]) == ("editor", ["*"], "active")


def test_a_token_is_taken_back(block: Any, access: Access) -> None:
    token = block("token", "create", "ci", "--role", "editor").stdout.strip()
    assert access.authenticator.holder_of_token(token).name == "ci"
    assert "Give --yes" in block("token", "revoke", "ci", code=2).stderr
    assert block("token", "revoke", "ci", "--yes").stdout == "Revoked the token ci.\n"
    access.authenticator.forget()
    with pytest.raises(TokenRevoked):
        access.authenticator.holder_of_token(token)
    assert "was revoked before" in block("token", "revoke", "ci").stdout
    assert "There are no tokens" in block("token", "ls").stderr
    assert [line.split()[:4] for line in block("token", "ls", "--all").stdout.splitlines()[1:]] == [
        ["ci", "editor", "*", "revoked"]
    ]


def test_what_cannot_be_is_refused_with_the_remedy(block: Any) -> None:
    block("token", "create", "production", "--role", "editor")
    for words, said in (
        (("create", "production", "--role", "viewer"), "block token revoke production"),
        (("create", "root", "--role", "admin", "--allow", "s3/*"), "would bind nobody"),
        (("create", "x", "--role", "viewer", "--allow", "s3"), "no pattern of addresses"),
        (("create", "x y", "--role", "viewer"), "is named by"),
        (("inspect", "producton"), "did you mean 'production'"),
        (("revoke", "nobody"), "There is no token 'nobody'"),
    ):
        assert said in block("token", *words, code=1).stderr
    assert "Missing option '--role'" in block("token", "create", "x", code=2).stderr


def test_a_token_given_as_a_name_is_not_repeated(block: Any) -> None:
    token = block("token", "create", "ci", "--role", "editor").stdout.strip()
    for word in ("inspect", "revoke"):
        assert token not in block("token", word, token, code=1).output


def test_a_question_is_asked_on_a_terminal(terminal: Any, block: Any, home: Path) -> None:
    block("token", "create", "ci", "--role", "editor")
    code, shown = terminal("token", "revoke", "ci", question="Revoke it?", answer=b"n\n")
    assert (code, "Nothing was changed" in shown) == (1, True)
    code, shown = terminal("token", "revoke", "ci", question="Revoke it?", answer=b"y\n")
    assert (code, "Revoked the token ci." in shown) == (0, True)


def test_the_help_of_each_command_teaches_with_examples(block: Any) -> None:
    assert "token" in block("--help").stdout
    for words in ((), ("create",), ("ls",), ("inspect",), ("revoke",)):
        shown = block("token", *words, "--help").stdout
        assert "Examples:" in shown
        assert "..." not in shown.partition("Commands:")[2].partition("Examples:")[0]
