"""`block export`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from blocks_registry.output import emit_note, examples

if TYPE_CHECKING:  # start-up time: the help needs none of it
    from collections.abc import Iterator

    from blocks_core.document import Json
    from blocks_core.registry import Registry
    from blocks_registry.declaring import Exported, ExportOptions

_STANDARD_OUTPUT = "-"


@click.command(
    epilog=examples(
        "block export > blocks.yaml",
        "block export s3/raw-data aws-credentials/prod",
        "block export --type s3 -l team=data --to s3.yaml",
        "block export --to blocks/     # a file for each block, such as blocks/s3/raw-data.yaml",
        "block export --reveal-secrets --to backup.yaml",
    )
)
@click.argument("addresses", nargs=-1, metavar="[SLUG/NAME]...")
@click.option("--type", "slug", metavar="SLUG", help="Only blocks of this type.")
@click.option(
    "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only blocks with this label."
)
@click.option("--to", metavar="FILE|DIR|-", help="Where to. [default: standard output]")
@click.option(
    "--reveal-secrets", is_flag=True, help="The values of secrets, too. Needs --to; the audit remembers it."
)
def export(
    addresses: tuple[str, ...],
    slug: str | None,
    labels: tuple[str, ...],
    to: str | None,
    reveal_secrets: bool,
) -> None:
    """Write saved blocks as "block apply" reads them; without SLUG/NAME all of them.

    The same blocks are always the same text, so that differences between two exports are those of the blocks. A
    secret stands there as {secret: keep}, which leaves what is saved where the file is applied, a reference to a
    secret as {ref: ...}. No plugin is needed, and no key unless secrets are revealed.

    With --reveal-secrets the values of secrets stand in the file, readable by you alone (mode 0600). They never go to
    standard output, unless that is asked for by "--to -".
    """
    from blocks_registry.cli.block_commands import labels_from
    from blocks_registry.declaring import ExportOptions
    from blocks_registry.opening import open_registry

    if reveal_secrets and to is None:
        raise click.UsageError(
            "--reveal-secrets needs --to FILE, so that secrets are not shown by mistake; --to - is standard output."
        )
    if addresses and (slug or labels):
        raise click.UsageError("Give addresses, or --type and -l, not both.")
    options = ExportOptions(addresses, slug, labels_from(labels), reveal_secrets)
    with closing(open_registry()) as registry:
        count = _written(_exported(registry, options, to), to, private=reveal_secrets)
    if not count:
        emit_note("No block is saved that was asked for.")
    elif to not in (None, _STANDARD_OUTPUT):
        emit_note(f"Exported {count} {'block' if count == 1 else 'blocks'} to {to}.")


def _exported(registry: Registry, options: ExportOptions, to: str | None) -> Iterator[Exported]:
    """Yield the blocks as text, having noted what there is to know of them."""
    from blocks_registry.cli.plan_view import progress
    from blocks_registry.declaring import chosen, export_blocks

    summaries = chosen(registry, options)
    with progress("Exporting", len(summaries)) as tick:
        for exported in export_blocks(registry, summaries, reveal_secrets=options.reveal_secrets):
            if exported.broken:
                emit_note(
                    f"Warning: {exported.address} holds a block that is not there any more "
                    f"({', '.join(exported.broken)}). Its id stands in its place."
                )
            if exported.revealed:
                fields: Json = list(exported.revealed)
                registry.note("block.revealed", exported.address, {"fields": fields, "to": to})
            tick()
            yield exported


def _written(exported: Iterator[Exported], to: str | None, *, private: bool) -> int:
    """Write the blocks to where they are wanted and return how many there were."""
    from blocks_registry.declaring import documents, is_folder, write_file, write_folder

    count = 0

    def counted() -> Iterator[Exported]:
        nonlocal count
        for block in exported:
            count += 1
            yield block

    if to is None or to == _STANDARD_OUTPUT:
        for piece in documents(counted()):
            click.echo(piece.encode(), nl=False)
    elif is_folder(to):
        stale = write_folder(to, counted(), private=private)
        if stale:
            more = f" and {len(stale) - 5} more" if len(stale) > 5 else ""
            emit_note(f"These files there stand for no exported block: {', '.join(stale[:5])}{more}.")
    else:
        write_file(to, documents(counted()), private=private)
    return count
