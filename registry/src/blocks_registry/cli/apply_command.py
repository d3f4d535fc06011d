"""`block apply`."""

from __future__ import annotations

import sys
from contextlib import closing, redirect_stdout
from typing import TYPE_CHECKING

import click

from blocks_registry.output import emit_json, emit_note, emit_text, examples, output_option

if TYPE_CHECKING:  # start-up time: the help needs none of it
    from blocks_core.document import Document
    from blocks_core.library import Library
    from blocks_registry.declaring import Declared, Plan

DRIFTED = 3
"""The exit code of `--plan` where something would change."""


@click.command(
    epilog=examples(
        "block apply -f blocks.yaml",
        "block apply -f blocks/ --overlay prod.yaml --yes",
        "block apply -f blocks.yaml --plan     # exit code 3: something would change",
        "block apply -f blocks/ --prune -l team=data",
        "block export | BLOCKS_HOME=/elsewhere block apply -f - --plan",
    )
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    metavar="FILE|DIR|-",
    help="A file of declarations, a folder of them (*.yaml, *.yml), or - for standard input. Repeatable.",
)
@click.option(
    "--overlay",
    "overlays",
    multiple=True,
    metavar="FILE|DIR",
    help="What differs in one environment, merged over what the files declare. Repeatable; later ones win.",
)
@click.option("--prune", is_flag=True, help="Delete the blocks with these labels that are not declared.")
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label, for --prune.")
@click.option(
    "--plan", "only_plan", is_flag=True, help="Only show what would change; the exit code is then 3."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@output_option
@click.pass_context
def apply(  # noqa: PLR0913 one parameter for each option
    ctx: click.Context,
    files: tuple[str, ...],
    overlays: tuple[str, ...],
    prune: bool,
    labels: tuple[str, ...],
    only_plan: bool,
    yes: bool,
    output: str,
) -> None:
    """Make the saved blocks what files declare.

    First all files are read and checked, and what would change is shown; then all of it is written, or nothing.
    Applying the same again changes nothing and says so. A declaration is the whole of a block:

    \b
      block: s3/raw-data
      labels: {team: data}
      fields:
        bucket: raw
        credentials: aws-credentials/prod          # a block, saved or declared
      ---
      block: aws-credentials/prod
      fields:
        access_key_id: AKIA...
        secret_access_key: {ref: env:AWS_SECRET}   # or {secret: keep}, or {value: ...}

    "block export" writes such files. docs/declarative.md tells the rest.
    """  # noqa: D301 the backspace is click's mark of lines to leave as they are
    from blocks_registry.cli.block_commands import labels_from
    from blocks_registry.cli.plan_view import note_secrets_in_clear, plan_lines, plan_record, showing_problems
    from blocks_registry.declaring import read_declared
    from blocks_registry.opening import open_library

    if prune and not labels:
        raise click.UsageError(
            "--prune needs -l KEY=VALUE: which blocks are to be deleted where nobody declares them."
        )
    if labels and not prune:
        raise click.UsageError("-l goes with --prune. Labels of blocks stand in their declarations.")
    selector = labels_from(labels)
    with closing(open_library()) as library, showing_problems(ctx):
        plan = _planned(library, read_declared(files, overlays), selector)
        note_secrets_in_clear(plan)
        if output == "table" and plan.edits:
            emit_text("\n".join(plan_lines(plan)))
        if only_plan or not plan.edits:
            _say_unchanged(plan, output)
            if output == "json":
                emit_json(plan_record(plan))
            ctx.exit(DRIFTED if only_plan and plan.edits else 0)
        _confirm(ctx, plan, yes=yes, shown=output == "table")
        done = _carried_out(library, plan)
    if output == "json":
        emit_json(plan_record(plan, applied={document.address: document for document in done}))
    else:
        emit_text(
            f"Applied: {plan.count('new')} new, {plan.count('changed')} changed, {plan.count('deleted')} deleted."
        )


def _planned(library: Library, declared: Declared, selector: dict[str, str]) -> Plan:
    from blocks_registry.cli.plan_view import progress
    from blocks_registry.declaring import make_plan

    with redirect_stdout(sys.stderr), progress("Comparing", len(declared.declarations)) as tick:
        return make_plan(
            library, declared, prune=selector or None, tick=tick
        )  # stdout: of modules that print


def _carried_out(library: Library, plan: Plan) -> list[Document]:
    from blocks_registry.declaring import carry_out

    with redirect_stdout(sys.stderr):
        return carry_out(plan, library)


def _say_unchanged(plan: Plan, output: str) -> None:
    if output == "table" and not plan.edits:
        count = plan.count("unchanged")
        blocks = "1 block is" if count == 1 else f"{count} blocks are"
        emit_text(f"Nothing to change: {blocks} as declared.")


def _confirm(ctx: click.Context, plan: Plan, *, yes: bool, shown: bool) -> None:
    from blocks_registry.cli.plan_view import plan_lines
    from blocks_registry.cli.secret_input import is_terminal

    if yes:
        return
    if not is_terminal():
        raise click.UsageError("There is no terminal to ask on whether to apply this. Give --yes, or --plan.")
    if not shown:
        emit_note("\n".join(plan_lines(plan)))
    if not click.confirm("Apply this?", err=True):
        emit_note("Nothing was changed.")
        ctx.exit(1)
