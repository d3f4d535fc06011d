"""Blocks made of what another system has, by the plugins' own classes, and what stands in the way of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blocks_core.block import Block
from blocks_core.building import build_block
from blocks_core.errors import BlockInvalid, BlocksError, FieldProblem
from blocks_core.library import Library
from blocks_core.masking import without
from blocks_registry.importing.found import Found, Inline, Link, is_blank, shown, texts_in
from blocks_registry.importing.mapping import Mapped, System, Unmapped

KEPT_AS = "secret"
"""The slug of what keeps a block or connection that has no counterpart: nothing of it is shown."""


@dataclass(repr=False)
class Made:
    """What became of one block or connection of another system."""

    found: Found
    block: Block | None = None
    slug: str = ""
    reason: str = ""
    """Why there is no block; empty where there is one."""
    notes: list[str] = field(default_factory=list[str])
    left_out: tuple[str, ...] = ()


class Maker:
    """Makes blocks; what a block holds must be made before it."""

    def __init__(self, library: Library, system: System) -> None:
        self._library = library
        self._system = system
        self._made: dict[str, Made] = {}

    def make(self, found: Found) -> Made:
        """Return what becomes of a block or connection."""
        made = self._make(found)
        self._made[found.key] = made
        return made

    def _make(self, found: Found) -> Made:
        if found.problem:
            return Made(found, reason=found.problem)
        mapped = self._system.map(found.type, found.fields)
        if isinstance(mapped, Unmapped):
            return Made(found, reason=mapped.reason)
        made = Made(found, slug=mapped.slug, notes=list(mapped.notes), left_out=mapped.left_out)
        try:
            made.block = self._build(mapped, found)
        except _Refused as refusal:
            made.reason = str(refusal)
        return made

    def _build(self, mapped: Mapped, found: Found) -> Block:
        fields = {name: self._value(name, value) for name, value in mapped.fields.items()}
        try:
            return build_block(self._library.type(mapped.slug), fields, what="It")
        except BlockInvalid as error:
            problems = "; ".join(_worded(problem, found) for problem in error.problems)
        except BlocksError as error:
            problems = refusal_of(error, found).rstrip(".")
        raise _Refused(
            f"'{mapped.slug}' does not take it: {problems}"
        )  # not from the cause, which has the values

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, Link):
            held = self._made.get(value.id)
            if held is None:
                raise _Refused(f"its field '{name}' holds a block that is not there")
            if held.block is None:
                raise _Refused(f"its field '{name}' holds '{held.found.source}', which has no counterpart")
            return held.block
        if isinstance(value, Inline):
            return self._inline(name, value)
        return value

    def _inline(self, name: str, value: Inline) -> Block:
        mapped = self._system.map(value.type, value.fields)
        if isinstance(mapped, Unmapped):
            raise _Refused(f"its field '{name}' holds a block inside, and {mapped.reason}")
        try:
            return self._build(mapped, Found(value.type, name, value.fields))
        except _Refused as refusal:
            raise _Refused(f"its field '{name}' holds a block inside, and {refusal}") from None


def keep_as_secret(made: Made, title: str, library: Library, held: Mapping[str, Found | str]) -> Block:
    """Return a secret that keeps all that a block or connection has, as JSON.

    Args:    held: key -> the address of what it holds, or what it holds itself where that has none.
    Raises:  BlockTypeNotFound, PluginBroken.
    """
    found = made.found
    fields = {name: _plain(value, held) for name, value in found.fields.items() if not is_blank(value)}
    kept = {"source": title.lower(), "type": found.type, "name": found.name, "fields": fields}
    text = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return build_block(library.type(KEPT_AS), {"value": text}, what=f"What was kept of '{found.source}'")


def refusal_of(error: BlocksError, found: Found) -> str:
    """Return what an error says of a block or connection, without its values."""
    return without(str(error), texts_in(found.fields))


def _worded(problem: FieldProblem, found: Found) -> str:
    said = without(problem.problem, texts_in(found.fields))
    return f"{shown(problem.path)}: {said}" if problem.path else said


class _Refused(Exception):
    """A block cannot be made; the text says why, and holds no value."""


def _plain(value: Any, held: Mapping[str, Found | str]) -> Any:
    if isinstance(value, Link):
        target = held.get(value.id, "")
        if isinstance(target, str):
            return {"block": target}
        value = Inline(target.type, target.fields)
    if isinstance(value, Inline):
        return {
            "type": value.type,
            "fields": {name: _plain(inner, held) for name, inner in value.fields.items()},
        }
    return value
