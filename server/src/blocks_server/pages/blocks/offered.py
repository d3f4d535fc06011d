"""The types of which blocks can be made: the registered ones, and those that are installed where the server runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from time import monotonic
from typing import Final

from blocks_core.catalog import Catalog, CatalogEntry
from blocks_core.discovery import Offer, read_offers
from blocks_core.errors import BlockTypeNotFound
from blocks_core.logos import problem_of_logo
from blocks_core.schema import BlockType
from blocks_registry.access import GuardedRegistry
from blocks_server.pages.blocks.prose import Part, parts_of

_SECONDS: Final = 30
_LOOKING: Final = Lock()


@dataclass(frozen=True)
class Offered:
    """A type as the catalog shows it."""

    slug: str
    block_type: BlockType | None
    """None where nothing is known of it, as its plugin is broken."""
    distribution: str
    distribution_version: str
    is_registered: bool
    is_installed: bool
    problem: str = ""
    """What is wrong with its plugin, and what to do; empty where nothing is known."""

    @property
    def title(self) -> str:
        """Return what the type is called."""
        return self.block_type.title if self.block_type else self.slug

    @property
    def summary(self) -> str:
        """Return the first paragraph of what the type says of itself."""
        return summary_of(self.block_type) if self.block_type else ""

    @property
    def details(self) -> list[Part]:
        """Return what the type says of itself behind the first paragraph."""
        return details_of(self.block_type) if self.block_type else []

    @property
    def has_logo(self) -> bool:
        """Tell whether there is a picture of it."""
        return self.block_type is not None and has_logo(self.block_type)

    def fits(self, text: str, capability: str) -> bool:
        """Tell whether somebody who looks for a text or a capability may mean it."""
        known = self.block_type
        if capability and (known is None or capability not in known.capabilities):
            return False
        words = f"{self.slug} {self.title} {self.distribution} {known.description if known else ''}".lower()
        return all(word in words for word in text.lower().split())


def summary_of(block_type: BlockType) -> str:
    """Return the first paragraph of what a type says of itself."""
    return block_type.description.strip().partition("\n\n")[0].replace("\n", " ")


def details_of(block_type: BlockType) -> list[Part]:
    """Return what a type says of itself behind the first paragraph."""
    return parts_of(block_type.description.strip().partition("\n\n")[2])


def has_logo(block_type: BlockType) -> bool:
    """Tell whether a type has a logo that can be shown."""
    return bool(block_type.logo) and problem_of_logo(block_type.logo) is None


def offered_types(registry: GuardedRegistry) -> list[Offered]:
    """Return all types that there are, registered or installed, sorted by title."""
    registered = {found.slug: found for found in registry.types()}
    installed = {entry.offer.name: entry for entry in installed_entries()}
    found = [_offered(slug, registered.get(slug), installed.get(slug)) for slug in {*registered, *installed}]
    return sorted(found, key=lambda one: (one.title.lower(), one.slug))


def installed_entries() -> Sequence[CatalogEntry]:
    """Return what installed plugins offer, looked at anew where others are installed, and twice a minute."""
    with _LOOKING:  # so that of many requests one looks, and the others have what it found
        return _entries(tuple(read_offers("blocks.types")), int(monotonic() / _SECONDS))


@lru_cache(maxsize=1)
def _entries(offers: Sequence[Offer], moment: int) -> Sequence[CatalogEntry]:
    """Return the entries of some offers at a moment: reading the source of each plugin takes a while."""
    return Catalog().entries()


def find_type(registry: GuardedRegistry, slug: str) -> BlockType:
    """Return a type of which a block can be made: as it is registered, else as it is installed.

    Raises:  BlockTypeNotFound.
    """
    try:
        return registry.type(slug)
    except BlockTypeNotFound:
        for entry in installed_entries():
            if entry.offer.name == slug and entry.block_type is not None:
                return entry.block_type
        raise


def capabilities_of(types: Iterable[BlockType]) -> list[str]:
    """Return the capabilities that types have, sorted."""
    return sorted({capability for found in types for capability in found.capabilities})


def _offered(slug: str, registered: BlockType | None, entry: CatalogEntry | None) -> Offered:
    known = registered or (entry.block_type if entry else None)
    origin = entry.offer if entry else known
    return Offered(
        slug=slug,
        block_type=known,
        distribution=origin.distribution if origin else "",
        distribution_version=origin.distribution_version if origin else "",
        is_registered=registered is not None,
        is_installed=entry is not None,
        problem=entry.problem if entry else "",
    )
