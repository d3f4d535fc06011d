"""Makes the block of one document: its stored form decoded, its fields checked, its secret references read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from blocks_core.block import Block
from blocks_core.building import build_block
from blocks_core.decoding import decode
from blocks_core.document import Document, Encoded, dotted
from blocks_core.errors import BlockInvalid, DocumentDamaged, SecretsInCircle, SecretUnresolved
from blocks_core.resolving import Sources, unresolved_in, with_origins, with_values
from blocks_core.secret import SecretBytesRef, SecretRef

if TYPE_CHECKING:
    from blocks_core.chain import Upgraded


class Assembly:
    """One document on its way to a block.

    Args:    upgraded: the document in the form of the installed version, None where it has that already.
             held: the blocks that it refers to.
             library: which has the types of blocks stored inside, and of which secret references name blocks.
    """

    def __init__(
        self, document: Document, upgraded: Upgraded | None, held: Mapping[UUID, Block], library: Sources
    ) -> None:
        self._document = document
        self._upgraded = upgraded
        self._held = held
        self._library = library
        self._references: dict[str, SecretRef | SecretBytesRef] = {}

    def make(self, block_type: type[Block], *, resolve: bool) -> Block:
        """Return the block.

        Args:    resolve: also read what the secret references lead to, and see that the type takes the values. What
                 its validators make of them is not kept: the block has its references still.
        Raises:  BlockInvalid, DocumentDamaged, UpgradeFailed; SecretUnresolved: also where a validator of the type
                 asks for the value of a reference that leads to nothing.
        """
        address = self._document.address
        content = self._upgraded.content if self._upgraded else self._document.content
        try:
            block = self._made(block_type, content)
        except SecretsInCircle:
            raise
        except SecretUnresolved as error:
            places = [at for at, found in self._references.items() if found.reference == error.reference]
            raise unresolved_in(address, dict.fromkeys(places or [""], error)) from error
        if resolve and self._references:
            references = dict(self._references)
            filled = with_values(content, references, address)
            try:
                self._made(block_type, filled)
            except BlockInvalid as error:
                raise with_origins(error, references) from error
        if self._upgraded is not None:
            self._upgraded.refuse_leftovers(block)
        return block

    def _made(self, block_type: type[Block], content: Encoded) -> Block:
        address = self._document.address
        try:
            fields = decode(content, self._block_at, address=address, on_reference=self._on_reference)
        except DocumentDamaged as error:
            if self._upgraded is None:
                raise
            raise self._upgraded.fault(error) from error
        if not isinstance(fields, dict):
            raise DocumentDamaged(address, "it is no object of fields")
        return self._built(block_type, cast("dict[str, Any]", fields), "", f"Block '{address}'")

    def _on_reference(self, pointer: str, reference: SecretRef | SecretBytesRef) -> None:
        reference.bind(self._library)
        self._references[pointer] = reference

    def _block_at(self, pointer: str, mark: str, members: Mapping[str, Any] | None) -> Block:
        if members is None:
            return self._held[UUID(mark.removeprefix("block:"))]
        inner = self._library.type(mark.removeprefix("inline:").rpartition("@")[0])
        return self._built(
            inner, members, pointer, f"Block '{self._document.address}', field {dotted(pointer)},"
        )

    def _built(self, block_type: type[Block], fields: Mapping[str, Any], pointer: str, what: str) -> Block:
        try:
            return build_block(block_type, fields, what=what)
        except BlockInvalid as error:
            if self._upgraded is None:
                raise
            raise self._upgraded.refusal(error, pointer) from error
