"""The form of a block on a page: what both the page that makes one and the page that changes one do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blocks_core.document import Encoded
from blocks_core.schema import BlockType
from blocks_registry.access import GuardedRegistry
from blocks_server.forms import ACTION, BlockChoice, Filled, Form
from blocks_server.pages.blocks.choices import choices_for

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class FormOfBlock:
    """The form of a block type, with what it began with and the blocks that may be chosen in it."""

    block_type: BlockType
    types: Mapping[str, BlockType]
    """The registered ones, and the block's own."""
    form: Form
    content: Encoded | None
    choices: Sequence[BlockChoice]

    @classmethod
    def open(
        cls,
        registry: GuardedRegistry,
        block_type: BlockType,
        content: Encoded | None = None,
        pairs: Pairs = (),
    ) -> FormOfBlock:
        """Return the form of a type.

        Args:    pairs: that were sent for it, which may name blocks.
        Raises:  FormTooLarge.
        """
        types = {found.slug: found for found in registry.types()}
        types[block_type.slug] = block_type
        choices = choices_for(registry, block_type, types, content, pairs)
        return cls(block_type, types, Form.of(block_type.schema, types.values()), content, choices)

    def show(self) -> Filled:
        """Return it as it begins."""
        return self.form.show(self.content, self.choices)

    def read(self, pairs: Pairs, *, to_change: bool = False) -> Filled:
        """Return it as it was sent.

        Args:    to_change: whether it was sent to be shown in another way, even where no button says so.
        """
        if to_change and not any(name == ACTION and value for name, value in pairs):
            pairs = [*pairs, (ACTION, "show")]
        return self.form.read(pairs, self.content, self.choices)


def asks_for_change(pairs: Pairs) -> bool:
    """Tell whether a button was pressed that changes the form instead of saving it."""
    return any(name == ACTION and value for name, value in pairs)
