"""`block audit ls` and `block audit verify`."""

from __future__ import annotations

from contextlib import closing
from shlex import join
from typing import Any

import click

from blocks_core.records import AuditEntry
from blocks_registry.cli.lazy_group import SuggestingGroup
from blocks_registry.output import emit_note, emit_record, emit_rows, emit_text, examples, output_option


@click.group(
    "audit",
    cls=SuggestingGroup,
    epilog=examples("block audit ls", "block audit ls s3/raw-data", "block audit verify"),
)
def audit_group() -> None:
    """See who changed what, and whether the record of it was tampered with."""


@audit_group.command(
    name="ls",
    epilog=examples(
        "block audit ls",
        "block audit ls s3/raw-data",
        "block audit ls --by nightly --action block.resolved",
        "block audit ls -n 1000 -o json",
    ),
)
@click.argument("subject", metavar="[SLUG/NAME]", required=False)
@click.option("--by", metavar="NAME", help="Only of a token, program or flow of this name, or of this user.")
@click.option(
    "--action", metavar="ACTION", help="Only block.saved, say, or block.resolved: reads of secrets."
)
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many rows."
)
@click.option(
    "--before", type=click.IntRange(1), metavar="NUMBER", help="Only rows before this one, to page on."
)
@output_option
def list_audit(
    subject: str | None, by: str | None, action: str | None, limit: int, before: int | None, output: str
) -> None:
    """List the rows of the audit, the newest first; of one block, type or key where it is given.

    Values of fields are never recorded, secrets least of all.
    """
    from blocks_registry.opening import open_registry  # late, like the next: the help needs no registry

    with closing(open_registry()) as registry:
        entries = registry.audit(subject=subject, by=by, action=action, before=before, limit=limit)
    rows = [_row(entry, output) for entry in entries]
    columns = (
        ("number", "Row"),
        ("at", "At"),
        ("who", "Who"),
        ("action", "Action"),
        ("subject", "What"),
        ("detail", "Detail"),
    )
    emit_rows(output, rows, columns, empty="Nothing is recorded.")
    if output == "table" and len(rows) == limit and entries[-1].number > 1:
        words = ["block", "audit", "ls", *([subject] if subject else [])]
        words += [*(["--by", by] if by else []), *(["--action", action] if action else [])]
        emit_note(f'There may be more: "{join([*words, "--before", str(entries[-1].number)])}".')


@audit_group.command(
    epilog=examples(
        "block audit verify", "block audit verify --head 120:9f3c...", "block audit verify -o json"
    )
)
@click.option("--head", metavar="NUMBER:LINK", help="The head of an earlier report, kept elsewhere.")
@output_option
@click.pass_context
def verify(ctx: click.Context, head: str | None, output: str) -> None:
    """Look whether any row of the audit was altered, removed or moved.

    Each row carries a digest of itself and the row before, under a key that is sealed as secrets are. The report ends
    with the head: keep it outside of the database and give it next time, and even a database that was put back to an
    earlier state is noticed. The exit code is 1 where something is wrong.
    """
    from blocks_registry.opening import open_registry

    with closing(open_registry()) as registry:
        report = registry.verify_audit(head)
    if output == "json":
        emit_record(
            output,
            {"rows": report.rows, "keyed": report.keyed, "head": report.head, "problems": report.problems},
        )
    else:
        for problem in report.problems:
            emit_text(f"{problem[:1].upper()}{problem[1:]}.")
        if not report.problems:
            emit_text(f"All {report.rows} rows are as they were written.")
        before = report.rows - report.keyed
        if before and report.keyed and not report.problems:
            emit_note(
                f"The first {before} were written before there was a key: their order is proved by those after."
            )
        elif not report.keyed:
            emit_note(
                "No key has sealed anything yet, so whoever may write the database could write them anew."
            )
        emit_text(f"Head: {report.head}")
    if report.problems:
        ctx.exit(1)


def _row(entry: AuditEntry, output: str) -> dict[str, Any]:
    actor = entry.actor
    row: dict[str, Any] = {
        "number": entry.number,
        "at": entry.at,
        "action": entry.action,
        "subject": entry.subject,
    }
    if output == "json":
        who = {"kind": actor.kind, "name": actor.name, "id": actor.id, "user": actor.user}
        return {**row, "actor": who, "detail": dict(entry.detail)}
    detail = ", ".join(f"{key} {value}" for key, value in entry.detail.items())
    return {**row, "who": f"{actor.user} ({actor.name})" if actor.user else actor.name, "detail": detail}
