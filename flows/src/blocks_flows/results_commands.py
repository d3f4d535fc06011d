"""`block flow results clean`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import click

from blocks_flows.results import DefaultResult, collect_expired, load_storage
from blocks_registry.output import emit_record, examples, output_option

_DEFAULT: Final = "default"


@click.group(
    "results", epilog=examples("block flow results clean s3/results", "block flow results clean default")
)
def results() -> None:
    """Look after the files that tasks keep their values in."""


@results.command(
    "clean",
    epilog=examples(
        "block flow results clean s3/results --dry-run",
        "block flow results clean s3/results --prefix cache",
        "block flow results clean default -o json",
    ),
)
@click.argument("storage", metavar="STORAGE")
@click.option("--prefix", default="", metavar="FOLDER", help="Only files below this folder.")
@click.option("--dry-run", is_flag=True, help="Remove nothing, and tell what would be removed.")
@output_option
def clean(storage: str, prefix: str, dry_run: bool, output: str) -> None:
    """Remove results and cached values whose time is over.

    STORAGE is the address of a storage block, such as s3/results, or 'default' for where cached values are
    kept when nobody says where. Files that are no results are left alone.
    """
    place = DefaultResult() if storage == _DEFAULT else storage
    found = collect_expired(load_storage(place), prefix, dry_run=dry_run)
    emit_record(output, {"dry_run": dry_run, **asdict(found)})
    if found.failed:
        raise click.exceptions.Exit(1)
