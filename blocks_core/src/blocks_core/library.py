"""The library: what `Block.load`, `save` and `delete` talk to. It joins the catalog and a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, cast
from uuid import UUID

from blocks_core.assembling import Assembly
from blocks_core.block import Block, Saved, slug_of
from blocks_core.catalog import Catalog
from blocks_core.codec import digest_of, encode_block
from blocks_core.document import Document, DocumentTree, Draft
from blocks_core.errors import (
    BlockInvalid,
    BlockTypeNotFound,
    DocumentDamaged,
    FieldProblem,
    NameInvalid,
)
from blocks_core.masking import note_secrets
from blocks_core.names import check_name, join_address, split_address
from blocks_core.registry import Registration, Registry
from blocks_core.resolving import read_from_source

if TYPE_CHECKING:
    from blocks_core.chain import Upgraded
    from blocks_core.schema import BlockType
    from blocks_core.secret_reference import SecretReference

AnyBlock = TypeVar("AnyBlock", bound=Block)


class Library:
    """Blocks by name. An explicit object: any number can live side by side."""

    def __init__(self, registry: Registry, catalog: Catalog | None = None) -> None:
        self.registry = registry
        self.catalog = catalog or Catalog()

    def load(
        self, block_type: type[AnyBlock], name: str, *, version: int | None = None, resolve: bool = True
    ) -> AnyBlock:
        """Return a saved block; `Block.load` says how it is named and what it raises.

        Args:    resolve: also read what its secret references lead to, and those of the blocks that it holds.
        Raises:  SecretUnresolved: such a reference leads to nothing.
        """
        slug, name = _address(block_type, name)
        concrete = block_type if block_type.type_info.slug else self.type(slug)
        if not issubclass(concrete, block_type):
            problem = FieldProblem("", f"it is a {concrete.__name__}, which is no {block_type.__name__}")
            raise BlockInvalid(f"Block '{join_address(slug, name)}'", [problem])
        tree = self.registry.load(slug, name, version=version)
        return cast("AnyBlock", self.build(tree, concrete, resolve=resolve))

    def read_secret(self, reference: SecretReference) -> bytes:
        """Return what a secret reference to a saved block leads to; `resolving` says how long it is kept.

        Raises:  SecretUnresolved.
        """
        return read_from_source(self, reference)

    def save(self, block: Block, name: str, *, overwrite: bool = False) -> UUID:
        """Save a block; `Block.save` says how and what it raises."""
        draft = self.draft(block, name)
        try:
            document = self.registry.save(draft, overwrite=overwrite)
        except BlockTypeNotFound:
            self.register_types_of(draft, type(block))
            document = self.registry.save(draft, overwrite=overwrite)
        block._set_saved(_saved(document, block))  # pyright: ignore[reportPrivateUsage] the library's own door
        note_secrets(draft.content)
        return document.id

    def draft(self, block: Block, name: str) -> Draft:
        """Return a block as it would be saved under a name.

        Raises:  NameInvalid, ValueNotStorable, BlockInvalid.
        """
        from blocks_core.schema import describe  # late, with the next: loading needs no schema

        slug = slug_of(type(block))
        content = encode_block(block, address=join_address(slug, check_name(name)))
        described = describe(type(block))
        return Draft(slug, name, described.version, described.structure_hash, content)

    def delete(self, block_type: type[Block], name: str, *, force: bool = False) -> None:
        """Delete a saved block; `Block.delete` says how it is named and what it raises."""
        slug, name = _address(block_type, name)
        self.registry.delete(slug, name, force=force)

    def register(self, block_type: type[Block]) -> Registration:
        """Note a type of this process in the registry, with the distribution that offers it.

        Raises:  SchemaConflict.
        """
        from blocks_core.schema import describe

        return self.registry.register(self.catalog.offered(block_type) or describe(block_type))

    def register_types_of(self, draft: Draft, block_type: type[Block]) -> None:
        """Register a draft's type and those of the blocks stored inside it.

        Raises:  SchemaConflict, BlockTypeNotFound, PluginBroken.
        """
        inner = (
            mark.removeprefix("inline:")
            for mark in draft.content.marks.values()
            if mark.startswith("inline:")
        )
        slugs = {mark.rpartition("@")[0] for mark in inner} - {draft.slug}
        for needed in (block_type, *(self.type(slug) for slug in sorted(slugs))):
            self.register(needed)

    def type(self, slug: str) -> type[Block]:
        """Return an installed type's class.

        Raises:  BlockTypeNotFound: where the type is registered, it says where it comes from. PluginBroken.
        """
        try:
            return self.catalog.find(slug)
        except BlockTypeNotFound as error:
            try:
                known = self.registry.type(slug)
            except BlockTypeNotFound:
                raise error from None
            raise BlockTypeNotFound(_not_installed(known)) from error

    def close(self) -> None:
        """Let go of the registry's connections."""
        self.registry.close()

    def build(self, tree: DocumentTree, block_type: type[Block], *, resolve: bool = False) -> Block:
        """Return a document's block, brought to the installed version of its type.

        Those that it refers to are built before it, each once, however deep it lies.

        Args:    resolve: see `load`.
        Raises:  BlockInvalid, SchemaTooNew, UpgradeMissing, UpgradeFailed, DocumentDamaged, PluginBroken;
                 SecretUnresolved.
        """
        built: dict[UUID, Block] = {}
        waiting, opened = [tree.root], set[UUID]()
        while waiting:
            document = waiting[-1]
            held = [target for _, target in document.content.references() if target not in built]
            if opened.intersection(held):
                raise DocumentDamaged(document.address, "it holds a block that holds it")
            if held:
                opened.add(document.id)
                waiting += [tree.others[target] for target in held]
                continue
            waiting.pop()
            if document.id not in built:
                concrete = block_type if document is tree.root else self.type(document.slug)
                built[document.id] = self._build(document, concrete, built, resolve)
        return built[tree.root.id]

    def is_outdated(self, document: Document, block_type: type[Block]) -> bool:
        """Tell whether a document, or a block stored inside it, is of another version than the installed one.

        Raises:  BlockTypeNotFound, PluginBroken: of a block stored inside.
        """
        if document.type_version != block_type.type_info.version:
            return True
        for mark in document.content.marks.values():
            if mark.startswith("inline:"):
                slug, _, version = mark.removeprefix("inline:").rpartition("@")
                if not version.isdecimal() or int(version) != self.type(slug).type_info.version:
                    return True
        return False

    def _build(
        self, document: Document, block_type: type[Block], held: Mapping[UUID, Block], resolve: bool
    ) -> Block:
        note_secrets(document.content)
        assembly = Assembly(document, self._upgraded(document, block_type), held, self)
        block = assembly.make(block_type, resolve=resolve)
        block._set_saved(_saved(document, block))  # pyright: ignore[reportPrivateUsage]
        return block

    def _upgraded(self, document: Document, block_type: type[Block]) -> Upgraded | None:
        """Return a document in the form of the installed version, or None where it has that already."""
        if not self.is_outdated(document, block_type):
            return None
        from blocks_core.chain import bring_up_to_date  # late: most documents need none

        return bring_up_to_date(document, block_type, self.type)


def _address(block_type: type[Block], name: str) -> tuple[str, str]:
    own = block_type.type_info.slug
    if own is None:
        return split_address(name)
    if "/" not in name:
        return own, check_name(name)
    slug, name = split_address(name)
    if slug != own:
        raise NameInvalid(
            f"{block_type.__name__} loads blocks of the type '{own}', not '{slug}/{name}'. Ask the class of "
            f"'{slug}', or Block.load('{slug}/{name}')."
        )
    return slug, name


def _not_installed(known: BlockType) -> str:
    if known.distribution:
        origin = f"{known.distribution} {known.distribution_version}".strip()
        return (
            f"Block type '{known.slug}' is registered, from {origin}, but no plugin that is installed here has it. "
            f"Install it: pip install {known.distribution}."
        )
    return (
        f"Block type '{known.slug}' is registered, from '{known.target}', but no plugin that is installed here has "
        f"it. Import the module that defines it, and use the block in Python."
    )


def _saved(document: Document, block: Block) -> Saved:
    return Saved(document.id, document.slug, document.name, document.version, digest_of(block))
