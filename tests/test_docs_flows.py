"""The pages about flows: every program and command line of them run as a reader would, chapter by chapter.

A chapter is what stands between two headings of the second level. It has a folder and a home of its own. A program's
first line names its file, as a comment; a command line is run in the folder, and all that it shows is on the page:
`…` stands for anything, on a line of its own for any lines. Times are any times, and the ids of runs are bound where
they are shown first, so that later command lines can name them.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
from docs_pages import command_lines, fences_of

import blocks_flows
from blocks_flows import commands, executors, flow_commands, results, schedules, signals, triggers
from blocks_flows.schedules import adjustments, clocks, filters
from blocks_flows.task_options import TaskArguments

DOCS = Path(__file__).parent.parent / "docs"
BIN = Path(sys.executable).parent

SECRETS = ("open-sesame", "swordfish")
EXPORT = re.compile(r"^\$ export (\w+)=(\S+)$", re.MULTILINE)
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\+0000)?")
SECONDS = re.compile(r"\b\d+\.\d{3}\b")
RUN = re.compile(
    r"\b(?=\d*[a-f])(?=[a-f]*\d)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}|[0-9a-f]{6})\b"
)


@dataclass(frozen=True)
class Chapter:
    """What stands below one heading, and the variables that were exported on the page until then."""

    page: str
    title: str
    text: str
    exported: dict[str, str]

    @property
    def fences(self) -> list[tuple[str, str]]:
        return [(kind, new_form(text) if kind == "diff" else text) for kind, text in fences_of(self.text)]


def chapters(page: str) -> list[Chapter]:
    found: list[Chapter] = []
    exported: dict[str, str] = {}
    for part in re.split(r"^(?=## )", (DOCS / page).read_text(), flags=re.MULTILINE)[1:]:
        found.append(Chapter(page, part.partition("\n")[0].removeprefix("## "), part, dict(exported)))
        exported.update(EXPORT.findall(part))
    return found


def new_form(diff: str) -> str:
    """Return what a program is after a change."""
    return "".join(line[1:] or line for line in diff.splitlines(keepends=True) if not line.startswith("-"))


@dataclass
class Reader:
    """Someone who does what a chapter says, in a folder of their own."""

    folder: Path
    exported: dict[str, str]
    runs: dict[str, str] = field(default_factory=dict[str, str])
    """Ids of the runs that there are, by the first six characters of those on the page."""

    def run(self, line: str) -> str:
        env = {
            "HOME": str(self.folder / "home"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "COLUMNS": "200",
            "TZ": "UTC",
        }
        done = subprocess.run(
            ["bash", "-c", RUN.sub(lambda found: self._actual(found[1]), line)],
            env=env | {"PYTHONDONTWRITEBYTECODE": "1"} | self.exported,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"
        assert not any(secret in done.stdout for secret in SECRETS), line
        return done.stdout

    def check(self, line: str, expected: list[str], output: str) -> None:
        """Hold what a command showed against the page."""
        pattern, keys = "", list[str]()
        for each in expected:
            if each.strip() == "…":
                pattern += r"(?:.*\n)*?"
            elif each.strip():
                pattern += self._pattern(each, keys) + "\n"
        shown = "".join(f"{even(each)}\n" for each in output.splitlines() if each.strip())
        found = re.fullmatch(pattern, shown)
        assert found, f"$ {line}\nshows\n{output}\nand the page says\n" + "\n".join(expected)
        self.runs.update(zip(keys, found.groups(), strict=True))

    def _actual(self, run: str) -> str:
        assert run[:6] in self.runs, f"no command before has shown the run {run}"
        return self.runs[run[:6]]

    def _pattern(self, line: str, keys: list[str]) -> str:
        parts: list[str] = []
        for number, text in enumerate(RUN.split(even(line))):
            if number % 2 == 0:
                parts.append(".*".join(re.escape(part) for part in text.split("…")))
            elif text[:6] in self.runs:
                parts.append(re.escape(self.runs[text[:6]][: len(text)]) + "[0-9a-f-]*")
            elif len(text) == 6 or text[:6] in keys:
                parts.append("[0-9a-f]{6}")
            else:
                keys.append(text[:6])
                parts.append(f"([0-9a-f]{{8}}){'[0-9a-f-]{28}' if len(text) > 8 else ''}")
        return "".join(parts)


def even(line: str) -> str:
    """Return a line with the times that any reader sees differently made even, and columns one blank apart."""
    return " ".join(SECONDS.sub("0.000", TIME.sub("TIME", line)).split())


CHAPTERS = [each for page in ("flows.md", "migrating.md") for each in chapters(page)]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda each: f"{each.page}: {each.title}")
def test_a_chapter_runs_and_shows_what_it_says(chapter: Chapter, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    reader = Reader(tmp_path, chapter.exported)
    waiting: set[str] = set()
    for language, text in chapter.fences:
        named = re.match(r"# ([\w-]+\.\w+)\n", text)
        if named:
            (tmp_path / named[1]).write_text(text)
            waiting.add(named[1])
        assert named or language != "python", f"a program without a name:\n{text}"
        for line, expected in command_lines(text) if language == "console" else ():
            waiting -= set(re.findall(r"[\w-]+\.\w+", line))
            if not line.startswith(("pip ", "export ")):
                reader.check(line, expected, reader.run(line))
    assert waiting == set(), "programs that nothing runs"
    kept = [file.read_bytes() for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert not any(secret.encode() in content for secret in SECRETS for content in kept)


def ticked(text: str) -> set[str]:
    """Return the words in a text that are set as code."""
    return {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", code)}


FLOWS, MIGRATING = ((DOCS / page).read_text() for page in ("flows.md", "migrating.md"))
ROW = re.compile(r"^\| `prefect[\w.]*` \| `(blocks_[\w.]+)` \| ((?:`\w+` ?)+) \|$", re.MULTILINE)


@pytest.mark.parametrize(("module", "names"), ROW.findall(MIGRATING))
def test_what_the_import_table_names_can_be_imported_from_there(module: str, names: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in re.findall(r"\w+", names) if not hasattr(found, name)] == []


@pytest.mark.parametrize("dotted", sorted(set(re.findall(r"`(blocks_\w+\.[\w.]+)", MIGRATING))))
def test_what_has_another_name_now_is_there(dotted: str) -> None:
    package, *names = dotted.split(".")
    found = importlib.import_module(package)
    for name in names:
        package = f"{package}.{name}"
        found = getattr(found, name) if hasattr(found, name) else importlib.import_module(package)


def test_the_import_table_has_all_that_users_import() -> None:
    names = set(blocks_flows.__all__) | set(executors.__all__) - {"Executor"}
    names |= set(schedules.__all__) - {"DatesSchedule", "schedule_from"}  # which others do not have
    names |= set(filters.FILTERS) | set(adjustments.ADJUSTMENTS)
    for module, kind in ((signals, signals.Signal), (clocks, clocks.Clock), (results, results.ResultPlace)):
        found = {
            name for name, each in vars(module).items() if isinstance(each, type) and issubclass(each, kind)
        }
        names |= found - {kind.__name__, "DefaultResult"}
    names |= {name for name, each in vars(triggers).items() if inspect.isfunction(each) and name[0] != "_"}
    assert sorted(names - ticked(MIGRATING)) == []


def test_the_tutorial_names_every_argument_trigger_and_signal() -> None:
    names = set(TaskArguments.__annotations__)
    names |= {name for name, each in vars(triggers).items() if inspect.isfunction(each) and name[0] != "_"}
    names |= {each.__name__ for each in signals.Signal.__subclasses__()} - {"TRIGGERFAIL"}
    assert sorted(names - ticked(FLOWS)) == []


@pytest.mark.parametrize("group", [flow_commands.flow, commands.run], ids=lambda each: each.name)
def test_the_tutorial_names_every_command(group: click.Group) -> None:
    assert [name for name in group.commands if f"block {group.name} {name}" not in FLOWS] == []
