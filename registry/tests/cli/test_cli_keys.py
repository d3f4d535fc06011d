"""`block keys status`, `add`, `promote`, `rewrap` and `retire`."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def saved(block: Any, planted_secret: str) -> None:
    """Three blocks with a secret."""
    for name in ("one", "two", "three"):
        words = ("create", "demo-login", name, "--set", f"user={name}", "--secret", "password")
        block(*words, stdin=planted_secret)


@pytest.fixture
def keys(block: Any, home: Path) -> Callable[..., Any]:
    """Runs `block keys`; no key of the key file may be in what it prints."""

    def run(*words: str, code: int = 0, **options: Any) -> Any:
        before = key_forms(home / "keys.json")
        done = block("keys", *words, code=code, **options)
        for form in before | key_forms(home / "keys.json"):
            assert form not in done.output
        return done

    return run


def key_forms(file: Path) -> set[str]:
    found = [key["key"] for key in json.loads(file.read_text())["keys"]] if file.exists() else []
    return {form for text in found for form in (text, b64decode(text).hex(), repr(b64decode(text))[2:-1])}


def record(done: Any) -> Any:
    return json.loads(done.stdout)


def states(keys: Any) -> dict[str, tuple[str, int]]:
    return {
        key["id"]: (key["state"], key["sealed_versions"])
        for key in record(keys("status", "-o", "json"))["keys"]
    }


def primary(keys: Any) -> str:
    return next(key["id"] for key in record(keys("status", "-o", "json"))["keys"] if key["primary"])


def test_the_four_steps_say_what_was_done_and_what_is_next(keys: Any, saved: None) -> None:
    first = primary(keys)
    assert 'begin with "block keys add"' in keys("status").stderr
    added = keys("add")
    new = added.stdout.split()[-1].rstrip(".")
    assert "Once every process that uses this registry has it" in added.stderr
    assert states(keys) == {first: ("primary", 3), new: ("ready", 0)}
    promoted = keys("promote")
    assert promoted.stdout == f"The key {new} is primary now, in place of {first}.\n"
    assert "block keys rewrap" in promoted.stderr
    assert "3 versions" in keys("status").stderr
    rewrapped = keys("rewrap", "--batch", "1")
    assert rewrapped.stdout == f"Versions wrapped with the primary key {new}: 3; left: 0.\n"
    assert "3 of 3" in rewrapped.stderr
    assert f"block keys retire {first}" in keys("status").stderr
    assert keys("retire", first, "--yes").stdout == f"Retired the key {first}.\n"
    assert "was retired before" in keys("retire", first, "--yes").stdout
    lines = keys("status").stdout.splitlines()
    assert lines[0].split()[:3] == ["Key", "State", "Created"]
    assert [line.split()[:2] for line in lines[1:]] == [[first, "retired"], [new, "primary"]]


def test_every_step_has_a_record_for_programs(keys: Any, saved: None) -> None:
    first = primary(keys)
    added = record(keys("add", "-o", "json"))
    assert added == {"key": added["key"], "primary": False, "written_to": None}
    promoted = record(keys("promote", added["key"], "-o", "json"))
    assert promoted == {"key": added["key"], "before": first, "written_to": None}
    assert record(keys("rewrap", "-o", "json")) == {
        "key": added["key"], "rewrapped": 3, "audit_key": True, "left": 0, "problems": [],
    }  # fmt: skip
    assert record(keys("retire", first, "--yes", "-o", "json")) == {
        "key": first, "marked": True, "removed": True, "written_to": None,
    }  # fmt: skip
    status = record(keys("status", "-o", "json"))
    assert sorted(status) == ["keys", "next", "origin", "problem"]
    assert "keys.json" in status["origin"]


def test_the_help_teaches_the_steps_and_why_no_word_does_them_all(block: Any) -> None:
    shown = block("keys", "--help").stdout
    steps = [shown.index(f"block keys {word} ") for word in ("add", "promote", "rewrap", "retire")]
    assert steps == sorted(steps)
    assert "No command does all four" in shown
    assert "No such command 'rotate'" in block("keys", "rotate", code=2).stderr
    for word in ("add", "promote", "rewrap", "retire", "status"):
        assert "Examples:" in block("keys", word, "--help").stdout


@pytest.mark.parametrize("word", ["promote", "rewrap"])
def test_a_home_without_keys_is_not_told_to_restore_them(block: Any, word: str) -> None:
    said = block("keys", word, code=1).stderr
    assert "There are no keys yet" in said
    assert "backup" not in said


def test_a_key_that_is_needed_is_not_retired(keys: Any, saved: None) -> None:
    first = primary(keys)
    assert "is the primary one" in keys("retire", first, "--yes", code=1).stderr
    keys("add")
    keys("promote")
    assert (
        "still seals 3 versions of 3 blocks and the key of the audit"
        in keys("retire", first, "--yes", code=1).stderr
    )
    assert "There is no key 'k-gone'" in keys("retire", "k-gone", "--yes", code=1).stderr
    assert states(keys)[first] == ("former", 3)


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1)])
def test_retiring_asks_first_and_says_what_backups_need(
    keys: Any, saved: None, terminal: Any, answer: bytes, code: int
) -> None:
    first = primary(keys)
    keys("add")
    keys("promote")
    keys("rewrap")
    assert "Give --yes" in keys("retire", first, code=2).stderr
    found, shown = terminal("keys", "retire", first, question="[y/N]: ", answer=answer)
    assert found == code
    assert "Backups of the database from before now" in " ".join(shown.split())
    assert states(keys)[first][0] == ("retired" if code == 0 else "former")


def test_a_terminal_shows_a_bar(keys: Any, saved: None, terminal: Any) -> None:
    keys("add")
    keys("promote")
    found, shown = terminal("keys", "rewrap", question="left: 0", answer=b"")
    assert found == 0
    assert "3/3" in shown


def test_a_lost_key_is_flagged_and_the_exit_code_says_so(keys: Any, saved: None, home: Path) -> None:
    first = primary(keys)
    keys("add")
    text = json.loads((home / "keys.json").read_text())
    text["keys"] = text["keys"][1:]
    text["primary"] = text["keys"][0]["id"]
    (home / "keys.json").write_text(json.dumps(text))
    status = keys("status", code=1)
    assert "lost: the keyring lacks it" in status.stdout
    assert f"'{first}': the keyring lacks it, and 3 versions" in status.stderr
    (home / "keys.json").unlink()
    assert "Restore it from a backup" in keys("status", code=1).stderr
    assert "Restore it from a backup" in keys("add", code=1).stderr
    assert not (home / "keys.json").exists()


def test_a_new_home_has_no_keys_and_that_is_well(keys: Any, home: Path) -> None:
    assert "There are no keys yet" in keys("status").stderr
    assert not (home / "keys.json").exists()
    assert "It is the first one" in keys("add").stderr
    assert "Nothing is left to do" in keys("status").stderr


def test_a_keyring_that_cannot_be_read_is_a_fault_before_anything_is_sealed(keys: Any, home: Path) -> None:
    keys("add")
    (home / "keys.json").chmod(0o644)
    assert "Run: chmod 600" in keys("status", code=1).stderr


def test_a_changed_keyring_is_written_to_a_private_file_and_the_one_in_use_stays(
    keys: Any, saved: None, home: Path, tmp_path: Path
) -> None:
    before, to = (home / "keys.json").read_text(), tmp_path / "new.json"
    done = keys("add", "--to", str(to))
    assert "delete the file" in done.stderr
    assert to.stat().st_mode & 0o777 == 0o600
    for form in key_forms(to):
        assert form not in done.output
    assert (home / "keys.json").read_text() == before
    assert len(json.loads(to.read_text())["keys"]) == 2
    assert "cannot be made (File exists)" in keys("add", "--to", str(to), code=2).stderr
    assert len(json.loads(to.read_text())["keys"]) == 2
    missing = tmp_path / "missing.json"
    keys("promote", "k-gone", "--to", str(missing), code=1)
    assert not missing.exists()


def test_keys_are_shown_only_where_that_is_asked_for(block: Any, saved: None, home: Path) -> None:
    done = block("keys", "add", "--show")
    shown = json.loads(done.stdout)
    assert len(shown["keys"]) == 2
    assert all(key["key"] not in done.stderr for key in shown["keys"])
    assert len(json.loads((home / "keys.json").read_text())["keys"]) == 1
    assert "not both" in block("keys", "add", "--show", "-o", "json", code=2).stderr
    assert "not both" in block("keys", "add", "--show", "--to", "x", code=2).stderr


def test_keys_in_a_variable_are_changed_by_a_new_text(
    block: Any, planted_secret: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole rotation of a container's keys, from the first key on."""
    monkeypatch.setenv("BLOCKS_KEYS", "env:CONTAINER_KEYS")
    monkeypatch.delenv("CONTAINER_KEYS", raising=False)
    words = ("create", "demo-login", "one", "--set", "user=me", "--secret", "password")
    assert "--to FILE" in block(*words, stdin=planted_secret, code=1).stderr
    numbers = iter(range(10))

    def change(*step: str) -> None:
        to = tmp_path / f"{next(numbers)}.json"
        assert "--to FILE" in block("keys", *step, code=1).stderr
        block("keys", *step, "--to", str(to))
        monkeypatch.setenv("CONTAINER_KEYS", to.read_text())

    change("add")
    block(*words, stdin=planted_secret)
    first = primary(lambda *found: block("keys", *found))
    change("add")
    change("promote")
    block("keys", "rewrap")
    change("retire", first, "--yes")
    found = json.loads(block("keys", "status", "-o", "json").stdout)
    assert [(key["state"], key["sealed_versions"]) for key in found["keys"]] == [
        ("retired", 0),
        ("primary", 1),
    ]
    assert found["origin"] == "the environment variable CONTAINER_KEYS"
    assert not (home / "keys.json").exists()
    assert block("audit", "verify").stdout.startswith("All ")


def test_an_unknown_key_provider_is_an_error_that_lists_those_installed(
    block: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_KEYS", "nowhere:x")
    assert "No key provider 'nowhere' is installed: there are" in block("keys", "status", code=1).stderr
    assert "No key provider 'nowhere' is installed" in block("ls", code=1).stderr
