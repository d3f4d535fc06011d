"""`block upgrade`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blocks_core.errors import BlocksError, BlockTypeNotFound
from blocks_core.names import join_address, split_address
from blocks_registry.output import HIDDEN, cell_text, emit_json, emit_note, emit_text, examples, output_option

if TYPE_CHECKING:  # start-up time: the help needs none of it
    from blocks_core.document import Document
    from blocks_core.library import Library
    from blocks_core.records import Summary
    from blocks_core.upgrade_plans import UpgradeChange, UpgradePlan

_SIGNS = {"added": "+", "dropped": "-", "moved": ">", "copied": ">", "changed": "~"}
_MAX_SHOWN = 200
_WHERE = 'To upgrade blocks of a module or file of yours, name it: "-m MODULE" or "-f FILE".'


@dataclass
class _Row:
    """What becomes of one block."""

    address: str
    outcome: str
    """`current`, `planned`, `upgraded` or `failed`."""
    plan: UpgradePlan | None = None
    version: int | None = None
    """That was written."""
    problem: str = ""


def _importing(ctx: click.Context, param: click.Parameter, module: str | None) -> None:
    if module is not None:
        from blocks_registry.registering import (
            import_types,
        )  # late, here and below: the help needs no registry

        with redirect_stdout(sys.stderr):  # of modules that print
            import_types(module)


def _running(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    if file is not None:
        from blocks_registry.registering import run_types

        with redirect_stdout(sys.stderr):
            run_types(file)


@click.command(
    epilog=examples(
        "block upgrade --all --plan",
        "block upgrade s3/raw-data s3/results",
        "block upgrade --type s3 --yes",
        "block upgrade --all -m my_blocks",
        "block restore s3/raw-data        # undoes it",
    )
)
@click.argument("addresses", nargs=-1, metavar="[SLUG/NAME]...")
@click.option("--type", "slug", metavar="SLUG", help="All blocks of this type.")
@click.option("--all", "everything", is_flag=True, help="All blocks of the types that are installed here.")
@click.option(
    "-m",
    "--module",
    metavar="MODULE",
    expose_value=False,
    callback=_importing,
    help="Your module that defines the types, where no installed plugin does.",
)
@click.option(
    "-f",
    "--file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_running,
    help="The same, for one Python file.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Only show what would change.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@output_option
@click.pass_context
def upgrade(
    ctx: click.Context,
    addresses: tuple[str, ...],
    slug: str | None,
    everything: bool,
    only_plan: bool,
    yes: bool,
    output: str,
) -> None:
    """Write blocks that older versions of their types stored back in the form of the installed versions.

    They load without that, by the upgrades of their types, which need not be kept once nothing old is stored. What
    changes is shown first: fields that are added (+), dropped (-), renamed or moved (>) and changed (~), secrets
    hidden. Each block gets a new version, so "block restore" undoes it. One that fails stops no other; the exit code
    is then 1.
    """
    if bool(addresses) + (slug is not None) + everything != 1:
        raise click.UsageError("Give blocks (SLUG/NAME), or one of --type SLUG and --all.")
    from blocks_registry.opening import open_library

    with closing(open_library()) as library:
        with redirect_stdout(sys.stderr):  # of upgrades that print
            rows = list(_planned(library, addresses, slug))
        planned = [row for row in rows if row.plan is not None]
        _show(planned, emit_text if output == "table" else emit_note if not yes else None)
        if planned and not only_plan:
            _confirm(ctx, len(planned), yes=yes)
            with redirect_stdout(sys.stderr):
                _write(library, planned)
    _emit(rows, output, only_plan=only_plan)
    if any(row.outcome == "failed" for row in rows):
        ctx.exit(1)


def _planned(library: Library, addresses: tuple[str, ...], slug: str | None) -> Iterator[_Row]:
    """Yield a row for each block that was named, or, of a type or of all, for each that is outdated."""
    from blocks_core.upgrade_plans import find_outdated

    if addresses:
        for address in dict.fromkeys(addresses):
            yield _plan(library, *split_address(address))
        return
    unknown: dict[str, str] = {}
    for summary, problem in find_outdated(library, _summaries(library, slug)):
        if isinstance(problem, BlockTypeNotFound) and slug is None:
            unknown[summary.slug] = str(problem)
        elif problem is not None:
            hint = f" {_WHERE}" if isinstance(problem, BlockTypeNotFound) else ""
            yield _Row(join_address(summary.slug, summary.name), "failed", problem=f"{problem}{hint}")
        else:
            yield _plan(library, summary.slug, summary.name)
    for problem in unknown.values():
        emit_note(f"Left out: {problem}")


def _summaries(library: Library, slug: str | None) -> list[Summary]:
    from blocks_registry.cli.unknown_types import registered_type

    if slug is not None:
        registered_type(library.registry, slug)
    return library.registry.find(slug)


def _plan(library: Library, slug: str, name: str) -> _Row:
    from blocks_core.upgrade_plans import plan_upgrade
    from blocks_registry.cli.unknown_types import naming_unknown_types

    try:
        with naming_unknown_types(library.registry, slug):
            plan = plan_upgrade(library, slug, name)
    except BlocksError as error:
        return _Row(join_address(slug, name), "failed", problem=str(error))
    return _Row(join_address(slug, name), "planned" if plan else "current", plan)


def _write(library: Library, rows: list[_Row]) -> None:
    from blocks_core.upgrade_plans import upgrade_block
    from blocks_registry.cli.plan_view import progress

    with progress("Upgrading", len(rows)) as tick:
        for row in rows:
            assert row.plan is not None
            try:
                document: Document = upgrade_block(library, row.plan)
            except BlocksError as error:
                row.outcome, row.problem = "failed", str(error)
            else:
                row.outcome, row.version = "upgraded", document.version
            tick()


def _show(rows: list[_Row], emit: Callable[[str], None] | None) -> None:
    for row in rows:
        if row.plan is not None and emit is not None:
            emit("\n".join(_lines(row.plan)))


def _lines(plan: UpgradePlan) -> Iterator[str]:
    versions = [
        f"{f'{found.path} ({found.slug})' if found.path else found.slug} {found.from_version} -> {found.to_version}"
        for found in plan.upgrades
    ]
    yield f"~ {plan.address}: {', '.join(versions)}"
    for change in plan.changes:
        text = _in_words(change)
        yield f"    {_SIGNS[change.kind]} {text if len(text) <= _MAX_SHOWN else f'{text[:_MAX_SHOWN]}…'}"


def _in_words(change: UpgradeChange) -> str:
    secret = f" = {HIDDEN}" if change.secret else ""
    if change.kind in ("moved", "copied"):
        word = " (a copy)" if change.kind == "copied" else ""
        return f"{change.source} -> {change.path}{word}{secret}"
    if change.secret:
        return f"{change.path}{secret}"
    values = [
        repr(value) if isinstance(value, str) else cell_text(value) or "nothing" for value in _values(change)
    ]
    return f"{change.path} = {' -> '.join(values)}"


def _values(change: UpgradeChange) -> list[Any]:
    if change.kind == "changed":
        return [change.before, change.after]
    return [change.before if change.kind == "dropped" else change.after]


def _confirm(ctx: click.Context, count: int, *, yes: bool) -> None:
    from blocks_registry.cli.secret_input import is_terminal

    what = "1 block" if count == 1 else f"{count} blocks"
    if yes:
        return
    if not is_terminal():
        raise click.UsageError(
            f"There is no terminal to ask on whether to upgrade {what}. Give --yes, or --plan."
        )
    if not click.confirm(f"Upgrade {what}?", err=True):
        emit_note("Nothing was changed.")
        ctx.exit(1)


def _emit(rows: list[_Row], output: str, *, only_plan: bool) -> None:
    if output == "json":
        emit_json([_record(row) for row in rows])
        return
    for row in rows:
        if row.outcome == "upgraded":
            emit_text(f"Upgraded {row.address}, version {row.version}.")
        elif row.outcome == "current":
            emit_text(f"{row.address} is stored in the form of the installed version.")
        elif row.outcome == "failed":
            emit_note(f"{row.address}: {row.problem}")
    counts = {
        outcome: sum(row.outcome == outcome for row in rows) for outcome in ("planned", "upgraded", "failed")
    }
    if not rows:
        emit_text(
            "Nothing to upgrade: no block of an installed type is stored in an older form than its version's."
        )
    elif only_plan:
        emit_text(f"Plan: {counts['planned']} to upgrade, {counts['failed']} that cannot be.")
    elif counts["upgraded"]:
        emit_note('"block restore SLUG/NAME" undoes it.')


def _record(row: _Row) -> dict[str, Any]:
    plan = row.plan
    return {
        "address": row.address,
        "outcome": row.outcome,
        "version": row.version,
        "upgrades": [vars(found) for found in plan.upgrades] if plan else [],
        "changes": [vars(change) for change in plan.changes] if plan else [],
        "problem": row.problem or None,
    }
