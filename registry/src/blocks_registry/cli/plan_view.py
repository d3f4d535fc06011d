"""How a plan, and what is wrong with what was declared, is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from blocks_core.document import Document
from blocks_core.records import FieldChange
from blocks_registry.cli.version_commands import describe_change
from blocks_registry.declaring import Plan, PlannedBlock
from blocks_registry.errors import DeclarationInvalid
from blocks_registry.output import emit_note

_SIGNS = {"new": "+", "changed": "~", "deleted": "-"}
_MAX_SHOWN = 200
_MANY = 50


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the lines that show what a plan would do; nothing of blocks that stay as they are."""
    for block in plan.blocks:
        if block.action != "unchanged":
            yield f"{_SIGNS[block.action]} {block.address}: {_what(block)}"
            yield from (f"    {line}" for line in _details(block))
    counts = [f"{plan.count(action)} {action}" for action in ("new", "changed", "deleted", "unchanged")]
    yield f"Plan: {', '.join(counts)}."


def plan_record(plan: Plan, *, applied: Mapping[str, Document] | None = None) -> dict[str, Any]:
    """Return a plan for programs.

    Args:    applied: the documents that it left, by address; None where it was not carried out.
    """
    return {
        "changes": bool(plan.edits),
        "applied": applied is not None,
        **{action: plan.count(action) for action in ("new", "changed", "deleted", "unchanged")},
        "types": sorted(str(block_type.type_info.slug) for block_type in plan.types),
        "blocks": [_block_record(block, (applied or {}).get(block.address)) for block in plan.blocks],
    }


def note_secrets_in_clear(plan: Plan) -> None:
    """Warn of files that hold secrets in clear."""
    files: dict[str, list[str]] = {}
    for block in plan.blocks:
        files.setdefault(block.source, []).extend(f"{block.address}, {path}" for path in block.in_clear)
    for source, places in files.items():
        if places:
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            emit_note(
                f"Warning: {source} holds secrets in clear ({'; '.join(places[:3])}{more}). Keep it out of version "
                f"control, or name them by reference: {{ref: env:NAME}}."
            )


@contextmanager
def showing_problems(ctx: click.Context) -> Generator[None]:
    """Show each problem with what was declared on a line of its own, and end with the exit code 1."""
    try:
        yield
    except DeclarationInvalid as error:
        show_problems(error)
        ctx.exit(1)


def show_problems(error: DeclarationInvalid) -> None:
    """Print each problem on a line of its own, on standard error."""
    for problem in error.problems:
        text = str(problem)
        emit_note(text if text.endswith((".", "?")) else f"{text}.")
    count = "1 problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
    emit_note(f"Error: {count} in what is declared. Nothing was changed.")


@contextmanager
def progress(label: str, length: int) -> Generator[Callable[[], object]]:
    """Show how far a long work is, on a terminal only, and give what is to be called after each step."""
    if length < _MANY or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield lambda: bar.update(1)


def _what(block: PlannedBlock) -> str:
    if block.action == "changed":
        return f"changed, version {block.version} -> {block.version + 1}"
    return "deleted with all its versions" if block.action == "deleted" else "new"


def _details(block: PlannedBlock) -> Iterator[str]:
    if block.type_versions is not None:
        yield f"version of its type: {block.type_versions[0]} -> {block.type_versions[1]}"
    for what, changes in (("", block.changes), ("label ", block.labels)):
        for change in changes:
            if block.action == "new" and change.after is None and not change.secret:
                continue
            text = describe_change(change)
            shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
            word = "" if block.action == "new" else f" {change.kind},"
            yield f"{what}{change.path}:{word} {shown}"


def _block_record(block: PlannedBlock, document: Document | None) -> dict[str, Any]:
    version = document.version if document else None if block.action == "deleted" else block.version
    return {
        "address": block.address,
        "action": block.action,
        "version": version,
        "changes": [_change_record(change) for change in block.changes],
        "labels": [_change_record(change) for change in block.labels],
        "type_version": list(block.type_versions) if block.type_versions else None,
        "source": block.source or None,
    }


def _change_record(change: FieldChange) -> dict[str, Any]:
    return {
        "path": change.path,
        "change": change.kind,
        "secret": change.secret,
        "before": change.before,
        "after": change.after,
    }
