"""The block types of a package, as its classes say now, for what is written from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blocks_core.catalog import load_type
from blocks_core.discovery import Offer, read_offers
from blocks_core.manifest import manifest_file
from blocks_core.quality import Quality, quality_of
from blocks_core.schema import BlockType, describe
from blocks_registry.errors import ModuleInvalid


@dataclass(frozen=True)
class OfferedType:
    """A type and where it comes from."""

    offer: Offer
    block_type: BlockType
    folder: Path | None
    """Of the package; None where it is a single module."""

    @property
    def quality(self) -> Quality:
        """Return how well it is tested."""
        return quality_of(self.offer, self.block_type)

    @property
    def logo_file(self) -> Path | None:
        """Return the file of its logo, where it has one."""
        file = self.folder / "logos" / f"{self.block_type.slug}.svg" if self.folder else None
        return file if file and file.is_file() else None


def offers_of(package: str) -> list[Offer]:
    """Return the entry points of a package's block types.

    Raises:  ModuleInvalid: it has none.
    """
    offers = [offer for offer in read_offers("blocks.types") if offer.package == package]
    if not offers:
        raise ModuleInvalid(
            f"No installed distribution offers block types of a package '{package}'. Name its types in "
            f'pyproject.toml, [project.entry-points."blocks.types"], and install it: pip install -e .'
        )
    return offers


def types_of(package: str) -> list[OfferedType]:
    """Import a package's block types and return what they say of themselves, by slug.

    Raises:  ModuleInvalid: it has none. PluginBroken, BlockTypeInvalid.
    """
    manifest = manifest_file(package)
    return [
        OfferedType(
            offer,
            describe(
                load_type(offer),
                distribution=offer.distribution,
                distribution_version=offer.distribution_version,
            ),
            manifest.parent if manifest else None,
        )
        for offer in offers_of(package)
    ]
