"""Blocks to their stored form, exactly: a value that would not come back the same is refused."""

from __future__ import annotations

from typing import Any, cast

from blocks_core.block import Block
from blocks_core.building import build_block
from blocks_core.decoding import decode
from blocks_core.document import Encoded
from blocks_core.encoding import Walk, digest, fields_of
from blocks_core.errors import BlockInvalid, ValueNotStorable


def encode_block(block: Block, *, address: str) -> Encoded:
    """Return a block's fields in stored form, having made sure that they come back as they are.

    Args:    address: what to call the block in an error.
    Raises:  ValueNotStorable: a value has no stored form, or would come back as another; the message has
             its path.
    """
    content, refusal = _attempt(block, address)
    if refusal is None:
        return content
    # pydantic leaves defaults and assigned objects as they are (a float field's `= 60`): try them validated.
    validated = build_block(type(block), fields_of(block), what=f"Block '{address}'")
    content, refusal = _attempt(validated, address)
    if refusal is None:
        return content
    raise refusal


def digest_of(block: Block) -> str:
    """Return the digest of what a block object holds now, or none where it has no stored form."""
    try:
        return digest(Walk("it").encode(fields_of(block)))
    except ValueNotStorable:  # a field that its class got since it was stored: saving it will say so
        return ""


def _attempt(block: Block, address: str) -> tuple[Encoded, ValueNotStorable | None]:
    """Return a block's stored form, and why it would not come back as it is, or None where it would."""
    walk = Walk(address)
    content = walk.encode(fields_of(block))
    walk.refuse_changed()

    def block_at(pointer: str, mark: str, members: Any) -> Block:
        original = walk.blocks[pointer]
        return original if members is None else build_block(type(original), members, what="it")

    try:
        again = build_block(type(block), decode(content, block_at, address=address), what="what was stored")
    except BlockInvalid as error:
        return content, ValueNotStorable(
            f"Block '{address}' was not saved, as it could not be loaded: {error}"
        )
    second = Walk(address)
    if second.encode(fields_of(again)) == content and second.shape == walk.shape:
        return content, None
    for pointer, shape in walk.shape.items():
        if second.shape.get(pointer) != shape:
            kind, found = _type_name(shape), _type_name(second.shape.get(pointer, type(None)))
            problem = f"is a {kind} and would come back as {'another' if kind == found else f'a {found}'}"
            return content, walk.refusal(
                pointer,
                f"{problem}. Give a union a discriminator, a field a narrower type, and a default the type of its "
                f"field (1.0, not 1)",
            )
    problem = "changes when it is stored and loaded. Make the validators give back what they are given"
    return content, walk.refusal("", problem)


def _type_name(shape: Any) -> str:
    return cast("type", shape[0] if isinstance(shape, tuple) else shape).__name__
