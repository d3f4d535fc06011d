"""`block plugin`: its words, and of them `ls` and `manifest`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click

from blocks_core.catalog import Catalog, CatalogEntry, load_type
from blocks_core.manifest import manifest_file, manifest_text
from blocks_core.quality import Quality, quality_of
from blocks_core.schema import BlockType, describe
from blocks_registry.authoring.offered_types import offers_of
from blocks_registry.cli.lazy_group import SuggestingGroup
from blocks_registry.cli.plugin_docs import docs
from blocks_registry.cli.plugin_doctor import doctor
from blocks_registry.cli.plugin_new import new
from blocks_registry.errors import ModuleInvalid
from blocks_registry.output import emit_note, emit_rows, emit_text, examples, output_option

_COLUMNS = (
    ("slug", "Slug"),
    ("title", "Title"),
    ("capabilities", "Capabilities"),
    ("from", "Distribution"),
    ("tier", "Tier"),
    ("status", "Status"),
)


@click.group(
    "plugin",
    cls=SuggestingGroup,
    epilog=examples("block plugin ls", "block plugin doctor", "block plugin new acme-queue"),
)
def plugin_group() -> None:
    """See what the installed plugins offer and what is wrong with them, and write a plugin of your own."""


plugin_group.add_command(new)
plugin_group.add_command(doctor)
plugin_group.add_command(docs)


@plugin_group.command("ls", epilog=examples("block plugin ls", "block plugin ls --check -o json"))
@click.option(
    "--check", is_flag=True, help="Import each type, in a process of its own, to see whether it can be."
)
@output_option
@click.pass_context
def list_plugins(ctx: click.Context, check: bool, output: str) -> None:
    """List every block type that an installed distribution offers, how well it is tested, and what is wrong with it.

    The tier follows from what the suites of blocks_core.testing saw of the type; JSON has what the next one lacks.

    Nothing is imported, so a fault that shows only when code runs is not seen without --check; with it the
    exit code is 1 where a type is broken.
    """
    entries = Catalog().entries()
    if check:
        entries = _checked(entries)
    emit_rows(
        output,
        [_row(entry) for entry in entries],
        _COLUMNS,
        empty="No installed distribution offers block types. Install a plugin, such as blocks-standard.",
    )
    if check and any(entry.problem for entry in entries):
        ctx.exit(1)


@plugin_group.command(
    "manifest",
    epilog=examples("block plugin manifest blocks_aws", "block plugin manifest blocks_aws --check"),
)
@click.argument("package")
@click.option(
    "--check", is_flag=True, help="Change nothing; the exit code is 1 where the manifest is out of date."
)
@click.pass_context
def manifest(ctx: click.Context, package: str, check: bool) -> None:
    """Write blocks.json into a plugin's package: from it types are listed without importing the plugin.

    Its content comes from the classes that the package's entry points name.
    """
    offers = offers_of(package)
    file = manifest_file(package)
    if file is None:
        raise ModuleInvalid(
            f"'{package}' is no folder, so blocks.json has no place in it. Make it a folder with an __init__.py."
        )
    text = manifest_text([describe(load_type(offer)) for offer in offers])
    found = file.read_text("utf-8") if file.is_file() else ""
    if found == text:
        emit_text(f"{file} is up to date.")
    elif check:
        emit_note(
            f'{file} is out of date: {_difference(found, text)}. Renew it with "block plugin manifest {package}".'
        )
        ctx.exit(1)
    else:
        file.write_text(text, "utf-8")
        emit_text(f"Wrote {file}: {', '.join(offer.name for offer in offers)}.")


def _row(entry: CatalogEntry) -> dict[str, Any]:
    known: BlockType | None = entry.block_type
    quality = quality_of(entry.offer, known) if known else Quality("none")
    return {
        "slug": entry.offer.name,
        "title": known.title if known else None,
        "capabilities": list(known.capabilities) if known else [],
        "distribution": entry.offer.distribution,
        "distribution_version": entry.offer.distribution_version,
        "from": entry.offer.origin,
        "target": entry.offer.target,
        "tier": None if quality.tier == "none" else quality.tier,
        "tier_lacks": list(quality.lacks),
        "status": f"broken: {entry.problem}" if entry.problem else "ready",
        "problem": entry.problem or None,
    }


def _checked(entries: list[CatalogEntry]) -> list[CatalogEntry]:
    from blocks_registry.probing import probe  # late: needed with --check only

    healthy = [entry for entry in entries if not entry.problem]
    problems = dict(zip(map(id, healthy), probe([entry.offer for entry in healthy]), strict=True))
    return [replace(entry, problem=entry.problem or problems[id(entry)]) for entry in entries]


def _difference(old: str, new: str) -> str:
    before, after = _types_in(old), _types_in(new)
    changed = [slug for slug in sorted(before.keys() | after.keys()) if before.get(slug) != after.get(slug)]
    return f"it differs in {', '.join(changed)}" if changed else "it is written differently"


def _types_in(text: str) -> dict[str, Any]:
    try:
        return {found["slug"]: found for found in json.loads(text)["types"]}
    except (ValueError, KeyError, TypeError):
        return {}
