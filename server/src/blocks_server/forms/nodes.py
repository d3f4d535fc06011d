"""A form as it is filled in: for each field what is typed or chosen there, with the name of its input."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from blocks_server.forms.fields import Field

GIVEN = "given"
LEFT_OUT = "left-out"
"""What a list, keys and values, or a model says of itself: whether it is a part of the value."""

KEEP, SET, SET_LINES, SET_BASE64, REFER, NO_SECRET = "keep", "set", "lines", "base64", "ref", "none"
"""What becomes of a secret."""

BY_ADDRESS = "by-address"
"""What a field for a block says when an address is typed beside it."""

INSIDE = "inside:"
"""Before the slug of a block that is stored inside."""

AS_JSON = "json"
"""The branch of a union for a value that fits no other, and what a text says of itself that is JSON."""


@dataclass(frozen=True)
class Typed:
    """A text that was typed, or the JSON of one that an input cannot hold."""

    text: str = ""
    is_json: bool = False


@dataclass(frozen=True, repr=False)
class Node:
    """What stands at a field. Its repr shows no value."""

    field: Field
    name: str
    origin: str | None = None
    """JSON pointer of the place in the value that the form began with; None where there is no such place."""
    text: str = ""
    """What was typed; of a choice, the number of an option; of a union, of a branch; of a secret, a word."""
    is_json: bool = False
    """Whether the text is JSON whatever the field is, as no other input could hold the value."""
    is_empty: bool = False
    """Whether the empty text is meant, not that there is none."""
    children: tuple[Node, ...] = ()
    key: Typed | None = None
    """Of a row with a key of the user's."""
    saved_as: str = ""
    """Of a block that is made in place, the name that it is to be saved under; empty where it is stored inside."""
    secret: str = dataclasses.field(default="", compare=False)
    """A value that was typed for a secret; it is never shown again."""

    def walk(self) -> Iterator[Node]:
        """Yield the node and all below it."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)
