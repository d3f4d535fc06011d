"""A load in two steps: what is read at once, and what may wait for the disk before it is given."""

from __future__ import annotations

from collections.abc import Sequence

from blocks_core.document import DocumentTree
from blocks_registry.access.reads import NewRead, SecretReads


class BegunLoad:
    """A load that was read and may have to be recorded yet, which waits for the disk."""

    def __init__(self, tree: DocumentTree, reads: SecretReads, new: Sequence[NewRead]) -> None:
        self._tree = tree
        self._reads = reads
        self._new = new

    @property
    def is_recorded(self) -> bool:
        """Tell whether `finish` waits for nothing."""
        return not self._new

    def finish(self) -> DocumentTree:
        """Record it, and return the document with all that it refers to.

        Raises:  RegistryError: it cannot be recorded, so nothing is given.
        """
        self._reads.record(self._new)
        return self._tree
