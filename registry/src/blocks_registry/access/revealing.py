"""What a guard asks of the registry that it guards, beyond what every registry does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from blocks_core.document import Document
from blocks_core.records import Summary, Usage
from blocks_core.registry import Registry
from blocks_registry.searching import ALL, Wanted


class Revealing(Registry, Protocol):
    """A registry that also does what a server asks of it: one document with its secrets, expected ids."""

    def reveal(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return one document, its secrets in clear, and none that it refers to; it counts as no usage.

        Raises:  BlockNotFound; KeyringError.
        """
        ...

    def search(
        self,
        wanted: Wanted,
        *,
        patterns: Sequence[str] = ("*/*",),
        after: str | None = None,
        limit: int = ALL,
    ) -> list[Summary]:
        """Return a line for each document that is asked for, and has an address of one of the patterns."""
        ...

    def some_users(self, slug: str, name: str, *, limit: int) -> list[str]:
        """Return the addresses of some of the documents that refer to one, sorted."""
        ...

    def last_usages(self, slug: str, name: str, *, limit: int) -> list[Usage]:
        """Return who resolved a document last."""
        ...

    def count_users(self, ids: Iterable[UUID], *, limit: int = 1000) -> dict[UUID, int]:
        """Return how many documents refer to each of some documents; beyond the limit nobody counts."""
        ...

    def restore(
        self,
        slug: str,
        name: str,
        version: int,
        *,
        expected_version: int | None = None,
        expected_id: UUID | None = None,
    ) -> Document:
        """Make an older version the newest again, of the document that is expected."""
        ...
