"""What is to become of the saved blocks, and carrying it out in one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from blocks_core.block import Block
from blocks_core.document import Document
from blocks_core.library import Library
from blocks_core.records import FieldChange
from blocks_core.registry import Edit

Action = Literal["new", "changed", "unchanged", "deleted"]


@dataclass(frozen=True)
class PlannedBlock:
    """What is to become of one block."""

    address: str
    action: Action
    version: int
    """That is saved now; 0 where nothing is."""
    changes: tuple[FieldChange, ...] = ()
    labels: tuple[FieldChange, ...] = ()
    """Changes of labels, by their keys."""
    type_versions: tuple[int, int] | None = None
    """Of the type, before and after, where they differ."""
    edit: Edit | None = field(default=None, repr=False)
    """None where there is nothing to do."""
    in_clear: tuple[str, ...] = ()
    """Paths of the secrets whose values stand in the file."""
    source: str = ""
    """The file that declares it; empty where none does."""


@dataclass(frozen=True)
class Plan:
    """What is to become of each block, and the types to register first."""

    blocks: tuple[PlannedBlock, ...]
    types: tuple[type[Block], ...] = ()

    @property
    def edits(self) -> list[Edit]:
        """Return what is to be done to blocks."""
        return [block.edit for block in self.blocks if block.edit is not None]

    def count(self, action: Action) -> int:
        """Return how many blocks this is to become of."""
        return sum(block.action == action for block in self.blocks)


def carry_out(plan: Plan, library: Library) -> list[Document]:
    """Do what a plan says, all or nothing, and return the documents that it left.

    Types are registered first, which harms nothing where the rest is refused.

    Raises:  VersionConflict: a block was changed after the plan was made. What `Registry.change` raises.
    """
    for block_type in plan.types:
        library.register(block_type)
    done = library.registry.change(plan.edits) if plan.edits else []
    return [document for document in done if document is not None]
