"""`block type ls` and `block type inspect`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click

from blocks_core.schema import BlockType
from blocks_registry.cli.lazy_group import SuggestingGroup
from blocks_registry.cli.unknown_types import registered_type
from blocks_registry.output import emit_json, emit_record, emit_rows, emit_text, examples, output_option
from blocks_registry.schema_paths import SchemaReader, describe_options, is_secret

_COLUMNS = (
    ("slug", "Slug"),
    ("title", "Title"),
    ("capabilities", "Capabilities"),
    ("version", "Version"),
    ("from", "Distribution"),
)
_FIELD_COLUMNS = (
    ("field", "Field"),
    ("takes", "Takes"),
    ("required", "Required"),
    ("default", "Default"),
    ("description", "Description"),
)


@click.group("type", cls=SuggestingGroup, epilog=examples("block type ls", "block type inspect s3"))
def type_group() -> None:
    """See the block types that the registry knows: what they are for and which fields they have."""


@type_group.command("ls", epilog=examples("block type ls", "block type ls -o json"))
@output_option
def list_types(output: str) -> None:
    """List the registered block types."""
    from blocks_registry.opening import open_registry  # late, here and below: the help needs no registry

    with closing(open_registry()) as registry:
        rows = [_row(block_type) for block_type in registry.types()]
    emit_rows(
        output,
        rows,
        _COLUMNS,
        empty='No block type is registered. Register all that is installed: "block register --all".',
    )


@type_group.command("inspect", epilog=examples("block type inspect s3", "block type inspect s3 -o json"))
@click.argument("slug")
@output_option
def inspect_type(slug: str, output: str) -> None:
    """Show a block type: its description, its fields and how code uses it. JSON has its schema too."""
    from blocks_registry.opening import open_registry

    with closing(open_registry()) as registry:
        block_type = registered_type(registry, slug)
    fields = list(_fields(block_type))
    if output == "json":
        emit_json(block_type.to_json() | {"fields": fields} | _tier(block_type))
        return
    row = _row(block_type)
    emit_record(
        output,
        {"type": row["slug"]} | {key: row[key] for key, _ in _COLUMNS[1:]} | _tier_in_short(block_type),
    )
    if block_type.description:
        emit_text(f"\n{block_type.description}")
    emit_text("\nFields\n")
    emit_rows(output, fields, _FIELD_COLUMNS, empty="It has no fields.")
    emit_text(f"\nExample\n\n{block_type.example.rstrip()}")


def _row(block_type: BlockType) -> dict[str, Any]:
    return {
        "slug": block_type.slug,
        "title": block_type.title,
        "description": block_type.description,
        "capabilities": list(block_type.capabilities),
        "version": block_type.version,
        "distribution": block_type.distribution,
        "distribution_version": block_type.distribution_version,
        "from": f"{block_type.distribution} {block_type.distribution_version}".strip(),
    }


def _tier(block_type: BlockType) -> dict[str, Any]:
    """Return the tier of a type whose plugin is installed here, and what the next one lacks."""
    from blocks_core.discovery import read_offers  # late, like the next: for one command
    from blocks_core.quality import quality_of

    offers = [offer for offer in read_offers("blocks.types") if offer.name == block_type.slug]
    if len(offers) != 1:
        return {"tier": None}
    quality = quality_of(offers[0], block_type)
    return {"tier": None if quality.tier == "none" else quality.tier, "tier_lacks": list(quality.lacks)}


def _tier_in_short(block_type: BlockType) -> dict[str, Any]:
    found = _tier(block_type)
    lacks: list[str] = found.pop("tier_lacks", [])
    if not lacks:
        return found
    more = f", and {len(lacks) - 1} more" if len(lacks) > 1 else ""
    return found | {"next_tier_lacks": f"{lacks[0]}{more}"}


def _fields(block_type: BlockType) -> Iterator[dict[str, Any]]:
    for path, node, options, required in SchemaReader(block_type.schema).fields():
        secret = is_secret(options)
        yield {
            "field": path,
            "takes": describe_options(options),
            "required": required,
            "secret": secret,
            "default": None if secret or "default" not in node else json.dumps(node["default"]),
            "description": node.get("description"),
        }
