"""What a filled-in form says: content to save, with what becomes of each secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blocks_core.decoding import fill_in
from blocks_core.document import Encoded, Json, pointer_to


@dataclass(frozen=True, repr=False)
class Answer:
    """A document's content as a form has it. Its repr shows no value."""

    content: Encoded
    """Secrets that were set have their values; one that is kept has its mark, and null in the data."""
    kept: Mapping[str, str] = field(default_factory=dict[str, str])
    """JSON pointer of a secret that is kept -> where it stood in what the form began with."""
    cleared: tuple[str, ...] = ()
    """JSON pointers, in what the form began with, of the secrets that are not kept."""
    blocks: Mapping[str, str] = field(default_factory=dict[str, str])
    """JSON pointer of a block that was chosen -> its address."""
    named: Mapping[str, str] = field(default_factory=dict[str, str])
    """JSON pointer of a block that is stored inside -> the name under which it is to be saved as one of its own."""

    def __repr__(self) -> str:
        return f"Answer({self.content!r}, kept {len(self.kept)})"

    def plain(self) -> Json:
        """Return natural JSON: secrets in clear, blocks by their addresses. What is kept is null in it.

        That is what a flow takes as its parameters.
        """

        def named(data: Json, pointer: str) -> Json:
            if pointer in self.blocks:
                return self.blocks[pointer]
            if isinstance(data, dict):
                return {key: named(value, pointer_to(pointer, key)) for key, value in data.items()}
            if isinstance(data, list):
                return [named(value, pointer_to(pointer, number)) for number, value in enumerate(data)]
            return data

        return named(fill_in(self.content), "")
