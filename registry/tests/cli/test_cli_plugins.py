"""`block plugin`, and the commands of other distributions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blocks_core.quality import TypeResults, file_text

HEALTHY = """
from pathlib import Path

from blocks_core import Block

Path(__file__).with_name("imported").touch()


class Healthy(Block, slug="{slug}"):
    \"\"\"Fine.\"\"\"
"""


@pytest.fixture
def site(plant: Any) -> Path:
    """A folder of plugins: one is healthy, the others are broken in their own ways."""
    plant(
        "healthy-plugin",
        "[blocks.types]\nhealthy = healthy_blocks:Healthy\n",
        {"healthy_blocks/__init__.py": HEALTHY.format(slug="healthy")},
    )
    plant(
        "raising-plugin",
        "[blocks.types]\nraising = raising_blocks:Raising\n",
        {"raising_blocks.py": "import json\n\nraise RuntimeError('built for another moon')\n"},
    )
    plant(
        "lacking-plugin",
        "[blocks.types]\nlacking = lacking_blocks:Lacking\n",
        {"lacking_blocks.py": "import no_such_vendor_sdk\n"},
    )
    plant(
        "late-plugin",
        "[blocks.types]\nlate = late_blocks:Late\n",
        {"late_blocks.py": "def explode():\n    raise ValueError('seen only when it runs')\nexplode()\n"},
    )
    plant("ghost-plugin", "[blocks.types]\nghost = ghost_blocks:Ghost\n")
    for name in ("claim-one", "claim-two"):
        module = name.replace("-", "_")
        plant(
            name, f"[blocks.types]\nclaimed = {module}:X\n", {f"{module}.py": HEALTHY.format(slug="claimed")}
        )
    return plant("malformed-plugin", "[blocks.types\nthis is = = no\nentry point file")


def statuses(printed: str) -> dict[str, str]:
    return {f"{row['slug']} {row['distribution']}": row["status"] for row in json.loads(printed)}


def test_plugins_are_listed_with_what_is_wrong_and_none_is_imported(process: Any, site: Path) -> None:
    found = statuses(process("plugin", "ls", "-o", "json", path=site).stdout)
    assert found["healthy healthy-plugin"] == "ready"
    assert found["late late-plugin"] == "ready"
    assert "built for another moon" in found["raising raising-plugin"]
    assert "'no_such_vendor_sdk', which is not installed" in found["lacking lacking-plugin"]
    assert "there is no module 'ghost_blocks'" in found["ghost ghost-plugin"]
    for name in ("claim-one", "claim-two"):
        assert "claimed by claim-one 1.0 and claim-two 1.0" in found[f"claimed {name}"]
    assert not list(site.rglob("imported"))


def test_the_table_has_one_line_for_each_type(process: Any, site: Path) -> None:
    lines = process("plugin", "ls", path=site).stdout.splitlines()
    (healthy,) = (line for line in lines if line.startswith("healthy "))
    assert healthy.split() == ["healthy", "healthy-plugin", "1.0", "ready"]
    (raising,) = (line for line in lines if line.startswith("raising "))
    assert "broken: line 3 of 'raising_blocks' raises" in raising


def test_the_tier_is_listed_with_what_the_next_one_lacks(process: Any, site: Path) -> None:
    process("plugin", "manifest", "healthy_blocks", path=site)
    manifest = json.loads((site / "healthy_blocks" / "blocks.json").read_text())["types"][0]
    results = TypeResults(
        slug="healthy",
        version=1,
        structure_hash=manifest["structure_hash"],
        distribution="healthy-plugin",
        distribution_version="1.0",
        kit="0.1.0",
        suites={"BlockSuite": {"test_it_is_pickled": "passed"}},
    )
    file = site / "healthy_blocks" / "blocks-quality.json"

    def listed() -> tuple[str | None, list[str]]:
        rows = json.loads(process("plugin", "ls", "-o", "json", path=site).stdout)
        [row] = [row for row in rows if row["slug"] == "healthy"]
        return row["tier"], row["tier_lacks"]

    assert listed() == (None, ["healthy-plugin ships no blocks-quality.json"])
    file.write_text(file_text([results]))
    assert listed() == ("silver", ["DocsSuite was not run"])
    table = process("plugin", "ls", path=site).stdout.splitlines()
    assert [line.split()[-2:] for line in table if line.startswith("healthy ")] == [["silver", "ready"]]
    process("register", "-m", "healthy_blocks", path=site)
    shown = " ".join(process("type", "inspect", "healthy", path=site).stdout.split())
    assert "tier silver next tier lacks DocsSuite was not run" in shown
    assert (
        json.loads(process("type", "inspect", "healthy", "-o", "json", path=site).stdout)["tier"] == "silver"
    )
    assert process("type", "inspect", "healthy").stdout.count("tier") == 1  # it is not installed there
    file.write_text(file.read_text().replace("passed", "failed"))
    assert listed()[0] is None


def test_check_finds_what_shows_only_when_code_runs(process: Any, site: Path, plant: Any) -> None:
    plant(
        "leaver",
        "[blocks.types]\nleaver = leaver_blocks:X\n",
        {"leaver_blocks.py": "import os\nos._exit(7)\n"},
    )
    found = statuses(process("plugin", "ls", "--check", "-o", "json", path=site, code=1).stdout)
    assert found["healthy healthy-plugin"] == "ready"
    assert "seen only when it runs" in found["late late-plugin"]
    assert "ended the process (exit code 7)" in found["leaver leaver"]
    assert "built for another moon" in found["raising raising-plugin"]


def test_an_import_that_does_not_end_is_given_up(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from blocks_core.discovery import Offer
    from blocks_registry.probing import probe

    site = plant(
        "slow", "[blocks.types]\nslow = slow_blocks:X\n", {"slow_blocks.py": "import time; time.sleep(60)\n"}
    )
    monkeypatch.syspath_prepend(site)
    offer = Offer("blocks.types", "slow", "slow_blocks:X", "slow", "1.0")
    assert probe([offer], timeout_seconds=2) == ["importing 'slow_blocks:X' took longer than 2 seconds"]


def test_broken_plugins_fail_to_register_and_the_others_are_registered(process: Any, site: Path) -> None:
    done = process("register", "--all", path=site, code=1)
    outcomes = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert " new " in outcomes["healthy"]
    for slug in ("raising", "lacking", "late", "ghost", "claimed"):
        assert " failed " in outcomes[slug]
        assert any(line.startswith(f"{slug}: ") for line in done.stderr.splitlines())
    assert "Traceback" not in done.stderr


def test_a_broken_plugin_harms_no_other_command(process: Any, site: Path) -> None:
    process("register", "-m", "healthy_blocks", path=site)
    process("create", "healthy", "one", path=site)
    assert "healthy/one" in process("ls", path=site).stdout
    process("check", "healthy/one", path=site)
    done = process("create", "raising", "one", path=site, code=1)
    assert "raising-plugin 1.0" in done.stderr
    assert "built for another moon" in done.stderr


def test_a_manifest_is_written_checked_and_then_used_without_an_import(process: Any, site: Path) -> None:
    done = process("plugin", "manifest", "healthy_blocks", "--check", path=site, code=1)
    assert "out of date: it differs in healthy" in done.stderr
    file = site / "healthy_blocks" / "blocks.json"
    assert not file.exists()
    assert str(file) in process("plugin", "manifest", "healthy_blocks", path=site).stdout
    assert [found["slug"] for found in json.loads(file.read_text())["types"]] == ["healthy"]
    assert "is up to date" in process("plugin", "manifest", "healthy_blocks", "--check", path=site).stdout
    for imported in site.rglob("imported"):
        imported.unlink()
    (row,) = (
        found
        for found in json.loads(process("plugin", "ls", "-o", "json", path=site).stdout)
        if found["slug"] == "healthy"
    )
    assert (row["title"], row["status"]) == ("Healthy", "ready")
    process("register", "-m", "healthy_blocks", path=site)
    assert not list(site.rglob("imported"))


def test_a_manifest_that_cannot_be_read_is_reported(process: Any, site: Path) -> None:
    (site / "healthy_blocks" / "blocks.json").write_text("{")
    found = statuses(process("plugin", "ls", "-o", "json", path=site).stdout)
    assert "cannot be read" in found["healthy healthy-plugin"]
    process("plugin", "manifest", "healthy_blocks", path=site)
    assert (
        statuses(process("plugin", "ls", "-o", "json", path=site).stdout)["healthy healthy-plugin"] == "ready"
    )


def test_a_manifest_that_cannot_be_made_is_refused_with_the_reason(
    process: Any, site: Path, plant: Any
) -> None:
    def refusal(package: str) -> str:
        return process("plugin", "manifest", package, path=site, code=1).stderr

    assert "pip install -e ." in refusal("json")
    assert "Make it a folder" in refusal("lacking_blocks")
    plant(
        "vendor-plugin",
        "[blocks.types]\nvendor = vendor_blocks:X\n",
        {"vendor_blocks/__init__.py": "import no_such_vendor_sdk\n"},
    )
    assert "pip install no_such_vendor_sdk" in refusal("vendor_blocks")


COMMANDS = """
import click


@click.group()
def hello():
    \"\"\"Say hello to
    a world. And to no other.

    At length.
    \"\"\"


@hello.command()
def world():
    click.echo("hello world")


@hello.command()
def fail():
    from blocks_core.errors import NameInvalid
    raise NameInvalid("That is no name.")


not_a_command = 3
"""


@pytest.fixture
def commands(plant: Any) -> Path:
    """A folder of distributions with commands: one is healthy, the others are broken."""
    plant(
        "bad-commands",
        "[blocks.commands]\nbad = bad_commands:bad\n",
        {"bad_commands.py": "raise OSError('x')\n"},
    )
    plant(
        "deep-commands",
        "[blocks.commands]\ndeep = deep_commands.inner:deep\n",
        {
            "deep_commands/__init__.py": "from pathlib import Path\nPath(__file__).with_name('imported').touch()\n",
            "deep_commands/inner.py": "async def deep():\n    'Go \x1b deep'\n",
        },
    )
    return plant(
        "good-commands",
        "[blocks.commands]\nhello = good_commands:hello\nodd = good_commands:not_a_command\nls = good_commands:hello\n",
        {"good_commands.py": COMMANDS},
    )


def test_other_distributions_add_commands(process: Any, commands: Path) -> None:
    assert process("hello", "world", path=commands).stdout == "hello world\n"
    done = process("hello", "fail", path=commands, code=1)
    assert done.stderr == "Error: That is no name.\n"


def test_the_help_names_the_commands_of_others_and_what_is_wrong_with_them(
    process: Any, commands: Path
) -> None:
    shown = " ".join(process("--help", path=commands).stdout.split())
    assert "hello Say hello to a world. " in shown
    assert "And to no other" not in shown
    assert "deep Go \\x1b deep" in shown
    assert "odd From good-commands 1.0." in shown
    assert not list(commands.rglob("imported"))
    assert "bad Broken, from bad-commands 1.0: line 1 of 'bad_commands' raises OSError('x')." in shown
    assert "'ls' of good-commands 1.0 is ignored" in shown


def test_a_broken_command_is_reported_and_harms_no_other(process: Any, commands: Path) -> None:
    assert "bad-commands 1.0" in process("bad", path=commands, code=1).stderr
    assert "is no command" in process("odd", path=commands, code=1).stderr
    assert process("ls", "-o", "json", path=commands).stdout == "[]\n"


def test_a_shell_completes_words_of_others_without_importing_them(process: Any, commands: Path) -> None:
    def complete(words: str, at: int) -> str:
        environment = {"_BLOCK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return process(path=commands, environment=environment).stdout

    assert complete("block he", 1) == "plain,hello\n"
    assert complete("block b", 1) == "plain,bad\n"
    assert complete("block bad x", 2).strip() == ""
    assert set(complete("block type ", 2).split()) == {"plain,ls", "plain,inspect"}
