"""`block plugin docs`."""

from __future__ import annotations

from pathlib import Path

import click

from blocks_registry.output import emit_note, emit_text, examples


@click.command(
    "docs",
    epilog=examples(
        "block plugin docs acme_queue",
        "block plugin docs acme_queue --check",
        "block plugin docs blocks_aws blocks_gcp --to docs/blocks --catalog",
    ),
)
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs"),
    show_default=True,
    help="Folder of the pages.",
)
@click.option(
    "--catalog", is_flag=True, help="Write README.md there, too: all the types by what they are for."
)
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; show what differs, and the exit code is 1 if anything does.",
)
@click.pass_context
def docs(ctx: click.Context, packages: tuple[str, ...], folder: Path, catalog: bool, check: bool) -> None:
    """Write the page of each block type of a package: SLUG.md, from its class.

    Title, docstring, fields and the docstring's example are written; what is below the line that says so is the
    author's and is kept as it is.
    """
    from blocks_registry.authoring.catalog_page import FILE_NAME, catalog_text  # late: they import plugins
    from blocks_registry.authoring.offered_types import types_of
    from blocks_registry.authoring.pages import page_text
    from blocks_registry.authoring.written_files import PlannedFile, read_text, write_all

    types = [offered for package in dict.fromkeys(packages) for offered in types_of(package)]
    planned: list[PlannedFile] = []
    for offered in types:
        file = folder / f"{offered.block_type.slug}.md"
        before = read_text(file)
        planned.append(PlannedFile(file, page_text(offered.block_type, before, file), before))
    if catalog:
        file = folder / FILE_NAME
        before = read_text(file)
        planned.append(PlannedFile(file, catalog_text(types, folder, before), before))
    changed = [found for found in planned if found.changes]
    if not changed:
        emit_text(f"{len(planned)} {'page is' if len(planned) == 1 else 'pages are'} up to date in {folder}.")
    elif check:
        for found in changed:
            emit_text(found.difference())
        names = ", ".join(found.path.name for found in changed)
        emit_note(f'Out of date: {names}. Renew with "block plugin docs", as above without --check.')
        ctx.exit(1)
    else:
        for path in write_all(changed):
            emit_text(f"Wrote {path}.")
