"""`block history`, `diff`, `restore` and `rename`."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest


@pytest.fixture
def saved(block: Any, planted_secret: str) -> None:
    """A login that was saved three times, and a store that holds it."""
    for user in ("ann", "bob"):
        block(
            "create", "demo-login", "prod", "--set", f"user={user}", "--secret", "password", "--overwrite",
            stdin=planted_secret,
        )  # fmt: skip
    block(
        "create", "demo-login", "prod", "--set", "user=bob", "--secret", "password", "--overwrite",
        stdin="other-s3cret",
    )  # fmt: skip
    block("create", "demo-store", "raw", "--set", "bucket=raw", "--set", "login=demo-login/prod")


def test_the_history_has_a_line_for_each_save(block: Any, saved: None) -> None:
    rows = json.loads(block("history", "demo-login/prod", "-o", "json").stdout)
    assert [row["version"] for row in rows] == [3, 2, 1]
    assert {row["action"] for row in rows} == {"saved"}
    assert all("@" in row["saved_by"] for row in rows)
    assert len(block("history", "demo-login/prod").stdout.splitlines()) == 4
    assert "did you mean 'demo-login/prod'" in block("history", "demo-login/prodd", code=1).stderr


def test_a_difference_names_fields_and_hides_secrets(block: Any, saved: None, planted_secret: str) -> None:
    assert [line.split() for line in block("diff", "demo-login/prod", "1", "2").stdout.splitlines()[1:]] == [
        ["user", "changed", '"ann"', "->", '"bob"']
    ]
    newest = block("diff", "demo-login/prod")
    assert [line.split() for line in newest.stdout.splitlines()[1:]] == [
        ["password", "changed", "**********"]
    ]
    shown = block("diff", "demo-login/prod", "1", "-o", "json").stdout
    assert {change["path"] for change in json.loads(shown)["changes"]} == {"user", "password"}
    for text in (newest.stdout, shown):
        assert planted_secret not in text
        assert "other-s3cret" not in text
    assert "do not differ" in block("diff", "demo-login/prod", "2", "2").stderr
    assert "has no version 9" in block("diff", "demo-login/prod", "9", code=1).stderr
    assert "only one version" in block("diff", "demo-store/raw", code=2).stderr


def test_a_save_is_undone_and_the_undoing_too(block: Any, saved: None) -> None:
    def user() -> str:
        return json.loads(block("inspect", "demo-login/prod", "-o", "json").stdout)["fields"]["user"]

    assert "Give --yes" in block("restore", "demo-login/prod", "1", code=2).stderr
    assert "as version 4" in block("restore", "demo-login/prod", "1", "--yes").stdout
    assert user() == "ann"
    assert (
        json.loads(block("history", "demo-login/prod", "-o", "json").stdout)[0]["action"] == "restored from 1"
    )
    assert json.loads(block("restore", "demo-login/prod", "-y", "-o", "json").stdout)["version"] == 5
    assert user() == "bob"
    assert "Nothing was changed" in block("restore", "demo-login/prod", "3").stderr


def test_a_renamed_block_is_held_on_and_its_old_name_is_free(block: Any, saved: None) -> None:
    assert block("check", "demo-store/raw")
    renamed = block("rename", "demo-login/prod", "demo-login/main")
    assert renamed.stdout == "Renamed demo-login/prod to demo-login/main.\n"
    assert "It was loaded by process" in renamed.stderr
    fields = json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)["fields"]
    assert fields["login"] == "demo-login/main"
    assert "did you mean" in block("inspect", "demo-login/mian", code=1).stderr
    assert "of another type" in block("rename", "demo-login/main", "demo-store/x", code=1).stderr
    assert (
        json.loads(block("rename", "demo-login/main", "prod", "-o", "json").stdout)["was"]
        == "demo-login/main"
    )


def test_the_last_uses_of_a_block_are_shown(block: Any, saved: None) -> None:
    assert json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)["usages"] == []
    block("check", "demo-store/raw")
    block("check", "demo-store/raw")
    (usage,) = json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)["usages"]
    assert (usage["uses"], usage["version"]) == (2, 1)
    (usage,) = json.loads(block("inspect", "demo-login/prod", "-o", "json").stdout)["usages"]
    assert (usage["uses"], usage["version"]) == (3, 3)  # once when it was put into the store
    assert "version 3, 3 times" in block("inspect", "demo-login/prod").stdout
    row = next(row for row in json.loads(block("ls", "-o", "json").stdout) if row["name"] == "prod")
    assert row["last_used_at"] == usage["last_used_at"]


def test_the_audit_says_who_did_what_and_verifies(block: Any, saved: None, planted_secret: str) -> None:
    rows = json.loads(block("audit", "ls", "demo-login/prod", "-o", "json").stdout)
    assert [(row["action"], row["detail"]["version"]) for row in rows] == [
        ("block.saved", 3),
        ("block.saved", 2),
        ("block.saved", 1),
    ]
    assert all("@" in row["actor"]["user"] for row in rows)
    shown = block("audit", "ls", "-n", "2")
    assert len(shown.stdout.splitlines()) == 3
    assert "block audit ls --before" in shown.stderr
    user = rows[0]["actor"]["user"]
    shown = block("audit", "ls", "demo-login/prod", "--by", user, "--action", "block.saved", "-n", "1")
    assert len(shown.stdout.splitlines()) == 2
    more = shlex.split(shown.stderr.partition('"')[2].rpartition('"')[0])
    assert more[:4] == ["block", "audit", "ls", "demo-login/prod"]
    assert len(json.loads(block(*more[1:], "-o", "json").stdout)) == 2
    assert json.loads(block("audit", "ls", "--by", user, "--action", "block.read", "-o", "json").stdout) == []
    report = json.loads(block("audit", "verify", "-o", "json").stdout)
    assert report["problems"] == []
    assert "as they were written" in block("audit", "verify", "--head", report["head"]).stdout
    wrong = block("audit", "verify", "--head", "1:abc", code=1)
    assert "Row 1 is not the one that was the head" in wrong.stdout
    assert planted_secret not in block("audit", "ls").stdout


def test_blocks_are_listed_by_their_labels(block: Any, saved: None) -> None:
    assert block("ls", "-l", "team=data", "-o", "json").stdout.strip() == "[]"
    assert "labelled team=data" in block("ls", "-l", "team=data").stderr
    assert "KEY=VALUE" in block("ls", "-l", "team", code=2).stderr
