"""The page about changing a block type, run from top to bottom with a plugin that it writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import command_lines, fences_of

PAGE = (Path(__file__).parent.parent / "docs" / "evolution.md").read_text()
BIN = Path(sys.executable).parent


class Reader:
    """Someone who does what the page says, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        info = folder / "acme_buckets-1.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-buckets\nVersion: 1.0\n")
        info.joinpath("entry_points.txt").write_text("[blocks.types]\nbucket = acme_buckets:Bucket\n")
        self.env = {
            "HOME": str(folder),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",  # the second release may be as long, and as old, as the first
            "COLUMNS": "200",
        }

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


def assert_shown(expected: list[str], output: str, where: str) -> None:
    """Each expected line is in the output; `…` stands for anything."""
    for line in expected:
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in line.split("…")))
        if line.strip() not in ("", "…"):
            assert any(pattern.match(found.strip()) for found in output.splitlines()), (
                f"{where}: no {line!r} in\n{output}"
            )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("evolution"))


def test_the_page_runs_from_top_to_bottom(reader: Reader) -> None:
    shown, stored = "", ""
    for language, text in fences_of(PAGE):
        named = re.match(r"# (\w+\.py)\n", text)
        if language == "python" and named:
            reader.folder.joinpath(named[1]).write_text(text)
        elif language == "python":
            shown = reader.run(sys.executable, "-c", text)
        elif language == "text":
            assert_shown(text.splitlines(), shown, "the program above")
        for line, expected in command_lines(text) if language == "console" else ():
            output = reader.run("bash", "-c", line)
            assert_shown(expected, output, line)
            assert "open-sesame" not in output
            stored = output if "--stored" in line else stored
    reader.folder.joinpath("bucket-1.json").write_text(stored)
    upgrading = "older_version or older_versions or upgrading or upgrade_reads"
    done = reader.run(sys.executable, "-m", "pytest", "-q", "test_acme_buckets.py", "-k", upgrading)
    assert "4 passed" in done


def test_the_page_names_every_error_of_upgrading() -> None:
    for name in ("UpgradeFailed", "UpgradeMissing", "SchemaTooNew"):
        assert f"`{name}`" in PAGE
