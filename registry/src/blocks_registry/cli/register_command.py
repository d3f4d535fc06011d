"""`block register`."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blocks_core.discovery import read_offers
from blocks_registry.cli.unknown_types import class_name
from blocks_registry.output import emit_note, emit_rows, examples, output_option
from blocks_registry.registering import Outcome, register_all, register_file, register_module
from blocks_registry.schema_paths import SchemaReader

if TYPE_CHECKING:
    from blocks_core.library import Library

_COLUMNS = (
    ("slug", "Slug"),
    ("title", "Title"),
    ("version", "Version"),
    ("outcome", "Outcome"),
    ("distribution", "Distribution"),
)


@click.command(
    epilog=examples("block register -m blocks_aws", "block register -f my_blocks.py", "block register --all")
)
@click.option("-m", "--module", metavar="MODULE", help="A package, or one of its modules.")
@click.option("-f", "--file", type=click.Path(path_type=Path), metavar="FILE", help="A Python file to run.")
@click.option("--all", "everything", is_flag=True, help="All that is installed.")
@output_option
@click.pass_context
def register(
    ctx: click.Context, module: str | None, file: Path | None, everything: bool, output: str
) -> None:
    """Make the block types of a plugin, of a module of yours or of one file known to the registry.

    Registering again is harmless: it brings titles and schemas up to date. A change that saved blocks may
    not fit is refused. A type that cannot be registered harms no other; the exit code is then 1.
    """
    if (module is not None) + (file is not None) + everything != 1:
        raise click.UsageError("Give one of -m MODULE, -f FILE and --all.")
    from blocks_registry.opening import open_library  # late, here and below: the help needs no registry

    with closing(open_library()) as library, redirect_stdout(sys.stderr):  # of modules that print
        if module is not None:
            outcomes = register_module(library, module)
        elif file is not None:
            outcomes = register_file(library, file)
        else:
            outcomes = register_all(library)
        stored = {outcome.slug: _stored_before(library, outcome) for outcome in outcomes}
    emit_rows(
        output,
        [_row(outcome, stored[outcome.slug]) for outcome in outcomes],
        _COLUMNS,
        empty="No installed distribution offers block types. Install a plugin, such as blocks-standard.",
    )
    failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
    if output == "table":
        for outcome in failed:
            emit_note(f"{outcome.slug}: {outcome.problem}".replace("\n", " "))
        for outcome in outcomes:
            _say_what_is_outdated(outcome, stored[outcome.slug], _source(outcome, module, file))
        _say_what_is_next(outcomes)
    if failed:
        ctx.exit(1)


def _stored_before(library: Library, outcome: Outcome) -> Counter[int]:
    """Return how many blocks are stored by each older version of a type that was registered."""
    known = outcome.block_type
    if known is None or known.version == 1:
        return Counter()
    versions = Counter(summary.type_version for summary in library.registry.find(known.slug))
    return Counter({version: count for version, count in versions.items() if version < known.version})


def _source(outcome: Outcome, module: str | None, file: Path | None) -> str:
    """Return the option that another command needs to find a type; empty where it is installed."""
    if _is_installed(outcome.slug):
        return ""
    return f" -f {file}" if file else f" -m {module}"


def _is_installed(slug: str) -> bool:
    return any(offer.name == slug for offer in read_offers("blocks.types"))


def _say_what_is_outdated(outcome: Outcome, stored: Counter[int], source: str) -> None:
    known = outcome.block_type
    if known is None or not stored:
        return
    versions = ", ".join(f"{count} by version {version}" for version, count in sorted(stored.items()))
    missing = _missing_upgrades(outcome, stored)
    what = known.slug
    if missing:
        listed = ", ".join(f"{start} to {start + 1}" for start in missing)
        lost = sum(count for version, count in stored.items() if version <= max(missing))
        emit_note(
            f"{what}: Warning: {_blocks(lost)} cannot be loaded, as there is no upgrade from version {listed} "
            f"(stored: {versions}). Add it to the class with @upgrades, or install a release that has it."
        )
    else:
        emit_note(
            f"{what}: {_blocks(stored.total())} stored by older versions ({versions}), upgraded when loaded. "
            f'Write them back: "block upgrade --type {what}{source}".'
        )


def _missing_upgrades(outcome: Outcome, stored: Counter[int]) -> list[int]:
    from blocks_core.chain import missing_steps

    known = outcome.block_type
    return missing_steps(min(stored), known.version, known.upgrades) if known and stored else []


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count} blocks"


def _row(outcome: Outcome, stored: Counter[int]) -> dict[str, Any]:
    known = outcome.block_type
    return {
        "slug": outcome.slug,
        "title": known.title if known else None,
        "version": known.version if known else None,
        "outcome": outcome.outcome,
        "distribution": outcome.distribution,
        "problem": outcome.problem or None,
        "stored_before": {str(version): count for version, count in sorted(stored.items())},
        "missing_upgrades": _missing_upgrades(outcome, stored),
    }


def _say_what_is_next(outcomes: list[Outcome]) -> None:
    known = next((outcome.block_type for outcome in outcomes if outcome.block_type), None)
    if known is None:
        return
    if _is_installed(known.slug):
        options = SchemaReader(known.schema).example_options()
        emit_note(f"Next: {' '.join(['block create', known.slug, 'NAME', *options])}")
    else:  # of a file or a module of one's own: no other process finds its class by the slug
        emit_note(f"Next, in Python: {class_name(known)}(...).save('NAME')")
