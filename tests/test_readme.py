"""The README's tour and other pages, run as a reader would: one block after another, in an empty home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import assert_shown, command_lines, fences_of

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


PAGES = (
    "README.md",
    "docs/operating.md",
    "docs/secret-references.md",
    "docs/keys.md",
    "docs/using-blocks.md",
    "docs/tokens.md",
)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_and_shows_what_it_says(page: str, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"}
    shown = ""
    seen: list[str] = []
    for language, text in fences_of((ROOT / page).read_text()):
        seen.append(language)
        if language == "python":
            done = subprocess.run(
                [sys.executable, "-c", text],
                env=env,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            shown = done.stdout
        elif language == "text":
            assert_shown(text.splitlines(), shown, "the program above")
        elif language == "console":
            for line, expected in command_lines(text):
                done = subprocess.run(
                    line, shell=True, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
                )
                assert_shown(expected, done.stdout + done.stderr, line)
                refused = any(text.startswith("Error:") for text in expected)
                assert done.returncode == (1 if refused else 0), (line, done.stderr)
                assert "open-sesame" not in done.stdout + done.stderr
    assert "python" in seen
    assert seen.count("console") >= 3
    leaked = [file for file in tmp_path.rglob("*") if file.is_file() and b"open-sesame" in file.read_bytes()]
    assert leaked == []


def test_every_block_type_has_a_page(tmp_path: Path) -> None:
    from blocks_core.catalog import Catalog

    ours = [entry.offer for entry in Catalog().entries() if entry.offer.package.startswith("blocks_")]
    assert len(ours) >= 10
    for offer in ours:
        page = ROOT / "docs" / "blocks" / f"{offer.name}.md"
        assert page.is_file(), f"write {page.name}"
        assert f"`{offer.name}`" in page.read_text()


def test_the_readme_shows_the_two_commands() -> None:
    page = (ROOT / "README.md").read_text()
    assert "make demo" in page
    assert "make test" in page
