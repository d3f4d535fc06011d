"""What to say of a type that is not registered, not installed, or neither, and what to do about it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blocks_core.discovery import read_offers
from blocks_core.errors import BlockNotFound, BlockTypeNotFound, did_you_mean
from blocks_core.names import suggest

if TYPE_CHECKING:  # start-up time: most commands need none of them
    from blocks_core.registry import Registry
    from blocks_core.schema import BlockType


def registered_type(registry: Registry, slug: str) -> BlockType:
    """Return a registered type.

    Raises:  BlockTypeNotFound: it names the package to register, or the slug that was meant.
    """
    try:
        return registry.type(slug)
    except BlockTypeNotFound as error:
        offer = next((offer for offer in read_offers("blocks.types") if offer.name == slug), None)
        if offer is not None:
            raise BlockTypeNotFound(
                f"Block type '{slug}' of {offer.origin} is installed but not registered. Register it: "
                f'"block register -m {offer.package}".'
            ) from error
        hint = did_you_mean(suggest(slug, _known_slugs(registry)))
        raise BlockTypeNotFound(
            f"No block type '{slug}' is registered{hint}. Install the plugin that provides it and register it: "
            f'"block register -m MODULE".'
        ) from error


def class_name(block_type: BlockType) -> str:
    """Return the name of a type's class."""
    return block_type.target.rpartition(":")[2].rpartition(".")[2]


@contextmanager
def naming_unknown_types(registry: Registry, slug: str) -> Generator[None]:
    """Say of a block that is not there that its type is not known either, and which one was meant.

    Raises:  BlockTypeNotFound, in place of BlockNotFound.
    """
    try:
        yield
    except BlockNotFound as error:
        known = _known_slugs(registry)
        if slug in known:
            raise
        raise BlockTypeNotFound(
            f"No block '{error.address}' is saved, and no block type '{slug}' is registered or installed"
            f'{did_you_mean(suggest(slug, known))}. Run "block ls" to see what there is.'
        ) from error


def _known_slugs(registry: Registry) -> set[str]:
    installed = {offer.name for offer in read_offers("blocks.types")}
    return installed | {block_type.slug for block_type in registry.types()}
