"""A block's own check, and whatever it says or raises kept free of the block's secrets."""

from __future__ import annotations

from blocks_core.block import Block
from blocks_core.checks import CheckReport, CheckResult
from blocks_core.errors import BlocksError
from blocks_core.masking import without_secrets


def run_check(block: Block) -> CheckReport:
    """Return what a block's check found; an error that it raised is a result, too."""
    try:
        results = block.check().results
    except Exception as error:  # noqa: BLE001 a type's own code may raise anything; the report is still wanted
        text = str(error) if isinstance(error, BlocksError) else f"{type(error).__name__}: {error}"
        return CheckReport((CheckResult("check", ok=False, detail=without_secrets(block, text)),))
    return CheckReport(
        tuple(
            CheckResult(
                without_secrets(block, result.name),
                result.ok,
                without_secrets(block, result.detail),
                result.seconds,
            )
            for result in results
        )
    )
