"""`block plugin doctor`."""

from __future__ import annotations

from dataclasses import asdict

import click

from blocks_registry.output import emit_json, emit_text, examples, output_option


@click.command(
    "doctor",
    epilog=examples(
        "block plugin doctor", "block plugin doctor acme-queue", "block plugin doctor acme-queue -o json"
    ),
)
@click.argument("distribution", required=False)
@output_option
@click.pass_context
def doctor(ctx: click.Context, distribution: str | None, output: str) -> None:
    """Tell what is wrong with the installed plugins, or with one, why, and what to do.

    Each is imported in processes of its own. The exit code is 1 where something is wrong; advice does not count.
    """
    from blocks_registry.doctor.examining import examine  # late: the help needs none of it

    found = examine(distribution)
    if output == "json":
        emit_json(
            {
                "ok": found.ok,
                "distributions": list(found.distributions),
                "types": found.types,
                "findings": [asdict(finding) for finding in found.findings],
            }
        )
    else:
        for finding in found.findings:
            emit_text(str(finding).replace("\n", " "))
        if found.ok:
            names = ", ".join(found.distributions) or "no plugin"
            emit_text(f"Nothing is wrong with {names}: {found.types} block types.")
    if not found.ok:
        ctx.exit(1)
