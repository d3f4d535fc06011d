"""`block ls`, `inspect`, `check` and `delete`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from blocks_core.document import Document, Json, dotted
from blocks_core.errors import BlockInUse, did_you_mean
from blocks_core.names import check_labels, join_address, split_address, suggest
from blocks_core.records import Summary, Usage
from blocks_core.registry import Registry
from blocks_core.secret_reference import MARK
from blocks_registry.cli.unknown_types import naming_unknown_types, registered_type
from blocks_registry.output import (
    HIDDEN,
    cell_text,
    emit_json,
    emit_note,
    emit_record,
    emit_rows,
    emit_text,
    examples,
    output_option,
)

_MAX_USAGES = 5
"""Shown to people; in JSON there are all."""


@click.command(
    epilog=examples(
        "block ls", "block ls --type s3", "block ls -l team=data", "block ls --capability storage -o json"
    )
)
@click.option("--type", "slug", metavar="SLUG", help="Only blocks of this type.")
@click.option("--capability", metavar="WORD", help="Only blocks that can do this, such as storage.")
@click.option(
    "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only blocks with this label."
)
@output_option
def list_blocks(slug: str | None, capability: str | None, labels: tuple[str, ...], output: str) -> None:
    """List the saved blocks, nothing of their content, and when each was loaded for the last time."""
    from blocks_registry.opening import open_registry  # late, here and below: the help needs no registry

    with closing(open_registry()) as registry:
        wanted = labels_from(labels)
        found = registry.find(slug, labels=wanted)
        if slug is not None and not found:
            registered_type(registry, slug)  # a slug that nobody registered is an error, with what was meant
        rows = [_row(summary) for summary in found if not capability or capability in summary.capabilities]
        empty = _why_empty(registry, slug, capability, wanted) if not rows else ""
    columns = [
        ("address", "Block"),
        ("capabilities", "Capabilities"),
        ("version", "Version"),
        ("saved_at", "Saved at"),
        ("last_used_at", "Last used"),
    ]
    if output == "table" and any(row["labels"] for row in rows):
        rows = [row | {"labels": [f"{key}={value}" for key, value in row["labels"].items()]} for row in rows]
        columns.append(("labels", "Labels"))
    emit_rows(output, rows, columns, empty)


@click.command(epilog=examples("block inspect s3/raw-data", "block inspect s3/raw-data -o json"))
@click.argument("address", metavar="SLUG/NAME")
@click.option("--version", type=int, metavar="N", help="An older version. [default: the newest]")
@click.option("--stored", is_flag=True, help="Its stored form, with example secrets: for tests of upgrades.")
@output_option
def inspect(address: str, version: int | None, stored: bool, output: str) -> None:
    """Show a saved block: its fields without its secrets, which blocks hold it, and who loaded it last.

    Neither the plugin nor the key is needed. In JSON a secret is null and "secrets" lists the paths; one that is
    kept elsewhere is {"ref": "env:NAME"}, as --from-file of "block create" takes it.
    """
    from blocks_registry.opening import open_registry

    slug, name = split_address(address)
    with closing(open_registry()) as registry, naming_unknown_types(registry, slug):
        document = registry.read(slug, name, version=version)
        if stored:
            from blocks_registry.cli.stored_form import example_of  # late: of plugin authors only

            emit_json(example_of(document.content))
            return
        addresses = registry.addresses(found for _, found in document.content.references())
        users = registry.users(slug, name)
        usages = registry.usages(slug, name)
    references = {
        pointer: addresses.get(found, f"{found} (deleted)")
        for pointer, found in document.content.references()
    }
    if output == "json":
        emit_json(_full_record(document, references, users, usages))
    else:
        emit_record(output, _short_record(document, references, users, usages))


@click.command(epilog=examples("block check s3/raw-data", "block check slack-webhook/ops -o json"))
@click.argument("address", metavar="SLUG/NAME")
@output_option
@click.pass_context
def check(ctx: click.Context, address: str, output: str) -> None:
    """Try what a saved block is for, one permission after the other.

    The exit code is 1 when one of them is missing.
    """
    from blocks_core.block import Block
    from blocks_registry.checking import run_check
    from blocks_registry.opening import open_library

    slug, name = split_address(address)
    with closing(open_library()) as library:
        library.type(slug)
        block = library.load(Block, join_address(slug, name))
        results = [asdict(result) for result in run_check(block).results]
    if output == "table":
        results = [
            row | {"mark": "ok" if row["ok"] else "FAILED", "ms": f"{row['seconds'] * 1000:.0f}"}
            for row in results
        ]
    columns = (("mark", ""), ("name", "Permission"), ("ms", "ms"), ("detail", "Detail"))
    emit_rows(output, results, columns, empty=f"{address} is saved and loads; its type checks nothing more.")
    if not all(row["ok"] for row in results):
        ctx.exit(1)


@click.command(epilog=examples("block delete s3/raw-data", "block delete s3/raw-data --yes"))
@click.argument("address", metavar="SLUG/NAME")
@click.option("--force", is_flag=True, help="Also where other blocks hold it: these will then fail to load.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.pass_context
def delete(ctx: click.Context, address: str, force: bool, yes: bool) -> None:
    """Delete a saved block with all its versions.

    It asks first; where there is no terminal to ask on, it needs --yes. A block that others hold is not
    deleted, unless forced.
    """
    from blocks_registry.cli.secret_input import is_terminal
    from blocks_registry.opening import open_registry

    slug, name = split_address(address)
    with closing(open_registry()) as registry, naming_unknown_types(registry, slug):
        users = registry.users(slug, name)
        if users and not force:
            raise BlockInUse(address, users)
        if not yes and not is_terminal():
            raise click.UsageError(
                f"There is no terminal to ask on whether to delete {address} with all its versions. Give --yes."
            )
        if not yes:
            held = f" It is held by {', '.join(users)}." if users else ""
            if not click.confirm(f"Delete {address} with all its versions?{held}", err=True):
                emit_note("Nothing was deleted.")
                ctx.exit(1)
        registry.delete(slug, name, force=force)
    emit_text(f"Deleted {address}.")


def _row(summary: Summary) -> dict[str, Any]:
    return {
        "address": join_address(summary.slug, summary.name),
        "slug": summary.slug,
        "name": summary.name,
        "id": summary.id,
        "version": summary.version,
        "type_version": summary.type_version,
        "capabilities": list(summary.capabilities),
        "saved_at": summary.saved_at,
        "labels": dict(summary.labels),
        "last_used_at": summary.last_used_at,
    }


def labels_from(words: Sequence[str]) -> dict[str, str]:
    """Return the labels that were given as KEY=VALUE.

    Raises:  UsageError, NameInvalid.
    """
    pairs = [word.partition("=") for word in words]
    if any(not equals for _, equals, _ in pairs):
        raise click.UsageError("--label needs KEY=VALUE, such as --label team=data.")
    return check_labels({key: value for key, _, value in pairs})


def _why_empty(
    registry: Registry, slug: str | None, capability: str | None, labels: Mapping[str, str]
) -> str:
    of_type = f" of the type '{slug}'" if slug else ""
    if labels:
        wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
        return f"No block{of_type} is saved that is labelled {wanted}."
    if capability:
        known = {word for block_type in registry.types() for word in block_type.capabilities}
        hint = "" if capability in known else did_you_mean(suggest(capability, known))
        return f"No block{of_type} is saved that has the capability '{capability}'{hint}."
    return f'No block{of_type} is saved. Save one: "block create {slug or "SLUG"} NAME".'


def _full_record(
    document: Document, references: dict[str, str], users: list[str], usages: list[Usage]
) -> dict[str, Any]:
    marks = document.content.marks
    return {
        "address": document.address,
        "slug": document.slug,
        "name": document.name,
        "id": document.id,
        "version": document.version,
        "type_version": document.type_version,
        "saved_at": document.saved_at,
        "saved_by": document.saved_by,
        "action": document.action,
        "labels": dict(document.labels),
        "fields": _fields(document, references, None),
        "secrets": [dotted(pointer) for pointer, mark in marks.items() if mark.startswith("secret:")],
        "secret_references": {
            dotted(pointer): _value_at(document.content.data, pointer)
            for pointer, mark in marks.items()
            if mark.startswith(MARK)
        },
        "references": {dotted(pointer): address for pointer, address in references.items()},
        "inline": {
            dotted(pointer): mark.removeprefix("inline:")
            for pointer, mark in marks.items()
            if mark.startswith("inline:")
        },
        "used_by": users,
        "usages": [_usage_record(usage) for usage in usages],
    }


def _usage_record(usage: Usage) -> dict[str, Any]:
    actor = usage.actor
    return {
        "kind": actor.kind,
        "name": actor.name,
        "id": actor.id,
        "user": actor.user,
        "version": usage.version,
        "uses": usage.uses,
        "first_used_at": usage.first_used_at,
        "last_used_at": usage.last_used_at,
    }


def _short_record(
    document: Document, references: dict[str, str], users: list[str], usages: list[Usage]
) -> dict[str, Any]:
    return {
        "block": document.address,
        "version": document.version,
        "type_version": document.type_version,
        "saved_at": document.saved_at,
        "saved_by": document.saved_by,
        **(
            {"labels": [f"{key}={value}" for key, value in document.labels.items()]}
            if document.labels
            else {}
        ),
        "used_by": users,
        "last_used": "\n".join(_last_use(usage) for usage in usages[:_MAX_USAGES]),
        "fields": _fields(document, references, HIDDEN),
    }


def _last_use(usage: Usage) -> str:
    actor = usage.actor
    run = f" ({actor.id})" if actor.id else ""
    whose = f" of {actor.user}" if actor.user else ""
    times = "once" if usage.uses == 1 else f"{usage.uses} times"
    what = f"version {usage.version}, {times}"
    return f"{cell_text(usage.last_used_at)} by the {actor.kind} '{actor.name}'{run}{whose}: {what}"


def _fields(document: Document, references: dict[str, str], hide: str | None) -> Json:
    from blocks_core.decoding import fill_in

    fields = fill_in(document.content, hide=hide)
    for pointer, address in references.items():
        _put(fields, pointer, address)
    for pointer, mark in document.content.marks.items():
        if mark.startswith(MARK):
            text = _value_at(fields, pointer)
            _put(fields, pointer, {"ref": text} if hide is None else f"{text} (secret reference)")
    return fields


def _put(container: Any, pointer: str, value: Json) -> None:
    container, last = _place_of(container, pointer)
    container[last] = value


def _value_at(container: Any, pointer: str) -> Any:
    container, last = _place_of(container, pointer)
    return container[last]


def _place_of(container: Any, pointer: str) -> tuple[Any, str | int]:
    *above, last = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    for step in above:
        container = container[_key(container, step)]
    return container, _key(container, last)


def _key(container: Any, step: str) -> str | int:
    return int(step) if isinstance(container, list) else step
