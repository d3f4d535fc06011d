"""The library: what `Block.load`, `save` and `delete` talk to. It joins the catalog and a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from blocks_core.block import Block, Saved, slug_of
from blocks_core.building import build_block
from blocks_core.catalog import Catalog
from blocks_core.codec import digest_of, encode_block
from blocks_core.decoding import decode
from blocks_core.document import Document, DocumentTree, Draft, dotted
from blocks_core.errors import (
    BlockInvalid,
    BlockTypeNotFound,
    DocumentDamaged,
    FieldProblem,
    NameInvalid,
    SchemaConflict,
    SchemaTooNew,
)
from blocks_core.masking import note_secrets
from blocks_core.names import check_name, join_address, split_address
from blocks_core.registry import Registration, Registry

if TYPE_CHECKING:
    from blocks_core.schema import BlockType

AnyBlock = TypeVar("AnyBlock", bound=Block)


class Library:
    """Blocks by name. An explicit object: any number can live side by side."""

    def __init__(self, registry: Registry, catalog: Catalog | None = None) -> None:
        self.registry = registry
        self.catalog = catalog or Catalog()

    def load(self, block_type: type[AnyBlock], name: str, *, version: int | None = None) -> AnyBlock:
        """Return a saved block; `Block.load` says how it is named and what it raises."""
        slug, name = _address(block_type, name)
        concrete = block_type if block_type.type_info.slug else self.type(slug)
        if not issubclass(concrete, block_type):
            problem = FieldProblem("", f"it is a {concrete.__name__}, which is no {block_type.__name__}")
            raise BlockInvalid(f"Block '{join_address(slug, name)}'", [problem])
        tree = self.registry.load(slug, name, version=version)
        return cast("AnyBlock", self._build_tree(tree, concrete))

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

    def _build_tree(self, tree: DocumentTree, block_type: type[Block]) -> Block:
        """Build a document's block, after those that it refers to; each is built once, however deep it lies."""
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
                built[document.id] = self._build(document, concrete, built)
        return built[tree.root.id]

    def _build(self, document: Document, block_type: type[Block], held: Mapping[UUID, Block]) -> Block:
        _refuse_other_version(document.address, block_type, document.type_version)
        note_secrets(document.content)

        def block_at(pointer: str, mark: str, members: Mapping[str, Any] | None) -> Block:
            if members is None:
                return held[UUID(mark.removeprefix("block:"))]
            slug, _, version = mark.removeprefix("inline:").rpartition("@")
            if not version.isdecimal():
                raise DocumentDamaged(document.address, f"{dotted(pointer)} has the mark '{mark}'")
            inner = self.type(slug)
            _refuse_other_version(f"{document.address}, field {dotted(pointer)}", inner, int(version))
            return build_block(inner, members, what=f"Block '{document.address}', field {dotted(pointer)},")

        fields = decode(document.content, block_at, address=document.address)
        if not isinstance(fields, dict):
            raise DocumentDamaged(document.address, "it is no object of fields")
        block = build_block(block_type, cast("dict[str, Any]", fields), what=f"Block '{document.address}'")
        block._set_saved(_saved(document, block))  # pyright: ignore[reportPrivateUsage]
        return block


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


def _refuse_other_version(address: str, block_type: type[Block], stored: int) -> None:
    installed = block_type.type_info.version
    if stored > installed:
        raise SchemaTooNew(
            f"Block '{address}' was stored by version {stored} of its type, and version {installed} is installed "
            f"here. Upgrade the plugin that provides '{block_type.type_info.slug}'."
        )
    if stored < installed:
        raise SchemaConflict(
            f"Block '{address}' was stored by version {stored} of its type, and version {installed} is installed "
            f"here, which has no upgrade from version {stored}. Save the block anew, or install the older plugin."
        )


def _saved(document: Document, block: Block) -> Saved:
    return Saved(document.id, document.slug, document.name, document.version, digest_of(block))
