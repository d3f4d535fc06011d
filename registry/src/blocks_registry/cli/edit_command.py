"""`block edit`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from typing import TYPE_CHECKING

import click

from blocks_core.errors import BlocksError
from blocks_registry.output import emit_note, emit_text, examples, printable

if TYPE_CHECKING:  # start-up time: the help needs none of it
    from blocks_core.library import Library
    from blocks_registry.declaring import Plan

_SOURCE = "the edited text"
_COMMENT = b"#:"
_HELP = (
    "Change the fields, save and close: what changes is shown and written. The text as it was changes nothing.",
    "A secret is kept by {secret: keep}, set by {value: ...}, and named where it lies by {ref: env:NAME}.",
)


@click.command(epilog=examples("block edit s3/raw-data", "EDITOR=nano block edit aws-credentials/prod"))
@click.argument("address", metavar="SLUG/NAME")
@click.pass_context
def edit(ctx: click.Context, address: str) -> None:
    """Change a saved block in your editor ($VISUAL, $EDITOR), as "block apply" does it.

    The text is what "block export" writes: a secret stands there as {secret: keep}. What changes is shown and
    written; where it does not fit, the text is kept and you can mend it. "block restore" undoes it.
    """
    from blocks_core.names import split_address
    from blocks_registry.cli.plan_view import note_secrets_in_clear, plan_lines
    from blocks_registry.cli.unknown_types import naming_unknown_types
    from blocks_registry.opening import open_library

    slug, name = split_address(address)
    with closing(open_library()) as library, naming_unknown_types(library.registry, slug):
        version, original = _exported(library, slug, name)
        text, comments = original, _HELP
        while True:
            text = _edited(text, comments)
            if text in (original, b""):
                emit_note("Nothing was changed.")
                return
            try:
                plan = _applied(library, address, text, version)
                break
            except BlocksError as error:
                comments = _offer_again(ctx, error)
                version = library.registry.read(slug, name).version  # who goes on has read of a conflict
    note_secrets_in_clear(plan)
    emit_text("\n".join(plan_lines(plan)) if plan.edits else "Nothing was changed.")


def _exported(library: Library, slug: str, name: str) -> tuple[int, bytes]:
    """Return version and text of a block."""
    from blocks_core.names import join_address
    from blocks_registry.declaring import ExportOptions, chosen, export_blocks

    summaries = chosen(library.registry, ExportOptions((join_address(slug, name),)))
    (exported,) = export_blocks(library.registry, summaries)
    return exported.version, exported.text.encode()


def _edited(text: bytes, comments: Sequence[str]) -> bytes:
    """Return what an editor made of a text, in a file that its owner alone can read; comments are taken out."""
    above = "".join(f"{_COMMENT.decode()} {printable(comment)}\n" for comment in comments)
    found = click.edit(above.encode() + text, extension=".yaml", require_save=False)
    lines = (found or b"").split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(_COMMENT))


def _applied(library: Library, address: str, text: bytes, version: int) -> Plan:
    """Apply an edited text and return the plan by which it was done.

    Raises:  BlocksError: nothing was changed.
    """
    from blocks_core.errors import VersionConflict
    from blocks_registry.declaring import carry_out, make_plan, read_raw
    from blocks_registry.errors import DeclarationInvalid, DeclarationProblem

    declared = read_raw(text, _SOURCE)
    if not declared.problems and set(declared.addresses) != {address}:
        problem = f"it declares {', '.join(sorted(declared.addresses)) or 'nothing'}, and '{address}' is edited here"
        raise DeclarationInvalid(
            [DeclarationProblem(f"{problem}. Rename a block with block rename", _SOURCE)]
        )
    with redirect_stdout(sys.stderr):  # of modules that print
        plan = make_plan(library, declared)
        if plan.blocks[0].version != version:
            raise VersionConflict(address, version, plan.blocks[0].version)
        carry_out(plan, library)
    return plan


def _offer_again(ctx: click.Context, error: BlocksError) -> Sequence[str]:
    """Show what is wrong and ask whether to go on; return it for the editor."""
    from blocks_registry.cli.plan_view import show_problems
    from blocks_registry.cli.secret_input import is_terminal
    from blocks_registry.errors import DeclarationInvalid

    if isinstance(error, DeclarationInvalid):
        show_problems(error)
        comments = [str(problem) for problem in error.problems]
    else:
        emit_note(f"Error: {error}")
        comments = [str(error)]
    if not is_terminal() or not click.confirm("Edit it again?", default=True, err=True):
        emit_note("Nothing was changed.")
        ctx.exit(1)
    return comments
