"""`block apply`, `export` and `edit` on the command line, with a plugin of their own."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import Result

from blocks_core.errors import VersionConflict
from blocks_core.library import Library
from blocks_registry.declaring import carry_out, make_plan, read_declared
from blocks_registry.errors import DeclarationInvalid
from blocks_registry.opening import open_library

Run = Callable[..., Result]

BASE = """
block: demo-store/raw
labels: {team: data}
fields:
  bucket: raw
  login: demo-login/prod
  logins: [demo-login/prod, {user: inside, password: {ref: env:INSIDE}}]
  headers: {X-Key: {value: header}}
  blob: {value: AP8=}
  raw: AP8=
---
block: demo-login/prod
labels: {team: data}
fields:
  user: me
  password: {ref: env:DEMO_PASSWORD}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a file and gives its path."""

    def make(text: str, name: str = "blocks.yaml") -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), "utf-8")
        return str(file)

    return make


def record(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout)


@contextmanager
def opened() -> Iterator[Library]:
    """A library on the home of the test."""
    with closing(open_library()) as library:
        yield library


def saved(block: Run) -> list[str]:
    return [row["address"] for row in json.loads(block("ls", "-o", "json").stdout)]


def test_a_set_of_blocks_that_hold_each_other_is_applied_and_then_nothing_is_left_to_do(
    block: Run, write: Callable[..., str]
) -> None:
    file = write(BASE)
    first = block("apply", "-f", file, "--yes")
    assert "+ demo-store/raw: new" in first.stdout
    assert "Applied: 2 new, 0 changed, 0 deleted." in first.stdout
    assert "holds secrets in clear (demo-store/raw, headers.X-Key; demo-store/raw, blob)" in first.stderr
    again = block("apply", "-f", file)
    assert again.stdout == "Nothing to change: 2 blocks are as declared.\n"
    inspected = json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)
    assert inspected["version"] == 1
    assert inspected["labels"] == {"team": "data"}
    assert inspected["references"] == {"login": "demo-login/prod", "logins.0": "demo-login/prod"}
    assert json.loads(block("history", "demo-store/raw", "-o", "json").stdout)[0]["action"] == "applied"


def test_a_plan_tells_what_would_change_and_writes_nothing(block: Run, write: Callable[..., str]) -> None:
    file = write(BASE)
    assert (
        "Plan: 2 new, 0 changed, 0 deleted, 0 unchanged."
        in block("apply", "-f", file, "--plan", code=3).stdout
    )
    assert saved(block) == []
    block("apply", "-f", file, "-y")
    assert block("apply", "-f", file, "--plan", code=0).stdout.startswith("Nothing to change")
    write(
        BASE.replace("bucket: raw", "bucket: cooked\n  retries: 5").replace("value: header", "value: other")
    )
    changed = block("apply", "-f", file, "--plan", code=3).stdout
    assert changed == dedent(
        """\
        ~ demo-store/raw: changed, version 1 -> 2
            bucket: changed, "raw" -> "cooked"
            headers.X-Key: changed, **********
            retries: changed, 3 -> 5
        Plan: 0 new, 1 changed, 0 deleted, 1 unchanged.
        """
    )
    plan = record(block("apply", "-f", file, "--plan", "-o", "json", code=3))
    assert (plan["changes"], plan["applied"], plan["changed"], plan["unchanged"]) == (True, False, 1, 1)
    assert plan["blocks"][0]["changes"][1] == {
        "path": "headers.X-Key",
        "change": "changed",
        "secret": True,
        "before": None,
        "after": None,
    }
    assert "other" not in json.dumps(plan)


def test_a_planted_secret_shows_nowhere(
    block: Run, write: Callable[..., str], planted_secret: str, home: Path
) -> None:
    text = f"""
    block: demo-login/a
    fields: {{user: a, password: {json.dumps(planted_secret)}}}
    ---
    block: demo-store/a
    fields: {{bucket: a, headers: {{leaky: {{value: {json.dumps(planted_secret)}}}}}, retries: x}}
    ---
    block: demo-store/b
    fields: {{bucket: a, headers: {{refused: {json.dumps(planted_secret)}}}, pin: {json.dumps(planted_secret)}}}
    """
    failed = block(
        "apply", "-f", write(text), "-y", code=1
    )  # the fixture looks for it in all that is printed
    assert "its class raised RuntimeError" in failed.stderr
    assert saved(block) == []
    good = write(text.partition("---")[0])
    block("apply", "-f", good, "-y")
    block("apply", "-f", good, "-y", "-o", "json")
    block("export")
    assert not [file for file in home.iterdir() if planted_secret.encode() in file.read_bytes()]


def test_all_problems_of_all_documents_are_told_with_their_places_and_nothing_is_stored(
    block: Run, write: Callable[..., str]
) -> None:
    file = write(
        """\
        block: demo-store/a
        fields:
          bucket: 5
          bukket: x
          login: demo-login/nobody
          ratio: many
          servers:
            - {host: h, port: eighty}
        ---
        block: demo-store/\u0430
        ---
        block: demo-login/b
        fields: {user: b, password: {secret: keep}}
        ---
        block: nothing/c
        ---
        block: demo-login/d
        felds: {}
        labels: {Team: data, n: 1}
        kinds: {user: dat, password.x: date}
        ---
        block: demo-store/d
        fields: {bucket: d, login: demo-login/d, retries: none}
        ---
        just a text
        ---
        block: demo-login/b
        """
    )
    lines = block("apply", "-f", file, "-y", code=1).stderr.replace(file, "F").splitlines()
    starts = [
        "F:3:3: demo-store/a, bucket: input should be a valid string.",
        "F:4:3: demo-store/a, bukket: there is no such field (did you mean 'bucket'?).",
        "F:5:3: demo-store/a, login: no block 'demo-login/nobody' is saved or declared",
        "F:6:3: demo-store/a, ratio: input should be a valid number",
        "F:8:17: demo-store/a, servers.0.port: input should be a valid integer",
        "F:10:1: 'demo-store/\\u0430' is no address of a block: it has the character '\\u0430' (CYRILLIC SMALL LETTER A)",
        "F:13:19: demo-login/b, password: there is no secret to keep, as the block is not saved yet. Write {ref:",
        "F:15:1: nothing/c: No block type 'nothing' is installed",
        "F:18:1: demo-login/d: a declaration has no 'felds' (did you mean 'fields'?)",
        "F:19:10: demo-login/d: 'Team=data' is no label",
        "F:19:22: demo-login/d: the label 'n' takes a text",
        "F:20:9: demo-login/d: 'dat' is no kind of a value (did you mean 'date'?)",
        "F:23:42: demo-store/d, retries: input should be a valid integer",
        "F:25:1: a declaration is a mapping that names its block",
        "F:27:1: demo-login/b: the block is declared in F:12 already",
        "Error: 15 problems in what is declared. Nothing was changed.",
    ]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert saved(block) == []


def test_references_between_declared_blocks_work_in_any_order_and_circles_are_refused(
    block: Run, write: Callable[..., str]
) -> None:
    chain = [
        f"block: demo-store/s{n}\nfields: {{bucket: b, free: demo-store/s{n + 1}}}\nkinds: {{free: block}}"
        for n in range(30)
    ]
    last = "block: demo-store/s30\nfields: {bucket: b}"
    block("apply", "-f", write("\n---\n".join([*chain, last])), "-y")
    assert len(saved(block)) == 31
    circle = [*chain[:3], chain[3].replace("/s4", "/s1")]
    failed = block("apply", "-f", write("\n---\n".join([*circle, *chain[4:], last])), "-y", code=1)
    assert "blocks hold each other in a circle: demo-store/s" in failed.stderr
    assert json.loads(block("inspect", "demo-store/s3", "-o", "json").stdout)["version"] == 1
    own = write("block: demo-store/own\nfields: {bucket: b, free: demo-store/own}\nkinds: {free: block}")
    assert "in a circle: demo-store/own in demo-store/own" in block("apply", "-f", own, "-y", code=1).stderr
    through = write("block: demo-store/s30\nfields: {bucket: b, free: demo-store/s29}\nkinds: {free: block}")
    assert "would hold itself" in block("apply", "-f", through, "-y", code=1).stderr


def test_a_secret_is_kept_named_or_given(
    block: Run, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("block: demo-login/a\nfields: {user: a, password: {value: first}}")
    block("apply", "-f", file, "-y")
    write("block: demo-login/a\nfields: {user: b, password: {secret: keep}}")
    kept = block("apply", "-f", file, "-y")
    assert "user" in kept.stdout
    assert "password" not in kept.stdout
    assert "in clear" not in kept.stderr
    with opened() as library:
        assert library.registry.load("demo-login", "a").root.content.secrets["/password"].data == "first"
    write("block: demo-login/a\nfields: {user: b, password: {ref: env:NOT_SET_HERE}}")
    assert "password: changed, **********" in block("apply", "-f", file, "-y").stdout
    write("block: demo-login/a\nfields: {user: c, password: {secret: keep}}")
    assert "password" not in block("apply", "-f", file, "-y").stdout
    assert "password: {ref: env:NOT_SET_HERE}" in block("export").stdout
    for wrong, words in (
        ("{secret: drop}", 'takes the word "keep"'),
        ("{ref: 5}", "secret reference"),
        ("{ref: hunter2}", "is none. Write env:NAME"),
        ("{value: a, ref: env:X}", "is a secret. Write its text"),
        ("{a: b}", "is a secret. Write its text"),
    ):
        write(f"block: demo-login/a\nfields: {{user: c, password: {wrong}}}")
        failed = block("apply", "-f", file, "-y", code=1)
        assert words in failed.stderr
        assert "hunter2" not in failed.stderr


OVERLAY = """
block: demo-store/raw
labels: {tier: prod}
fields:
  bucket: prod-raw
  headers: {X-Key: {ref: env:PROD_KEY}, X-More: {value: more}}
  logins: [demo-login/prod]
  raw: null
---
block: demo-login/prod
labels: {team: null}
"""


def test_overlays_change_what_is_declared_in_their_order(block: Run, write: Callable[..., str]) -> None:
    base, prod = write(BASE), write(OVERLAY, "prod/all.yaml")
    last = write("block: demo-store/raw\nfields: {bucket: last}", "last.yaml")
    block("apply", "-f", base, "--overlay", str(Path(prod).parent), "--overlay", last, "-y")
    found = json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)
    assert found["fields"]["bucket"] == "last"
    assert found["labels"] == {"team": "data", "tier": "prod"}
    assert found["fields"]["raw"] is None
    assert found["fields"]["logins"] == ["demo-login/prod"]
    assert sorted(path for path in found["secrets"] if path.startswith("headers")) == ["headers.X-More"]
    assert "X-Key: {ref: env:PROD_KEY}" in block("export", "demo-store/raw").stdout
    assert json.loads(block("inspect", "demo-login/prod", "-o", "json").stdout)["labels"] == {}
    again = block("apply", "-f", base, "--overlay", prod, "--overlay", last)
    assert "Nothing to change" in again.stdout


def test_an_overlay_of_a_block_that_nobody_declares_is_a_problem(
    block: Run, write: Callable[..., str]
) -> None:
    base, other = write(BASE), write("block: demo-store/rwa\nfields: {bucket: x}", "other.yaml")
    failed = block("apply", "-f", base, "--overlay", other, "-y", code=1)
    assert f"{other}:1:1: demo-store/rwa: no file given with -f declares this block" in failed.stderr
    assert "did you mean 'demo-store/raw'?" in failed.stderr
    assert saved(block) == []


def test_pruning_deletes_what_has_the_label_and_is_not_declared(
    block: Run, write: Callable[..., str]
) -> None:
    file = write(BASE)
    block("apply", "-f", file, "-y")
    block("apply", "-f", write("block: demo-login/mine\nfields: {user: m, password: x}", "mine.yaml"), "-y")
    more = write(
        "block: demo-store/more\nlabels: {team: data}\nfields: {bucket: m, login: demo-login/prod}",
        "more.yaml",
    )
    block("apply", "-f", more, "-y")
    only = write(
        BASE.partition("---")[0]
        .replace("login: demo-login/prod", "login: null")
        .replace("[demo-login/prod, ", "[")
    )
    plan = block("apply", "-f", only, "--prune", "-l", "team=data", "--plan", code=3).stdout
    assert "- demo-login/prod: deleted with all its versions" in plan
    assert "- demo-store/more: deleted with all its versions" in plan
    assert len(saved(block)) == 4
    block("apply", "-f", only, "--prune", "-l", "team=data", "-y")
    assert saved(block) == ["demo-login/mine", "demo-store/raw"]
    assert "Nothing to change" in block("apply", "-f", only, "--prune", "-l", "team=data").stdout


def test_pruning_never_takes_a_block_from_others(block: Run, write: Callable[..., str]) -> None:
    block("apply", "-f", write(BASE), "-y")
    other = write("block: demo-store/other\nfields: {bucket: o, login: demo-login/prod}", "other.yaml")
    block("apply", "-f", other, "-y")
    only = write(BASE.partition("---")[0])  # it still holds the login
    failed = block("apply", "-f", only, "--prune", "-l", "team=data", "-y", code=1)
    assert "'demo-login/prod' is held by demo-store/other, demo-store/raw" in failed.stderr
    assert "Nothing was changed" in failed.stderr
    assert len(saved(block)) == 3


@pytest.mark.parametrize(
    "words",
    [
        ("-f", "x.yaml", "--prune"),
        ("-f", "x.yaml", "-l", "team=data"),
        ("-f", "x.yaml", "--prune", "-l", "team"),
        (),
    ],
)
def test_wrong_usage_is_refused(block: Run, words: tuple[str, ...]) -> None:
    block("apply", *words, code=2)


def test_without_a_terminal_it_needs_yes(block: Run, write: Callable[..., str]) -> None:
    assert "Give --yes" in block("apply", "-f", write(BASE), code=2).stderr
    assert saved(block) == []


def test_a_change_by_others_between_plan_and_write_is_refused(block: Run, write: Callable[..., str]) -> None:
    file = write(BASE)
    block("apply", "-f", file, "-y")
    with opened() as library:
        write(BASE.replace("bucket: raw", "bucket: mine"))
        plan = make_plan(library, read_declared([file]))
        write(
            BASE.replace("bucket: raw", "bucket: theirs")
            + "---\nblock: demo-login/new\nfields: {user: n, password: x}"
        )
        block("apply", "-f", file, "-y")
        with pytest.raises(VersionConflict, match="'demo-store/raw' was changed meanwhile"):
            carry_out(plan, library)
        write("block: demo-login/new2\nfields: {user: n, password: x}")
        plan = make_plan(library, read_declared([file]))
        block("apply", "-f", file, "-y")
        with pytest.raises(VersionConflict, match="a new block was expected"):
            carry_out(plan, library)


def test_what_was_pruned_meanwhile_changed_is_not_deleted(block: Run, write: Callable[..., str]) -> None:
    file = write(BASE)
    block("apply", "-f", file, "-y")
    with opened() as library:
        only = write("block: demo-login/other\nfields: {user: o, password: x}", "only.yaml")
        plan = make_plan(library, read_declared([only]), prune={"team": "data"})
        write(BASE.replace("bucket: raw", "bucket: theirs"))
        block("apply", "-f", file, "-y")
        with pytest.raises(VersionConflict):
            carry_out(plan, library)
    assert saved(block) == ["demo-login/prod", "demo-store/raw"]


def test_standard_input_folders_and_json_are_read(
    block: Run, tmp_path: Path, write: Callable[..., str]
) -> None:
    write("block: demo-login/b\nfields: {user: b, password: x}", "all/z/b.yml")
    write("block: demo-login/a\nfields: {user: a, password: x}", "all/a.yaml")
    write("not read: {", "all/readme.md")
    listed = [{"block": f"demo-login/j{n}", "fields": {"user": "j", "password": "x"}} for n in range(2)]
    file = write(json.dumps(listed), "list.json")
    stdin = "block: demo-login/in\nfields: {user: i, password: x}"
    block("apply", "-f", str(tmp_path / "all"), "-f", "-", "-f", file, "-y", stdin=stdin)
    assert saved(block) == [f"demo-login/{name}" for name in ("a", "b", "in", "j0", "j1")]
    failed = block("apply", "-f", str(tmp_path / "none"), "-f", "-", "-y", stdin=b"a: \xff", code=1)
    assert "none: the file cannot be read: No such file or directory" in failed.stderr
    assert "standard input:1:4: the file is not UTF-8 here" in failed.stderr
    tmp_path.joinpath("empty").mkdir()
    assert "has no files" in block("apply", "-f", str(tmp_path / "empty"), "-y", code=1).stderr


def test_a_field_that_takes_any_block_or_a_text_asks_what_is_meant(
    block: Run, write: Callable[..., str]
) -> None:
    file = write("block: demo-store/a\nfields: {bucket: a, anyone: {user: x, password: y}}")
    assert 'of which type is this credentials? Say so by its kind, such as "inline:s3"' in (
        block("apply", "-f", file, "-y", code=1).stderr
    )
    write(
        "block: demo-store/a\nfields: {bucket: a, anyone: {user: x, password: y}}\nkinds: {anyone: inline:demo-login}"
    )
    block("apply", "-f", file, "-y")
    assert "Nothing to change" in block("apply", "-f", file).stdout
    found = json.loads(block("inspect", "demo-store/a", "-o", "json").stdout)
    assert found["inline"] == {"anyone": "demo-login@1"}
    assert found["secrets"] == ["anyone.password"]


def test_kinds_are_checked(block: Run, write: Callable[..., str]) -> None:
    for kinds, words in (
        ("{free: date}", "the value is no 'date'"),
        ("{free: tuple}", "the value is no 'tuple'"),
        ("{free: bytes}", "the value is no 'bytes'"),
        ("{free: datetime@Nowhere/Land}", "the value is no 'datetime@Nowhere/Land'"),
        ("{free: datetime@../../etc/passwd}", "the value is no"),
        ("{free: keys:int}", "the value is no 'keys:int'"),
        ("{free: json}", "no text with JSON in it"),
        ("{deep: json}", "no text with JSON in it"),
        ("{twice: json}", "no text with JSON in it"),
        ("{large: json}", "no text with JSON in it"),
        ("{endless: json}", "no text with JSON in it"),
        ("{free: block}", "takes the address of a saved block"),
        ("{free: inline:demo-login}", "takes the fields of a block of the type"),
        ("{nothing: date}", "its kind 'date' is given, and the value is not"),
        ("{free.x: date}", "its kind 'date' is given, and the value is not"),
        ("{'': date}", "for the fields as a whole"),
        ("{free: 5}", "this is no kind"),
        ("{free: secretref:str}", "is no kind"),
        ("{free: 'block:00000000-0000-0000-0000-000000000000'}", "is no kind"),
        ("{free: date, /free: date}", "given twice"),
        ("[free]", "'kinds' takes a mapping"),
    ):
        texts = {
            "deep": "[" * 500 + "]" * 500,
            "twice": '{"a": 1, "a": 2}',
            "large": "1e999",
            "endless": "[" * 100_000,
        }
        fields = {"bucket": "a", "free": "some text", **texts}
        file = write(f"block: demo-store/a\nfields: {json.dumps(fields)}\nkinds: {kinds}")
        assert words in block("apply", "-f", file, "-y", code=1).stderr
    assert saved(block) == []


def test_a_type_that_is_installed_is_registered_and_one_that_is_not_is_named(
    block: Run, write: Callable[..., str], process: Callable[..., Any], demo: Path
) -> None:
    file = write(BASE)
    plan = record(block("apply", "-f", file, "--plan", "-o", "json", code=3))
    assert plan["types"] == ["demo-login", "demo-store"]
    assert json.loads(block("type", "ls", "-o", "json").stdout) == []
    done = record(block("apply", "-f", file, "-y", "-o", "json"))
    assert (done["applied"], done["blocks"][0]["version"]) == (True, 1)
    exported = process("export").stdout  # where the plugin is not installed, like the next
    assert "Nothing to change" in process("apply", "-f", "-", stdin=exported).stdout
    write(BASE.replace("bucket: raw", "bucket: other"))
    failed = process("apply", "-f", file, "-y", code=1).stderr
    assert "no plugin that is installed here has it. Install it: pip install demo-plugin" in failed


def test_an_export_to_files_is_what_apply_reads(
    block: Run, write: Callable[..., str], tmp_path: Path
) -> None:
    block("apply", "-f", write(BASE), "-y")
    folder = tmp_path / "out"
    assert "Exported 2 blocks" in block("export", "--to", f"{folder}/").stderr
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.yaml")) == [
        "demo-login/prod.yaml",
        "demo-store/raw.yaml",
    ]
    assert "Nothing to change: 2 blocks" in block("apply", "-f", str(folder)).stdout
    (folder / "demo-login" / "gone.yaml").write_text("")
    assert "gone.yaml" in block("export", "--to", str(folder)).stderr
    one = tmp_path / "one.yaml"
    block("export", "--to", str(one))
    assert one.read_text() == block("export").stdout
    assert block("export", "--type", "demo-login").stdout == block("export", "demo-login/prod").stdout
    assert block("export", "-l", "team=data").stdout == block("export").stdout
    assert "No block is saved" in block("export", "-l", "team=other").stderr
    block("export", "demo-login/prod", "--type", "demo-login", code=2)
    assert "did you mean 'demo-login/prod'" in block("export", "demo-login/prd", code=1).stderr
    assert "cannot be written" in block("export", "--to", f"{one}/x", code=1).stderr


def test_secrets_are_revealed_into_private_files_only_and_the_audit_tells(
    block: Run, write: Callable[..., str], tmp_path: Path
) -> None:
    block("apply", "-f", write(BASE), "-y")
    block("export", "--reveal-secrets", code=2)
    file = tmp_path / "backup.yaml"
    file.write_text("old")
    file.chmod(0o644)
    block("export", "--reveal-secrets", "--to", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "X-Key: {value: header}" in file.read_text()
    assert "password: {ref: env:DEMO_PASSWORD}" in file.read_text()
    assert "X-Key: {value: header}" in block("export", "--reveal-secrets", "--to", "-").stdout
    folder = tmp_path / "out"
    block("export", "--reveal-secrets", "--to", f"{folder}/")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.yaml")} == {0o600}
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "no file of its own" in block("export", "--reveal-secrets", "--to", str(pipe), code=1).stderr
    rows = [
        row
        for row in json.loads(block("audit", "ls", "-o", "json").stdout)
        if row["action"] == "block.revealed"
    ]
    assert {row["subject"] for row in rows} == {"demo-store/raw"}
    assert len(rows) >= 3
    assert not list(tmp_path.glob(".*"))


def test_an_export_that_fails_leaves_what_was_there(
    block: Run, write: Callable[..., str], tmp_path: Path, home: Path
) -> None:
    block("apply", "-f", write(BASE), "-y")
    file = tmp_path / "backup.yaml"
    file.write_text("old")
    (home / "keys.json").unlink()
    block("export", "--reveal-secrets", "--to", str(file), code=1)
    assert file.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes an editor of Python code that changes `text`; what it saw and the file's mode go to a file."""
    monkeypatch.delenv("VISUAL", raising=False)

    def make(code: str) -> Path:
        seen = tmp_path / "seen"
        script = tmp_path / "editor.py"
        script.write_text(
            "import os, sys\n"
            "path = sys.argv[1]\n"
            "text = open(path).read()\n"
            f"open({str(seen)!r}, 'w').write(f'{{os.stat(path).st_mode & 0o777:o}} {{path}}\\n{{text}}')\n"
            f"{code}\n"
            "open(path, 'w').write(text)\n"
        )
        monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
        return seen

    return make


def test_an_edit_shows_what_changes_and_writes_it(
    block: Run, write: Callable[..., str], editor: Callable[[str], Path]
) -> None:
    block("apply", "-f", write(BASE), "-y")
    seen = editor("text = text.replace('bucket: raw', 'bucket: edited')")
    done = block("edit", "demo-store/raw")
    assert 'bucket: changed, "raw" -> "edited"' in done.stdout
    assert "headers" not in done.stdout
    mode, _, path = seen.read_text().partition("\n")[0].partition(" ")
    assert mode == "600"
    assert not Path(path).exists()
    assert "X-Key: {secret: keep}" in seen.read_text()
    with opened() as library:
        content = library.registry.load("demo-store", "raw").root.content
    assert content.secrets["/headers/X-Key"].data == "header"


def test_an_edit_that_changes_nothing_says_so(
    block: Run, write: Callable[..., str], editor: Callable[[str], Path]
) -> None:
    block("apply", "-f", write(BASE), "-y")
    for code in (
        "pass",
        "text = ''",
        "text += '# a comment'",
        "text = text.replace('bucket: raw', 'bucket:   raw')",
    ):
        editor(code)
        done = block("edit", "demo-store/raw")
        assert "Nothing was changed." in done.stdout + done.stderr
    assert json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)["version"] == 1


def test_an_edit_that_does_not_fit_changes_nothing(
    block: Run, write: Callable[..., str], editor: Callable[[str], Path]
) -> None:
    block("apply", "-f", write(BASE), "-y")
    for code, words in (
        ("text = text.replace('bucket: raw', 'bucket: [')", "the edited text:"),
        (
            "text = text.replace('retries: 3', 'retries: x')",
            "demo-store/raw, retries: input should be a valid integer",
        ),
        (
            "text = text.replace('block: demo-store/raw', 'block: demo-store/new')",
            "'demo-store/raw' is edited here",
        ),
        ("text += '---\\nblock: demo-login/more'", "'demo-store/raw' is edited here"),
        ("text = 'x'", "a declaration is a mapping"),
    ):
        editor(code)
        assert words in block("edit", "demo-store/raw", code=1).stderr
    assert json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)["version"] == 1
    assert saved(block) == ["demo-login/prod", "demo-store/raw"]


def test_an_edit_of_what_others_changed_meanwhile_is_refused(
    block: Run, write: Callable[..., str], editor: Callable[[str], Path], demo: Path
) -> None:
    block("apply", "-f", write(BASE), "-y")
    theirs = write(BASE.replace("bucket: raw", "bucket: theirs"), "theirs.yaml")
    command = [str(Path(sys.executable).with_name("block")), "apply", "-f", theirs, "-y"]
    editor(
        f"import subprocess\nsubprocess.run({command!r}, check=True, env=os.environ | {{'PYTHONPATH': {str(demo)!r}}})\n"
        "text = text.replace('bucket: raw', 'bucket: mine')"
    )
    failed = block("edit", "demo-store/raw", code=1)
    assert "was changed meanwhile: version 1 was expected, and it is at version 2" in failed.stderr
    assert json.loads(block("inspect", "demo-store/raw", "-o", "json").stdout)["fields"]["bucket"] == "theirs"


def test_an_edit_that_does_not_fit_can_be_gone_on_with(
    block: Run,
    write: Callable[..., str],
    editor: Callable[[str], Path],
    terminal: Callable[..., tuple[int, str]],
    demo: Path,
) -> None:
    block("apply", "-f", write(BASE), "-y")
    seen = editor(
        "text = text.replace('retries: x', 'retries: 7') if 'retries: x' in text else text.replace('retries: 3', 'retries: x')"
    )
    code, shown = terminal("edit", "demo-store/raw", question="Edit it again?", answer=b"y\n", path=demo)
    assert code == 0, shown
    assert "retries: changed, 3 -> 7" in shown
    assert "#: " in seen.read_text()
    assert "retries: input should be a valid integer" in seen.read_text()
    code, shown = terminal("edit", "demo-store/raw", question="Edit it again?", answer=b"n\n", path=demo)
    assert "Nothing was changed" in shown


def test_on_a_terminal_it_asks(
    block: Run, write: Callable[..., str], terminal: Callable[..., tuple[int, str]], demo: Path
) -> None:
    file = write(BASE)
    code, shown = terminal("apply", "-f", file, question="Apply this?", answer=b"n\n", path=demo)
    assert (code, saved(block)) == (1, [])
    assert "+ demo-store/raw: new" in shown
    code, _ = terminal("apply", "-f", file, "-o", "json", question="Apply this?", answer=b"y\n", path=demo)
    assert (code, len(saved(block))) == (0, 2)


def test_problems_are_one_typed_error(write: Callable[..., str], block: Run) -> None:
    with opened() as library, pytest.raises(DeclarationInvalid, match="There are 2 problems") as refused:
        make_plan(library, read_declared([write("block: x\n---\nblock: y")]))
    assert [(problem.line, problem.column) for problem in refused.value.problems] == [(1, 1), (3, 1)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("{bucket: &a [x], tags: [*a, *a]}", "an anchor"),
        ("{bucket: !!python/object/apply:os.system [ls]}", "a tag"),
        ("{<<: {bucket: a}}", "a merge key"),
        ("{bucket: a, bucket: b}", "the key 'bucket' stands in line 2 already"),
        ("{? {a: b} : c}", "a key must be a text"),
        ("{bucket: a, ratio: .inf}", "is no number of JSON"),
        ("{bucket: a, retries: " + "1" * 10_000 + "}", "more than 4,000 digits"),
        ("{bucket: a, free: " + "[" * 1000 + "]" * 1000 + "}", "deeper than"),
        ("{bucket: a, free: " + "[" * 101 + "]" * 101 + "}", "deeper than 100 levels"),
        ("{bucket: a, free: [" + "1," * 100_001 + "]}", "100,000 are the most"),
        ('{bucket: a, free: "' + "x" * 4_200_000 + '"}', "longer than 4,194,304 characters"),
        ("{bucket: a\x07}", "must not stand here as it is"),
        ("{bucket: " + "x" * 50_000_000 + "}", "larger than 10 MiB"),
    ],
)
def test_hostile_files_are_refused_and_nothing_is_stored(
    block: Run, write: Callable[..., str], fields: str, words: str
) -> None:
    file = write(f"block: demo-store/a\nfields: {fields}")
    failed = block("apply", "-f", file, "-y", code=1)
    assert words in failed.stderr
    assert len(failed.stderr) < 20_000
    assert saved(block) == []


def test_what_cannot_be_read_is_never_taken_for_undeclared(
    block: Run, tmp_path: Path, write: Callable[..., str]
) -> None:
    file = write(BASE, "all/blocks.yaml")
    block("apply", "-f", file, "-y")
    prune = ("--prune", "-l", "team=data", "-y")
    empty = write("# nothing\n---\n", "empty.yaml")
    assert "no block is declared" in block("apply", "-f", empty, *prune, code=1).stderr
    tmp_path.joinpath("all", "link").symlink_to(tmp_path)
    linked = block("apply", "-f", str(tmp_path / "all"), *prune, code=1).stderr
    assert "all/link: a link to a folder is not followed" in linked
    tmp_path.joinpath("all", "link").unlink()
    write("not a declaration", "all/.git/x.yaml")
    write("not a declaration", "all/.x.yaml")
    assert "Nothing to change" in block("apply", "-f", str(tmp_path / "all"), *prune).stdout
    many = ", ".join(f"l{n}: x" for n in range(65))
    labelled = write(
        f"block: demo-login/a\nlabels: {{{many}}}\nfields: {{user: a, password: x}}", "many.yaml"
    )
    assert "65 labels are too many" in block("apply", "-f", labelled, "-y", code=1).stderr
    assert len(saved(block)) == 2
