"""`block plugin new`."""

from __future__ import annotations

from pathlib import Path

import click

from blocks_registry.output import emit_text, examples

_CAPABILITIES = ("none", "storage", "notifier", "credentials", "secret-source", "infrastructure")


@click.command(
    "new",
    epilog=examples(
        "block plugin new acme-queue",
        "block plugin new acme-files --capability storage",
        "block plugin new acme-chat --capability notifier --slug acme-webhook --into plugins",
    ),
)
@click.argument("name")
@click.option(
    "--capability",
    type=click.Choice(_CAPABILITIES),
    default="none",
    show_default=True,
    help="What the block type can do for others.",
)
@click.option("--slug", help="Slug of the block type.  [default: NAME, without a leading 'blocks-']")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder that the new folder is made in.  [default: the current one]",
)
def new(name: str, capability: str, slug: str | None, into: Path) -> None:
    """Write a plugin to start from: a package with one small block type that works, and its tests.

    It passes the conformance kit, the type checker and the check of its docs as it is; replace the block type by
    yours.
    """
    from blocks_registry.authoring.new_plugin import NewPlugin  # late: the help needs none of it
    from blocks_registry.authoring.scaffolding import write_plugin

    plugin = NewPlugin.named(name, slug=slug, capability=capability)
    written = write_plugin(plugin, into)
    folder = into / plugin.distribution
    emit_text(f"Wrote {folder}:")
    for path in written:
        emit_text(f"  {path.relative_to(folder)}")
    emit_text(
        f"\nNext:\n"
        f"  cd {folder}\n"
        f"  make test                     # tools come into .venv; all of it passes as it is\n"
        f"  edit src/{plugin.package}/{plugin.kind.module}.py\n"
        f"  make write                    # renews the manifest and the page"
    )
