"""`block history`, `diff`, `restore` and `rename`."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from blocks_core.document import Json
from blocks_core.errors import BlockNotFound, NameInvalid
from blocks_core.names import check_name, join_address, split_address
from blocks_core.records import FieldChange, VersionSummary
from blocks_core.registry import Registry
from blocks_registry.cli.secret_input import is_terminal
from blocks_registry.cli.unknown_types import naming_unknown_types
from blocks_registry.output import (
    HIDDEN,
    cell_text,
    emit_note,
    emit_record,
    emit_rows,
    emit_text,
    examples,
    output_option,
)


@click.command(epilog=examples("block history s3/raw-data", "block history s3/raw-data -o json"))
@click.argument("address", metavar="SLUG/NAME")
@output_option
def history(address: str, output: str) -> None:
    """List the versions of a saved block, the newest first.

    Every save is a version. "block diff" compares two of them, "block restore" brings one back.
    """
    from blocks_registry.opening import open_registry  # late, here and below: the help needs no registry

    slug, name = split_address(address)
    with closing(open_registry()) as registry, naming_unknown_types(registry, slug):
        rows = [_row(found) for found in registry.history(slug, name)]
    columns = (
        ("version", "Version"),
        ("action", "What"),
        ("saved_at", "Saved at"),
        ("saved_by", "By"),
        ("type_version", "Type version"),
    )
    emit_rows(output, rows, columns)


@click.command(
    epilog=examples("block diff s3/raw-data", "block diff s3/raw-data 2", "block diff s3/raw-data 2 5")
)
@click.argument("address", metavar="SLUG/NAME")
@click.argument("old", type=int, required=False)
@click.argument("new", type=int, required=False)
@output_option
def diff(address: str, old: int | None, new: int | None, output: str) -> None:
    """Show how version OLD of a saved block became version NEW.

    Without NEW it is the newest version, without OLD the one before it. Of a secret only whether it differs is
    shown: the values are compared and never printed.
    """
    from blocks_registry.opening import open_registry

    slug, name = split_address(address)
    with closing(open_registry()) as registry, naming_unknown_types(registry, slug):
        old, new = _versions(registry, slug, name, old, new)
        changes = registry.diff(slug, name, old, new)
    if output == "json":
        rows = [_change_record(change) for change in changes]
        emit_record(output, {"address": address, "old": old, "new": new, "changes": rows})
        return
    rows = [{"path": change.path, "kind": change.kind, "how": describe_change(change)} for change in changes]
    empty = f"Versions {old} and {new} of {address} do not differ."
    emit_rows(
        output, rows, (("path", "Field"), ("kind", "Change"), ("how", f"Version {old} -> {new}")), empty
    )


@click.command(epilog=examples("block restore s3/raw-data", "block restore s3/raw-data 3 --yes"))
@click.argument("address", metavar="SLUG/NAME")
@click.argument("version", type=int, required=False)
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@output_option
@click.pass_context
def restore(ctx: click.Context, address: str, version: int | None, yes: bool, output: str) -> None:
    """Bring an older VERSION of a saved block back, secrets included.

    Without VERSION it is the one before the newest, which undoes the last save. What is restored becomes the newest
    version; nothing of the history is lost, so a restore can be undone by another.
    """
    from blocks_registry.opening import open_registry

    slug, name = split_address(address)
    with closing(open_registry()) as registry, naming_unknown_types(registry, slug):
        version, newest = _versions(registry, slug, name, version, None)
        changes = registry.diff(slug, name, newest, version)
        if not changes:
            emit_note(f"Version {version} of {address} is what version {newest} is. Nothing was changed.")
            return
        if not yes:
            for change in changes:
                emit_note(f"  {change.path}: {change.kind}, {describe_change(change)}")
            _confirm(ctx, f"Restore version {version} of {address}?")
        document = registry.restore(slug, name, version)
    if output == "json":
        emit_record(output, {"address": address, "version": document.version, "restored": version})
    else:
        emit_text(f"Restored version {version} of {address} as version {document.version}.")


@click.command(epilog=examples("block rename s3/raw-data raw", "block rename s3/raw-data s3/raw"))
@click.argument("address", metavar="SLUG/NAME")
@click.argument("new_name", metavar="NEW_NAME")
@output_option
def rename(address: str, new_name: str, output: str) -> None:
    """Give a saved block another name.

    It keeps its id, its versions and its secrets, and blocks that hold it still do. Programs that load it by its old
    name do not: the ones that did lately are listed.
    """
    from blocks_registry.opening import open_registry

    slug, name = split_address(address)
    new = _new_name(slug, new_name)
    with closing(open_registry()) as registry, naming_unknown_types(registry, slug):
        usages = registry.usages(slug, name)
        document = registry.rename(slug, name, new)
    if output == "json":
        emit_record(output, {"address": document.address, "was": address, "id": document.id})
        return
    emit_text(f"Renamed {address} to {document.address}.")
    for usage in usages[:5]:
        actor = usage.actor
        emit_note(
            f"It was loaded by {actor.kind} '{actor.name}' of {actor.user or '?'} at {cell_text(usage.last_used_at)}."
        )


def describe_change(change: FieldChange) -> str:
    """Return a change of a field in words; of a secret, that it is one."""
    if change.secret:
        return HIDDEN
    if change.kind == "added":
        return _value(change.after)
    if change.kind == "removed":
        return _value(change.before)
    return f"{_value(change.before)} -> {_value(change.after)}"


def _value(value: Json) -> str:
    if value is None:
        return "nothing"
    return (
        f'"{value}"'
        if isinstance(value, str)
        else cell_text(value)
        if not isinstance(value, list)
        else str(value)
    )


def _row(found: VersionSummary) -> dict[str, Any]:
    return {
        "version": found.version,
        "action": found.action,
        "saved_at": found.saved_at,
        "saved_by": found.saved_by,
        "type_version": found.type_version,
    }


def _change_record(change: FieldChange) -> dict[str, Any]:
    return {
        "path": change.path,
        "change": change.kind,
        "secret": change.secret,
        "before": change.before,
        "after": change.after,
    }


def _versions(registry: Registry, slug: str, name: str, old: int | None, new: int | None) -> tuple[int, int]:
    """Return the versions that are meant: the newest, and the one before it, where none was given."""
    newest = registry.history(slug, name)[0].version
    new = newest if new is None else new
    old = new - 1 if old is None else old
    if old < 1:
        address = join_address(slug, name)
        raise (
            BlockNotFound(address, version=old)
            if newest > 1
            else click.UsageError(f"{address} has only one version, so there is none before it.")
        )
    return old, new


def _new_name(slug: str, new_name: str) -> str:
    """Return a name that may be given with the slug before it, which cannot change."""
    if "/" not in new_name:
        return check_name(new_name)
    new_slug, name = split_address(new_name)
    if new_slug != slug:
        raise NameInvalid(
            f"A block cannot become one of another type: '{new_name}' is no name for a block of the type '{slug}'."
        )
    return name


def _confirm(ctx: click.Context, question: str) -> None:
    if not is_terminal():
        raise click.UsageError(f"There is no terminal to ask on: {question} Give --yes.")
    if not click.confirm(question, err=True):
        emit_note("Nothing was changed.")
        ctx.exit(1)
