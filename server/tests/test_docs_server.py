"""docs/server.md: what it shows is run against a server, its numbers are those of the code, its options exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from docs_pages import assert_shown, command_lines, fences_of
from server_process import BLOCK, started

from blocks_server import Limits
from blocks_server.connections import HEAD_SECONDS, MAX_HEAD_BYTES
from blocks_server.running import DEFAULT_PORT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "server.md").read_text("utf-8")


def test_what_the_page_shows_is_what_happens(tmp_path: Path) -> None:
    shown, asked = "", 0
    with started(tmp_path) as server:
        env = {
            "HOME": str(tmp_path / "nobody"),
            "PATH": f"{BLOCK.parent}:{os.environ['PATH']}",
            "COLUMNS": "200",
            "BLOCKS_URL": server.url,
            "BLOCKS_TOKEN": (tmp_path / "admin-token").read_text().strip(),
        }
        for language, text in fences_of(PAGE):
            if language == "python":
                done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                shown = done.stdout
            elif language == "text":
                assert_shown(text.splitlines(), shown, "the program")
            for line, expected in command_lines(text) if language == "console" else ():
                done = subprocess.run(line, shell=True, env=env, capture_output=True, text=True)
                output = (done.stdout + done.stderr).replace(server.url, f"http://127.0.0.1:{DEFAULT_PORT}")
                assert done.returncode == 0, output
                assert_shown(expected, output, line)
                assert "open-sesame" not in output
                asked += 1
    assert asked >= 10


def test_the_numbers_are_those_of_the_code() -> None:
    limits = Limits()
    for said in (
        f"{MAX_HEAD_BYTES // 1024} KiB, within {HEAD_SECONDS:g} seconds",
        f"{limits.max_body_bytes // 2**20} MiB, within {limits.body_seconds:g} seconds",
        f"{limits.check_seconds:g} seconds, four at once",
        f":{DEFAULT_PORT}",
    ):
        assert said in PAGE
    assert limits.checks_at_once == 4


def test_every_option_of_the_page_is_one_of_the_command() -> None:
    help_text = subprocess.run(
        [BLOCK, "server", "start", "--help"], capture_output=True, text=True, check=True
    ).stdout
    lines = "\n".join(re.findall(r"^    block server start.*$|`--[^`]+`", PAGE, re.MULTILINE))
    options = set(re.findall(r"--[a-z-]+", lines))
    assert len(options) >= 7
    for option in options:
        assert option in help_text, option
