"""The saved blocks that may be chosen in a form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from blocks_core.names import join_address
from blocks_server.forms.fields import BlockField


@dataclass(frozen=True)
class BlockChoice:
    """A saved block that may be chosen."""

    id: UUID
    slug: str
    name: str
    capabilities: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Return `slug/name`."""
        return join_address(self.slug, self.name)


class Choices:
    """Blocks by id and by address, and those that fit a field; each is looked up when it is asked for."""

    def __init__(self, choices: Iterable[BlockChoice]) -> None:
        self._choices = tuple(choices)
        self._fitting: dict[tuple[str, str], list[BlockChoice]] = {}

    def find(self, text: str) -> BlockChoice | None:
        """Return the block of an id or an address."""
        return self._by_id.get(text) or self._by_address.get(text)

    def fitting(self, field: BlockField) -> list[BlockChoice]:
        """Return the blocks that may stand at a field."""
        key = field.slug, field.capability
        if key not in self._fitting:
            self._fitting[key] = [one for one in self._choices if field.fits(one.slug, one.capabilities)]
        return self._fitting[key]

    @cached_property
    def _by_id(self) -> dict[str, BlockChoice]:
        return {str(choice.id): choice for choice in self._choices}

    @cached_property
    def _by_address(self) -> dict[str, BlockChoice]:
        return {choice.address: choice for choice in self._choices}
