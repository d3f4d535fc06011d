"""The saved blocks that a form may need to name: those to choose from, and those that it names already.

Of each kind that a field asks for only as many are read as a form shows, so that a form costs the same however many
blocks are saved; any other one is chosen by its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, Final, cast
from uuid import UUID

from blocks_core.document import Encoded
from blocks_core.errors import BlockNotFound, NameInvalid
from blocks_core.names import split_address
from blocks_core.schema import BlockType
from blocks_registry.access import GuardedRegistry
from blocks_server.forms import MAX_SHOWN_BLOCKS, BlockChoice

_MAX_NAMED: Final = 2000
"""Blocks that a form may name; of more, the fields say that they are not known."""


def choices_for(
    registry: GuardedRegistry,
    block_type: BlockType,
    types: Mapping[str, BlockType],
    content: Encoded | None,
    pairs: Iterable[tuple[str, str]] = (),
) -> list[BlockChoice]:
    """Return the saved blocks for a form of a type, each once.

    Args:    content: that the form begins with. pairs: that were sent for it.
    """
    found: dict[UUID, BlockChoice] = {}
    for slug in _slugs_asked_for(block_type, types):
        for line in registry.find(slug, limit=MAX_SHOWN_BLOCKS + 1):
            found[line.id] = BlockChoice(line.id, line.slug, line.name, line.capabilities)
    named = {target for _, target in content.references()} if content else set[UUID]()
    for name, text in pairs:
        if name.endswith("~address"):
            named |= _id_at(registry, text.strip())
        else:
            named |= _id_in(text)
    for choice in named_blocks(registry, types, named - found.keys()):
        found[choice.id] = choice
    return list(found.values())


def named_blocks(
    registry: GuardedRegistry, types: Mapping[str, BlockType], ids: Set[UUID]
) -> Iterator[BlockChoice]:
    """Yield the blocks of some ids, as far as they are there and in reach."""
    for document_id, address in registry.addresses(list(ids)[:_MAX_NAMED]).items():
        slug, _, name = address.partition("/")
        known = types.get(slug)
        yield BlockChoice(document_id, slug, name, known.capabilities if known else ())


def _slugs_asked_for(block_type: BlockType, types: Mapping[str, BlockType]) -> list[str]:
    """Return the types of the blocks that a form asks for, those of blocks that are made in place included."""
    found: set[str] = set()
    looked_at: set[str] = set()
    waiting = [block_type]
    while waiting:
        asking = waiting.pop()
        looked_at.add(asking.slug)
        for word, value in _words_of_blocks(asking.schema):
            fitting = [each for each in types.values() if _fits(each, word, value)]
            found |= {each.slug for each in fitting}
            waiting += [each for each in fitting if each.slug not in looked_at]
    return sorted(found)


def _words_of_blocks(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a schema says of the blocks that its fields hold."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            members = cast("dict[str, Any]", part)
            for word in ("x-block-type", "x-capability", "x-any-block"):
                if word in members:
                    yield word, members[word]
            waiting += members.values()
        elif isinstance(part, list):
            waiting += cast("list[Any]", part)


def _fits(block_type: BlockType, word: str, value: Any) -> bool:
    if word == "x-block-type":
        return block_type.slug == value
    return word == "x-any-block" or value in block_type.capabilities


def _id_in(text: str) -> set[UUID]:
    if len(text) != 36:
        return set()
    try:
        return {UUID(text)}
    except ValueError:
        return set()


def _id_at(registry: GuardedRegistry, address: str) -> set[UUID]:
    try:
        return {registry.read(*split_address(address)).id}
    except (BlockNotFound, NameInvalid):
        return set()
