"""Blocks that nobody declares any more, found by their labels."""

from __future__ import annotations

from collections.abc import Mapping

from blocks_core.names import join_address
from blocks_core.registry import Registry, Remove
from blocks_registry.declaring.plans import PlannedBlock
from blocks_registry.errors import PruneRefused


def undeclared(
    registry: Registry, labels: Mapping[str, str], declared: Mapping[str, frozenset[str]]
) -> list[PlannedBlock]:
    """Return the blocks that have all of these labels and are not declared, as ones to be deleted.

    Args:    declared: address of each declared block -> addresses of the blocks that it holds.
    Raises:  PruneRefused: blocks that stay hold one of them.
    """
    found = {
        address: summary
        for summary in registry.find(labels=labels)
        if (address := join_address(summary.slug, summary.name)) not in declared
    }
    held: dict[str, list[str]] = {}
    for address, summary in found.items():
        users = set(registry.users(summary.slug, summary.name)) - found.keys() - declared.keys()
        users |= {user for user, holds in declared.items() if address in holds}
        if users:
            held[address] = sorted(users)
    if held:
        raise PruneRefused(held)
    return [
        PlannedBlock(
            address,
            "deleted",
            summary.version,
            edit=Remove(summary.slug, summary.name, expected_version=summary.version),
        )
        for address, summary in found.items()
    ]
