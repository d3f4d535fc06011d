"""A block's own check, run in the server for whoever asks: so many at once, each for so long.

A check connects to wherever the block says, from where the server stands. So whoever may change blocks can make the
server knock at addresses that they do not reach themselves; a server that should not do so is started without checks.
"""

from __future__ import annotations

from dataclasses import replace

import anyio
from anyio import CapacityLimiter, to_thread

from blocks_core.block import Block
from blocks_core.checks import CheckReport
from blocks_core.library import Library
from blocks_core.names import join_address
from blocks_registry.access import Holder, Right, Role
from blocks_registry.checking import run_check
from blocks_server.errors import ChecksOff, CheckTooSlow, ServerBusy
from blocks_server.service import Service


class Checks:
    """Runs the checks of one server, all of them counted together; used in its event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limiter: CapacityLimiter | None = None
        """Made at the first check, as it belongs to the loop."""

    async def run(self, holder: Holder, slug: str, name: str) -> CheckReport:
        """Return what the check of a block found; its secrets are used, which is recorded, and are not in the report.

        Raises:  ChecksOff, ServerBusy, CheckTooSlow; AccessDenied: the holder may neither change nor load blocks.
                 BlockNotFound; what loading raises.
        """
        limits = self._service.limits
        if limits.checks_at_once < 1:
            raise ChecksOff(
                "This server runs no checks, as it was started with --no-checks. Check the block where it is used: "
                f"block check {join_address(slug, name)}"
            )
        if self._limiter is None:
            self._limiter = CapacityLimiter(limits.checks_at_once)
        if self._limiter.available_tokens < 1:
            raise ServerBusy(f"{limits.checks_at_once} checks run already. Try again in a moment.")
        with anyio.move_on_after(limits.check_seconds):
            return await to_thread.run_sync(
                self._checked, holder, slug, name, limiter=self._limiter, abandon_on_cancel=True
            )
        raise CheckTooSlow(
            f"The check of '{join_address(slug, name)}' did not end within {limits.check_seconds:g} seconds. See "
            f"whether what it connects to can be reached from the server."
        )

    def _checked(self, holder: Holder, slug: str, name: str) -> CheckReport:
        """Load a block as a run of the holder's would, and check it."""
        if not holder.may(Right.RESOLVE):
            # Whoever may change where a block sends its secrets may see whether it works.
            holder.require(Right.EDIT)
            holder = replace(holder, role=Role.RUNNER)
        registry = self._service.access.guard(self._service.registry, holder)
        return run_check(Library(registry).load(Block, join_address(slug, name)))
