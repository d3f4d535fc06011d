"""A page of a list of blocks."""

from __future__ import annotations

from dataclasses import dataclass

from blocks_core.records import Summary
from blocks_registry.access import GuardedRegistry
from blocks_registry.searching import Wanted


@dataclass(frozen=True)
class Page:
    """Some lines, and the place behind which the next page begins; None at the end."""

    lines: list[Summary]
    after: str | None


def page_of(registry: GuardedRegistry, wanted: Wanted, after: str | None, limit: int) -> Page:
    """Return the page behind a place."""
    lines = registry.search(wanted, after=after, limit=limit + 1)
    if len(lines) <= limit:
        return Page(lines, None)
    return Page(lines[:limit], wanted.order.place_of(lines[limit - 1]))
