"""How a command ends that ran a flow: what it prints and where, and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Final

import click

from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.context import FRAME
from blocks_flows.lineages import Starting, telling
from blocks_flows.states import State
from blocks_registry.output import emit_note, emit_record

FAILED: Final = 1
PAUSED: Final = 4


def is_terminal(output: str) -> bool:
    """Tell whether the progress of a run is to be shown."""
    return output != "json" and sys.stdout is not None and sys.stdout.isatty()  # None: it was closed


def aside() -> AbstractContextManager[object]:
    """Let what is printed meanwhile, such as by a file that is loaded, go to standard error, beside the answer."""
    return redirect_stdout(sys.stderr)


def end_with(ctx: click.Context, output: str, run: Callable[[], State]) -> None:
    """Run a flow and end the command as the run ended; where JSON is asked for, all else goes to standard error."""
    starting = Starting()
    token = FRAME.set(telling(starting))
    try:
        with aside() if output == "json" else nullcontext():
            state = run()
    finally:
        FRAME.reset(token)
    if output == "json":
        facts = {"state": state.name, "type": state.type.value, "message": SECRETS_IN_USE.hide(state.message)}
        emit_record(output, {"id": starting.run_id, **facts})
    elif not state.is_successful() and starting.run_id is not None:
        word = "resume" if state.is_paused() else "restart"
        emit_note(f'The run ended as {state.name}. To let it go on: "block run {word} {starting.run_id[:8]}"')
    if not state.is_successful():
        ctx.exit(PAUSED if state.is_paused() else FAILED)
