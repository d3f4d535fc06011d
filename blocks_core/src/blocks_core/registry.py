"""The seam: a registry takes and gives documents in clear to whoever may have them, and keeps them sealed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID

from blocks_core.document import Document, DocumentTree, Draft
from blocks_core.errors import SchemaConflict
from blocks_core.structure import differences, structure

if TYPE_CHECKING:
    from blocks_core.schema import BlockType

Outcome = Literal["new", "unchanged", "updated", "new version"]


@dataclass(frozen=True)
class Registration:
    """What became of a type that was to be registered."""

    block_type: BlockType
    outcome: Outcome


@dataclass(frozen=True)
class Summary:
    """A line about a document, nothing of its content."""

    id: UUID
    slug: str
    name: str
    version: int
    type_version: int
    capabilities: tuple[str, ...]
    saved_at: datetime


class Registry(Protocol):
    """Types and documents. One call is one round trip; each is atomic."""

    def register(self, block_type: BlockType) -> Registration:
        """Note a type and its schema.

        Raises:  SchemaConflict: its structure changed in a way that stored blocks may not fit, and its version
                 did not; or its version is older than the one that is registered.
        """
        ...

    def types(self) -> list[BlockType]:
        """Return the registered types in their newest versions, sorted by slug."""
        ...

    def type(self, slug: str) -> BlockType:
        """Return a registered type in its newest version.

        Raises:  BlockTypeNotFound.
        """
        ...

    def save(self, draft: Draft, *, overwrite: bool = False) -> Document:
        """Keep a document, as a new one or as the next version of the one that has its name.

        Raises:  BlockTypeNotFound: no type is registered with the draft's slug, version and structure.
                 BlockExists: the name is taken and `overwrite` is false. ReferenceBroken: a block
                 that it holds is not there. BlockInvalid: it would hold itself. KeyringError.
        """
        ...

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document, its secrets in clear, and every document it refers to.

        Raises:  BlockNotFound; ReferenceBroken; KeyringError.
        """
        ...

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets, which needs no key.

        Raises:  BlockNotFound.
        """
        ...

    def addresses(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the addresses of documents; ids of no document are left out."""
        ...

    def find(self, slug: str | None = None) -> list[Summary]:
        """Return a line for each document, of one type or of all, sorted by address."""
        ...

    def users(self, slug: str, name: str) -> list[str]:
        """Return the addresses of the documents that refer to one, sorted.

        Raises:  BlockNotFound.
        """
        ...

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document with all its versions.

        Raises:  BlockNotFound; BlockInUse, unless forced.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def decide_registration(known: Iterable[BlockType], offered: BlockType) -> Outcome:
    """Return what becomes of a type that is offered to a registry.

    Args:    known: the registered versions of the same slug.
    Raises:  SchemaConflict: its structure changed in a way that stored blocks may not fit, and its version did
             not; or a newer version is registered.
    """
    versions = {block_type.version: block_type for block_type in known}
    same = versions.get(offered.version)
    if same is None:
        if versions and offered.version < max(versions):
            raise SchemaConflict(
                f"Block type '{offered.slug}' is registered in version {max(versions)}, and version "
                f"{offered.version} is older. Upgrade the plugin that provides it{_named(offered)}."
            )
        return "new version" if versions else "new"
    if same.structure_hash != offered.structure_hash:
        found = differences(structure(same.schema), structure(offered.schema))
        if not all(item.compatible for item in found):
            listed = "; ".join(item.text for item in found)
            raise SchemaConflict(
                f"Block type '{offered.slug}' has another structure than its version {offered.version} that is "
                f"registered: {listed}. Blocks that are saved may not fit: undo the change, or raise the version in "
                f"the class statement (version={offered.version + 1})."
            )
        return "updated"
    return "unchanged" if same == offered else "updated"


def _named(block_type: BlockType) -> str:
    return f", {block_type.distribution}" if block_type.distribution else ""
