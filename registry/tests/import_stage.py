"""Runs `block import` in a home of its own, and looks for planted secrets in whatever comes out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from prefect_stand_in import MARKER

from blocks_core.library import Library
from blocks_registry.cli import main
from blocks_registry.importing.found import Found
from blocks_registry.importing.mapping import System
from blocks_registry.importing.planning import ImportOptions, Plan, carry_out, make_plan
from blocks_registry.opening import open_library
from blocks_registry.settings import Settings


class Stage:
    """A home folder, the command `block` on it, and the library of what is saved there."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *words: str, code: int = 0, stdin: str | bytes | None = None, **environment: str) -> Result:
        result = CliRunner().invoke(
            main,
            ["--debug", "import", *words],  # so that tracebacks are looked through, too
            input=stdin,
            env={
                "BLOCKS_HOME": str(self.home),
                "BLOCKS_URL": None,
                **dict.fromkeys(VARIABLES),
                **environment,
            },
        )
        assert MARKER not in result.output
        assert result.exit_code == code, result.output
        return result

    def rows(self, *words: str, code: int = 0, **environment: str) -> dict[str, dict[str, Any]]:
        """Run and return the rows of the plan, by source."""
        result = self.run(*words, "-o", "json", code=code, **environment)
        return {row["source"]: row for row in json.loads(result.stdout)}

    def states(self, *words: str, code: int = 0, **environment: str) -> dict[str, str]:
        return {source: row["state"] for source, row in self.rows(*words, code=code, **environment).items()}

    def library(self) -> Any:
        return closing(open_library(Settings(self.home, f"sqlite:///{self.home / 'blocks.db'}")))

    def load(self, address: str) -> Any:
        from blocks_core.block import Block

        with self.library() as library:
            return library.load(Block, address)

    def addresses(self) -> list[str]:
        with self.library() as library:
            return [f"{found.slug}/{found.name}" for found in library.registry.find()]

    def assert_sealed(self) -> None:
        """Make sure that no planted secret lies in any file of the home in clear."""
        for file in self.home.rglob("*"):
            if file.is_file():
                assert MARKER.encode() not in file.read_bytes(), file


VARIABLES = (
    "PREFECT_API_URL",
    "PREFECT_API_KEY",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_ENCRYPTION_KEY",
    "ORION_ENCRYPTION_KEY",
)


def plan_of(library: Library, system: System, found: Sequence[Found], **options: Any) -> Plan:
    return make_plan(library, system, found, ImportOptions(**options))


def import_all(library: Library, system: System, found: Sequence[Found], **options: Any) -> Plan:
    """Plan, write, and return the plan."""
    plan = plan_of(library, system, found, **options)
    carry_out(library, plan)
    return plan


def states_of(plan: Plan) -> dict[str, str]:
    return {row.made.found.source: row.state for row in plan.rows}


def notes_of(plan: Plan, source: str) -> str:
    return next("; ".join(row.notes) for row in plan.rows if row.made.found.source == source)
