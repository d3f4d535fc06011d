"""docs/plugins.md, done from top to bottom as a reader would, in a folder and an environment of their own."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from docs_pages import command_lines, fences_of
from plugin_environment import PluginEnvironment

from blocks_core.testing import quality_report
from blocks_registry.authoring.new_plugin import KINDS

PAGE = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text()


def assert_shown(expected: list[str], output: str, where: str) -> None:
    """Each expected line is in the output, in order; `…` stands for anything."""
    lines = iter(output.splitlines())
    for line in expected:
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in line.split("…")))
        if line.strip("… "):
            assert any(pattern.search(found.strip()) for found in lines), (
                f"{where}: no line {line!r} in\n{output}"
            )


class Author:
    """Someone who does what the page says; installing, which asks an index, is done for them."""

    def __init__(self, folder: Path, environment: PluginEnvironment) -> None:
        self.folder = folder
        self.environment = environment
        here = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
        self.env = here | {
            "BIN": str(environment.bin),  # of make: instead of .venv/bin
            "BLOCKS_HOME": str(folder / "home"),
            "PATH": f"{environment.bin}:{os.environ['PATH']}",
            "COLUMNS": "200",
        }

    def write(self, text: str, comment: str) -> None:
        first, _, rest = text.partition("\n")
        file = self.folder / first.removeprefix(comment).strip()
        if file.suffix == ".toml":  # a section of it
            heading, _, _ = rest.partition("\n")
            before = file.read_text()
            old = re.search(rf"^{re.escape(heading)}\n(?:.+\n)*", before, re.MULTILINE)
            assert old, heading
            file.write_text(before.replace(old[0], rest))
            self.environment.install(self.folder)
        else:
            file.write_text(rest)

    def run(self, line: str, expected: list[str]) -> None:
        if line.startswith("cd "):
            self.folder = self.folder / line.removeprefix("cd ")
            self.environment.install(self.folder)
            return
        if line.startswith("python -m twine"):
            return
        done = subprocess.run(
            ["sh", "-c", line.replace("python -m build", "python -m build --no-isolation")],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert_shown(expected, done.stdout, line)
        refused = any(text.startswith("Error:") for text in expected)
        assert (done.returncode != 0) == refused, done.stdout


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, plugin_environment: PluginEnvironment) -> None:
    author = Author(tmp_path, plugin_environment)
    for language, text in fences_of(PAGE):
        if language in ("python", "toml"):
            author.write(text, "# ")
        else:
            for line, expected in command_lines(text):
                author.run(line, expected)
    [wheel] = (author.folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        names = set(built.namelist())
    shipped = ("py.typed", "blocks.json", "blocks-quality.json", "logos/acme-queue.svg", "queues.py")
    assert {f"acme_queue/{name}" for name in shipped} <= names


def test_the_page_names_every_suite_with_its_fixture_and_every_capability() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for suite, fixture in quality_report.SUBJECTS.items():
        [row] = [row for row in rows if re.match(rf"\| `(\w+\.)?{suite}` ", row)]
        fixture = "notifier_at" if suite == "NotifierSuite" else fixture
        assert f"`{fixture}`" in row
    for capability in KINDS:
        assert f"`{capability}`" in PAGE


@pytest.mark.parametrize("word", ["new", "doctor", "docs", "manifest", "ls"])
def test_the_page_names_every_word_of_the_command(word: str) -> None:
    assert f"block plugin {word}" in PAGE
