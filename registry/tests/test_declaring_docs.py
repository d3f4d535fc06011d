"""docs/declarative.md: its examples run and show what it says, its tables are those of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from blocks_core.limits import MAX_BYTES as MAX_BLOCK_BYTES
from blocks_core.limits import MAX_VALUES as MAX_BLOCK_VALUES
from blocks_registry.cli import main
from blocks_registry.declaring import yaml_reader
from blocks_registry.declaring.declarations import KEYS
from blocks_registry.declaring.kinds import is_kind, known_kinds

PAGE = (Path(__file__).parents[2] / "docs" / "declarative.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


def shows(expected: list[str], output: str) -> bool:
    """Tell whether the lines stand in the output, in their order; `…` stands for anything."""
    lines = iter(output.splitlines())
    patterns = [
        ".*".join(re.escape(part.strip()) for part in line.split("…"))
        for line in expected
        if line.strip("… ")
    ]
    return all(any(re.match(pattern, line.strip()) for line in lines) for pattern in patterns)


def test_the_examples_run_and_show_what_the_page_says(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"}
    environment |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    shown = ""
    for language, text in FENCE.findall(PAGE):
        if language == "yaml":
            first, _, _ = text.partition("\n")
            (tmp_path / first.removeprefix("# ")).write_text(text, "utf-8")
        elif language == "text":
            assert shows(text.splitlines(), shown), shown
        else:
            commands = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:] if language == "console" else [""]
            for command in commands:
                line, *expected = command.splitlines() or [""]
                words = ["sh", "-c", line] if line else [sys.executable, "-c", text]
                done = subprocess.run(
                    words,
                    env=environment,
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    stdin=subprocess.DEVNULL,
                )
                shown = done.stderr + done.stdout
                assert shows(expected, shown), (line, shown)
                assert (done.returncode == 0) != any(part.startswith("Error:") for part in expected), shown


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ][2:]


def test_every_key_and_kind_is_in_its_table() -> None:
    assert {row[0].strip("`") for row in table("A declaration")} == set(KEYS)
    kinds = {kind for row in table("Kinds") for kind in re.findall(r"`([^`]+)`", row[0])}
    assert set(known_kinds()) <= kinds
    assert [kind for kind in kinds if not is_kind(kind)] == []


def test_the_limits_are_those_of_the_code() -> None:
    limits = " ".join(" ".join(row) for row in table("The YAML that is read"))
    for number in (
        f"{yaml_reader.MAX_BYTES // 1024**2} MiB",
        f"{yaml_reader.MAX_DOCUMENTS:,} documents",
        f"{yaml_reader.MAX_VALUES:,} values",
        f"{yaml_reader.MAX_CHARACTERS:,} characters",
        f"a key {yaml_reader.MAX_KEY_CHARACTERS:,}",
        f"{yaml_reader.MAX_DIGITS:,} digits",
        f"{MAX_BLOCK_BYTES // 1024**2} MiB",
        f"{MAX_BLOCK_VALUES:,} values",
    ):
        assert number in limits


def test_the_help_of_each_command_teaches_with_examples() -> None:
    for word in ("apply", "export", "edit"):
        shown = CliRunner().invoke(main, [word, "--help"]).output
        assert "Examples:" in shown
        assert f"block {word}" in shown
        for option in re.findall(rf"block {word}[^\n`]*?(--[a-z-]+)", PAGE):
            assert option in shown
    top = CliRunner().invoke(main, ["--help"]).output
    assert '3    "block apply --plan": something would change' in top
