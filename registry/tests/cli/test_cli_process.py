"""What the command is as a process: exit codes, start-up, pipes, interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from blocks_registry.cli import main

BLOCK = str(Path(sys.executable).with_name("block"))


def _commands(group: click.Group, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found: list[tuple[str, ...]] = []
    own = [name for name in group.list_commands(context) if words or name in main._words]  # type: ignore[attr-defined]
    for name in own:
        command = group.get_command(context, name)
        found.append((*words, name))
        if isinstance(command, click.Group):
            found += _commands(command, (*words, name))
    return found


@pytest.mark.parametrize("words", _commands(main), ids=" ".join)
def test_every_command_teaches_by_examples(block: Any, words: tuple[str, ...]) -> None:
    shown = block(*words, "--help").stdout
    assert "Examples:" in shown
    assert f"block {' '.join(words)}" in shown


def test_the_root_documents_exit_codes_environment_and_completion(block: Any) -> None:
    shown = block("--help").stdout
    for said in ("130  interrupted", "BLOCKS_HOME", "BLOCKS_URL", "_BLOCK_COMPLETE=zsh_source"):
        assert said in shown


def test_the_version_is_that_of_the_distribution(process: Any) -> None:
    from importlib.metadata import version

    assert process("--version").stdout == f"block {version('blocks-registry')}\n"


def test_a_refusal_is_one_line_and_exit_code_1(process: Any) -> None:
    done = process("inspect", "demo-store/none", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("Error: No block 'demo-store/none' is saved")
    assert len(done.stderr.splitlines()) == 1


def test_wrong_usage_is_exit_code_2(process: Any) -> None:
    for words in (("no-such-command",), ("ls", "--no-such-option"), ("ls", "-o", "yaml"), ("inspect",)):
        assert "Error: " in process(*words, code=2).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("typ",), "No such command 'typ'. Did you mean 'type'?"),
        (("type", "lss"), "No such command 'lss'. Did you mean 'ls'?"),
        (("plugin", "manifst"), "No such command 'manifst'. Did you mean 'manifest'?"),
        (("foo",), "No such command 'foo'."),
    ],
)
def test_a_word_that_is_no_command_is_wrong_usage_with_what_was_meant(
    block: Any, words: tuple[str, ...], said: str
) -> None:
    assert block(*words, code=2).stderr.endswith(f"Error: {said}\n")


def test_the_traceback_is_shown_where_it_is_asked_for(process: Any) -> None:
    assert "Traceback" not in process("inspect", "a/b", code=1).stderr
    assert "Traceback" in process("--debug", "inspect", "a/b", code=1).stderr
    assert "Traceback" in process("inspect", "a/b", code=1, environment={"BLOCKS_DEBUG": "1"}).stderr


def test_a_registry_that_cannot_be_opened_is_an_error(process: Any, tmp_path: Path) -> None:
    assert "BLOCKS_URL" in process("ls", code=1, environment={"BLOCKS_URL": "ftp://x"}).stderr
    tmp_path.joinpath("home").mkdir()
    tmp_path.joinpath("home", "blocks.db").write_text("no database at all, but long enough to be none" * 50)
    done = process("ls", code=1)
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1


def test_listing_types_imports_no_plugin_and_nothing_slow(process: Any, demo: Path, home: Path) -> None:
    process("register", "-m", "demo_blocks", path=demo)
    code = (
        "import sys\nfrom blocks_registry.cli import main\n"
        "main(['type', 'ls'], standalone_mode=False)\n"
        "slow = {'rich', 'cryptography', 'demo_blocks', 'asyncio', 'blocks_standard', 'blocks_flows'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(demo)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "demo-store" in done.stdout
    assert done.stderr == "[]\n"


def test_a_reader_that_goes_away_is_no_error(process: Any, demo: Path, home: Path) -> None:
    for number in range(3):
        process("create", "demo-store", f"x{number}", "--set", "bucket=b", path=demo)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([BLOCK, "ls"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert done.stderr == ""


def test_an_interruption_is_exit_code_130(home: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow_blocks.py"
    slow.write_text("import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    running = subprocess.Popen(
        [BLOCK, "register", "-f", str(slow)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    assert running.stderr.readline() == "started\n"
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (130, "Interrupted.\n")


def test_an_unforeseen_error_is_one_line_too(process: Any, plant: Any) -> None:
    site = plant(
        "odd-commands",
        "[blocks.commands]\nodd = odd_commands:odd\n",
        {
            "odd_commands.py": "import click\n@click.command()\ndef odd():\n    raise ZeroDivisionError('by \\x1b none')\n"
        },
    )
    done = process("odd", path=site, code=1)
    assert "Error: ZeroDivisionError: by \\x1b none" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_output_in_an_encoding_that_lacks_a_character_does_not_fail(process: Any, demo: Path) -> None:
    process("create", "demo-store", "x", "--set", "bucket=한국어", path=demo)
    environment = {"PYTHONIOENCODING": "latin-1"}
    assert "\\ud55c" in process("inspect", "demo-store/x", environment=environment).stdout
    shown = json.loads(process("inspect", "demo-store/x", "-o", "json", environment=environment).stdout)
    assert shown["fields"]["bucket"] == "한국어"


def test_a_closed_standard_output_is_no_fault_of_ours(process: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{BLOCK} ls -o table >&-"],
        env={**os.environ, "BLOCKS_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not foreseen" not in done.stderr
