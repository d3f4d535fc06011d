"""`block keys status`, `add`, `promote`, `rewrap` and `retire`."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blocks_registry.cli.key_drafts import changing_keys, draft_options, refuse_json_beside_keys
from blocks_registry.cli.lazy_group import SuggestingGroup
from blocks_registry.output import (
    emit_json,
    emit_note,
    emit_record,
    emit_rows,
    emit_text,
    examples,
    output_option,
)

if TYPE_CHECKING:
    from blocks_registry.key_status import KeysStatus, KeyStatus
    from blocks_registry.rewrapping import Progress, Rewrapped

_COLUMNS = (
    ("id", "Key"),
    ("state", "State"),
    ("created_at", "Created"),
    ("sealed_versions", "Sealed versions"),
    ("seals_audit", "Seals the audit"),
    ("retired_at", "Retired"),
    ("wrapped_by", "Wrapped by"),
)

_FOUR_STEPS = """\b
The four steps, while everything runs:
  block keys add         a new key, which seals nothing yet; now bring the keyring
                         to every process that uses this registry
  block keys promote     the new key seals what is saved from now on
  block keys rewrap      what older keys sealed is wrapped with the new one
  block keys retire ID   the old key is let go, once nothing needs it

\b
No command does all four: only you can know that every process has the new key,
and one that lacks it cannot read what the others save. "block keys status" says
which step is next.

\b
Keep a copy of the keyring with each backup of the database: a backup is read
with the keys of its time.

"""


@click.group(
    "keys",
    cls=SuggestingGroup,
    epilog=_FOUR_STEPS + examples("block keys status", "block keys add", "block keys retire k3f9a2c41d07e"),
)
def keys_group() -> None:
    """See and change the keys that seal secrets, while the registry is in use.

    A key encrypts no secret itself. It wraps the data key of each version of a block, so changing it costs a new
    wrapping of each, and no secret is opened. BLOCKS_KEYS says where the keys are.
    """


@keys_group.command("status", epilog=examples("block keys status", "block keys status -o json"))
@output_option
@click.pass_context
def status(ctx: click.Context, output: str) -> None:
    """List the keys, how much is sealed with each, and what to do next.

    The exit code is 1 where a key that the database needs is not at hand, or the keyring cannot be read.
    """
    from blocks_registry.key_status import next_steps
    from blocks_registry.opening import open_rotation  # late, here and below: the help needs no registry

    with closing(open_rotation()) as rotation:
        found = rotation.status()
    steps = next_steps(found)
    if output == "json":
        emit_json(_full_record(found, steps))
    else:
        emit_rows(output, [_row(key) for key in found.keys], _COLUMNS)
        place = [f"The keys are in {found.origin}."] if found.origin else []
        emit_note("\n".join([*place, *steps]))
    if not found.is_well:
        ctx.exit(1)


@keys_group.command(
    "add", epilog=examples("block keys add", "block keys add --to keyring.json", "block keys add -o json")
)
@draft_options
@output_option
def add(to: Path | None, show: bool, output: str) -> None:
    """Add a new key, which seals nothing before it is promoted.

    The first key of a registry is primary at once. Where no program can change the keyring, as with one in an
    environment variable, --to FILE writes the changed one for you to put in place.
    """
    refuse_json_beside_keys(output, show)
    with changing_keys(to, show) as rotation:
        added = rotation.add()
    if output == "json":
        emit_record(output, {"key": added.key_id, "primary": added.is_primary, "written_to": to})
    else:
        _say(f"Added the key {added.key_id}.", show)
    if added.is_primary:
        emit_note("It is the first one, so it is primary.")
    else:
        emit_note(
            "It seals nothing yet. Once every process that uses this registry has it: block keys promote"
        )


@keys_group.command("promote", epilog=examples("block keys promote", "block keys promote k3f9a2c41d07e"))
@click.argument("key_id", metavar="[ID]", required=False)
@draft_options
@output_option
def promote(key_id: str | None, to: Path | None, show: bool, output: str) -> None:
    """Make a key the primary one: it seals what is saved from now on.

    Without ID it is the newest key. Every process that uses this registry must have the key before: those that
    share this keyring's file have it, copies of it on other machines and in containers must be renewed first. A
    process that lacks it fails to load what others save from now on, until it gets it; nothing is lost.
    """
    refuse_json_beside_keys(output, show)
    with changing_keys(to, show) as rotation:
        promoted = rotation.promote(key_id)
    if output == "json":
        emit_record(output, {"key": promoted.key_id, "before": promoted.before, "written_to": to})
    elif promoted.key_id == promoted.before:
        _say(f"The key {promoted.key_id} is the primary one already.", show)
    else:
        _say(f"The key {promoted.key_id} is primary now, in place of {promoted.before}.", show)
    if promoted.key_id != promoted.before:
        emit_note(
            "A process with an older copy of the keyring, which lacks it, fails to load what is saved from now on: "
            "renew such copies. Then wrap what older keys sealed: block keys rewrap"
        )


@keys_group.command(
    "rewrap", epilog=examples("block keys rewrap", "block keys rewrap --batch 100 -o json 2>/dev/null")
)
@click.option(
    "--batch",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Versions in one transaction: fewer let writers through more often.  [default: 500]",
)
@output_option
@click.pass_context
def rewrap(ctx: click.Context, batch: int | None, output: str) -> None:
    """Wrap with the primary key what older keys sealed, while the registry is in use.

    Only the wrapping of data keys is renewed; no secret is opened. It may be stopped at any moment and started again:
    what is under older keys is what is left. The exit code is 1 where something could not be wrapped anew.
    """
    from blocks_registry.opening import open_rotation
    from blocks_registry.rewrapping import DEFAULT_BATCH

    with closing(open_rotation()) as rotation, _progress() as progress:
        done = rotation.rewrap(batch=batch or DEFAULT_BATCH, progress=progress)
    if output == "json":
        emit_record(output, _rewrapped_record(done))
    else:
        emit_text(
            f"Versions wrapped with the primary key {done.key_id}: {done.rewrapped}; left: {done.left}."
        )
    for problem in done.problems:
        emit_note(f"Not wrapped: {problem}")
    if done.left or done.problems:
        ctx.exit(1)
    emit_note('Older keys seal nothing any more: "block keys status" says which can be retired.')


@keys_group.command("retire", epilog=examples("block keys retire k3f9a2c41d07e"))
@click.argument("key_id", metavar="ID")
@draft_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@output_option
@click.pass_context
def retire(ctx: click.Context, key_id: str, to: Path | None, show: bool, yes: bool, output: str) -> None:
    """Let a key go that seals nothing any more, and take it out of the keyring.

    It is refused while anything is sealed with the key, or while it is primary. Afterwards the registry accepts
    nothing that is sealed with it, not even from a process with an older copy of the keyring. Backups that are older
    need it to be read: keep the keyring with each of them.
    """
    refuse_json_beside_keys(output, show)
    _confirm(ctx, key_id, yes)
    with changing_keys(to, show) as rotation:
        retired = rotation.retire(key_id)
    if output == "json":
        record = {
            "key": key_id,
            "marked": retired.was_marked,
            "removed": retired.was_removed,
            "written_to": to,
        }
        emit_record(output, record)
    elif retired.was_marked or retired.was_removed:
        _say(f"Retired the key {key_id}.", show)
    else:
        _say(f"The key {key_id} was retired before, and the keyring does not have it.", show)


def _confirm(ctx: click.Context, key_id: str, yes: bool) -> None:
    from blocks_registry.cli.secret_input import is_terminal
    from blocks_registry.opening import open_rotation

    with closing(open_rotation()) as rotation:
        rotation.refuse_retiring(key_id)
    if yes:
        return
    if not is_terminal():
        raise click.UsageError(
            f"There is no terminal to ask on whether to retire {key_id} for good. Give --yes."
        )
    question = (
        f"Backups of the database from before now can be read with the key {key_id} only; it is taken out of the "
        f"keyring for good. Retire it?"
    )
    if not click.confirm(question, err=True):
        emit_note("Nothing was changed.")
        ctx.exit(1)


def _say(text: str, show: bool) -> None:
    """Say what was done: beside the keys where these are what standard output holds."""
    (emit_note if show else emit_text)(text)


@contextmanager
def _progress() -> Generator[Progress]:
    """Give what draws a bar on a terminal, and writes a line for each tenth elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console  # late: start-up time, needed on terminals only
        from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("rewrap", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        tenth = 10 * done // max(total, 1)
        if tenth > told:
            told = tenth
            emit_note(f"{done} of {total}")

    yield tell


def _row(key: KeyStatus) -> dict[str, Any]:
    return {
        "id": key.id,
        "state": f"{key.state}: {key.problem}" if key.problem else key.state,
        "created_at": key.created_at,
        "sealed_versions": key.sealed_versions,
        "seals_audit": key.seals_audit,
        "retired_at": key.retired_at,
        "wrapped_by": key.wrapped_by,
    }


def _full_record(found: KeysStatus, steps: list[str]) -> dict[str, Any]:
    keys = [
        {
            "id": key.id,
            "state": key.state,
            "primary": key.is_primary,
            "in_keyring": key.in_keyring,
            "wrapped_by": key.wrapped_by,
            "created_at": key.created_at,
            "first_used_at": key.first_used_at,
            "retired_at": key.retired_at,
            "sealed_versions": key.sealed_versions,
            "seals_audit": key.seals_audit,
            "problem": key.problem or None,
        }
        for key in found.keys
    ]
    return {
        "origin": found.origin or None,
        "problem": found.problem or None,
        "keys": keys,
        "next": steps,
    }


def _rewrapped_record(done: Rewrapped) -> dict[str, Any]:
    return {
        "key": done.key_id,
        "rewrapped": done.rewrapped,
        "audit_key": done.audit_key,
        "left": done.left,
        "problems": list(done.problems),
    }
