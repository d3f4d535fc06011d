"""docs/importing.md says what the importers do: its tables are those of the code, and its examples run."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from import_stage import VARIABLES, Stage
from prefect_stand_in import RECORDED, Script, StandIn

from blocks_core.catalog import Catalog
from blocks_core.schema import schema_of
from blocks_registry.cli.import_commands import import_airflow, import_prefect
from blocks_registry.importing.airflow_types import AIRFLOW
from blocks_registry.importing.mapping import System, TypeMap
from blocks_registry.importing.planning import State
from blocks_registry.importing.prefect_types import PREFECT

PAGE = (Path(__file__).parents[2] / "docs" / "importing.md").read_text("utf-8")
SYSTEMS = {"Prefect": PREFECT, "Airflow": AIRFLOW}


def rows_of(system: System) -> list[str]:
    """Return the rows of a system's table as the page has them."""
    return [f"| `{one.theirs}` | `{one.ours}` | {_fields(one)} |" for one in system.types.values()]


def _fields(type_map: TypeMap) -> str:
    texts: list[str] = []
    for theirs, rules in groupby(type_map.rules, key=lambda one: one.theirs):
        ours = tuple(one.ours for one in rules)
        left, right = (", ".join(f"`{name}`" for name in names) for names in (theirs, ours))
        texts.append(left if theirs == ours else f"{left} → {right}")
    return "; ".join(texts)


def table(heading: str, columns: str) -> list[str]:
    """Return the rows of the table with these columns in a section of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = section.partition(f"| {columns} |\n")[2].splitlines()[1:]
    return lines[: lines.index("")]


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_table_of_types_is_that_of_the_code(name: str) -> None:
    assert table(name, f"{name}'s type | block type | fields") == rows_of(SYSTEMS[name])


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_type_that_is_not_always_mapped_says_when(name: str) -> None:
    system = SYSTEMS[name]
    said = [line.split("|")[1].strip(" `") for line in table(name, f"{name}'s type | is unmapped when")]
    assert said == [one.theirs for one in system.types.values() if one.refuse] + list(system.without)


@pytest.mark.parametrize("type_map", [one for system in SYSTEMS.values() for one in system.types.values()])
def test_every_field_that_a_table_names_is_one_of_the_block_type(type_map: TypeMap) -> None:
    fields = schema_of(Catalog().find(type_map.ours))["properties"]
    assert {one.ours.partition(".")[0] for one in type_map.rules} <= set(fields)


@pytest.mark.parametrize("command", [import_prefect, import_airflow])
def test_every_option_is_documented(command: click.Command) -> None:
    for option in command.params:
        name = max(option.opts, key=len)
        assert f"`{name}`" in PAGE or f"`{name} " in PAGE, name


@pytest.mark.parametrize("name", [*VARIABLES, "AIRFLOW_CONN_NAME"])
def test_every_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_every_state_is_documented() -> None:
    assert [line.split("`")[1] for line in table("The plan", "state | what it means")] == list(
        get_args(State)
    )


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs a command line of the page in a folder with the files that it names, against a server."""
    for suffix in ("json", "yaml", "env"):
        shutil.copy(RECORDED / f"airflow_connections.{suffix}", tmp_path / f"connections.{suffix}")
    with closing(sqlite3.connect(tmp_path / "prefect.db")) as database:
        database.executescript((RECORDED / "prefect_blocks.sql").read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    server, stage = StandIn(Script()), Stage(tmp_path / "home")

    def run(line: str) -> str:
        command, _, file = line.partition(" < ")
        words = re.findall(r"'([^']*)'|(\S+)", command.replace("http://127.0.0.1:4200/api", server.url))
        stdin = Path(file).read_bytes() if file else None
        return stage.run(*("".join(word) for word in words), stdin=stdin).stdout

    yield run
    server.close()


EXAMPLES = re.findall(r"^\$ block import (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_runs(reader: Any, line: str) -> None:
    reader(line)


def test_the_plan_that_is_shown_is_the_one_that_comes(reader: Any) -> None:
    line = next(line for line in EXAMPLES if "--only" in line)
    shown = PAGE.partition(line)[2].partition("```text\n")[2].partition("```")[0]
    assert reader(line) == shown
