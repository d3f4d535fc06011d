"""The block types that are installed, found without importing a plugin until one of its types is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from blocks_core.block import Block
from blocks_core.diagnosis import diagnose
from blocks_core.discovery import Offer, read_offers
from blocks_core.errors import BlockTypeNotFound, NameInvalid, PluginBroken, did_you_mean
from blocks_core.manifest import read_manifest
from blocks_core.names import check_slug, suggest
from blocks_core.schema import BlockType, describe


@dataclass(frozen=True)
class CatalogEntry:
    """One offered type: what its plugin's manifest says of it, and what is wrong with it."""

    offer: Offer
    block_type: BlockType | None = None
    """None where the plugin ships no manifest."""
    problem: str = ""
    """Empty where nothing is known to be wrong."""


class Catalog:
    """Slug -> installed type."""

    def entries(self) -> list[CatalogEntry]:
        """Return every type that an installed distribution offers, sorted by slug; imports nothing."""
        offers = read_offers("blocks.types")
        claims = Counter(offer.name for offer in offers)
        return [self._entry(offer, claimed_twice=claims[offer.name] > 1) for offer in offers]

    def find(self, slug: str) -> type[Block]:
        """Return a type's class, importing its plugin and no other.

        Raises:  BlockTypeNotFound; PluginBroken.
        """
        offer = _only_offer(slug)
        if offer is not None:
            return load_type(offer)
        for block_type in _defined_types(Block):
            if block_type.type_info.slug == slug:
                return block_type
        raise BlockTypeNotFound(self._not_found(slug))

    def describe_offer(self, offer: Offer) -> BlockType:
        """Return what is known of an offered type: from its manifest, else from its class.

        Raises:  PluginBroken.
        """
        return read_manifest(offer) or describe(
            load_type(offer),
            distribution=offer.distribution,
            distribution_version=offer.distribution_version,
        )

    def offered(self, block_type: type[Block]) -> BlockType | None:
        """Return what is known of a class that an installed distribution offers, or None where none does."""
        package = block_type.__module__.partition(".")[0]
        for offer in read_offers("blocks.types"):
            if (offer.name, offer.package) == (block_type.type_info.slug, package):
                return describe(
                    block_type,
                    distribution=offer.distribution,
                    distribution_version=offer.distribution_version,
                )
        return None

    def _entry(self, offer: Offer, *, claimed_twice: bool) -> CatalogEntry:
        if claimed_twice:
            return CatalogEntry(offer, None, str(_claimed_twice(offer.name)))
        try:
            check_slug(offer.name)
            block_type = read_manifest(offer)
        except (NameInvalid, PluginBroken) as error:
            return CatalogEntry(offer, None, str(error))
        return CatalogEntry(offer, block_type, diagnose(offer) or "")

    def _not_found(self, slug: str) -> str:
        known = {offer.name for offer in read_offers("blocks.types")}
        return (
            f"No block type '{slug}' is installed{did_you_mean(suggest(slug, known))}. Install the plugin "
            f'that provides it, or run "block plugin ls".'
        )


def load_type(offer: Offer) -> type[Block]:
    """Import an offered type and return its class.

    Raises:  PluginBroken: the import failed, or what it found is not the type that was offered.
    """
    found = offer.load()
    if not (isinstance(found, type) and issubclass(found, Block)):
        raise PluginBroken(
            f"'{offer.name}' of {offer.origin} names '{offer.target}', which is no Block subclass. Upgrade or remove "
            f"{offer.distribution}."
        )
    if found.type_info.slug != offer.name:
        raise PluginBroken(
            f"'{offer.name}' of {offer.origin} names '{offer.target}', whose slug is '{found.type_info.slug}'. "
            f"The name of the entry point must be the slug: upgrade or remove {offer.distribution}."
        )
    return found


def _only_offer(slug: str) -> Offer | None:
    """Return the one offer of a slug, or None where there is none.

    Raises:  PluginBroken: several distributions claim it.
    """
    offers = _offers_of(slug)
    if len(offers) > 1:
        raise _claimed_twice(slug)
    return offers[0] if offers else None


def _offers_of(slug: str) -> list[Offer]:
    return [offer for offer in read_offers("blocks.types") if offer.name == slug]


def _claimed_twice(slug: str) -> PluginBroken:
    claims = " and ".join(offer.origin for offer in _offers_of(slug))
    return PluginBroken(f"The slug '{slug}' is claimed by {claims}. Uninstall all but one of them.")


def _defined_types(base: type[Block]) -> Iterator[type[Block]]:
    """Yield the classes that this process has defined below a class, the newest first."""
    for block_type in reversed(base.__subclasses__()):
        yield from _defined_types(block_type)
        if "[" not in block_type.__name__:  # a generic type's parametrised copy is no type of its own
            yield block_type
