"""What the head of each page leads to, as far as somebody may go there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blocks_registry.access import Holder, Right


@dataclass(frozen=True)
class Entry:
    """A page that is always at hand."""

    title: str
    url: str
    right: Right = Right.READ


ENTRIES: Final = (
    Entry("Blocks", "/blocks"),
    Entry("Catalog", "/catalog"),
    Entry("Plugins", "/plugins"),
    Entry("Keys", "/keys", Right.KEYS),
    Entry("Tokens", "/tokens", Right.TOKENS),
    Entry("Audit", "/audit", Right.AUDIT),
)


def entries_for(holder: Holder) -> list[Entry]:
    """Return the entries that somebody may open."""
    return [entry for entry in ENTRIES if holder.may(entry.right)]


def current_entry(path: str) -> str:
    """Return the address of the entry that a page belongs to; empty for a page that stands by itself.

    >>> current_entry("/blocks/s3/raw/edit"), current_entry("/catalog/s3"), current_entry("/login")
    ('/blocks', '/catalog', '')
    """
    return next((entry.url for entry in ENTRIES if f"{path}/".startswith(f"{entry.url}/")), "")
