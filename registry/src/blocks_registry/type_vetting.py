"""What a registry asks of a block type before it notes it: a description that no reader of it stumbles over.

Whoever registers types writes their schemas, which the registry, forms and other clients then read. So a schema is
measured first, as it unfolds: a few hundred bytes whose definitions name each other twice are millions of parts.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn, cast

from blocks_core.errors import BlockTypeInvalid, NameInvalid
from blocks_core.logos import problem_of_logo
from blocks_core.names import check_slug
from blocks_core.schema import BlockType

MAX_SCHEMA_BYTES: Final = 1024 * 1024
"""Of a schema as JSON text."""
MAX_PARTS: Final = 20_000
"""Of a schema, its definitions put where they are named."""
MAX_DEPTH: Final = 100
"""Levels of a schema, its definitions put where they are named."""
MAX_TEXT: Final = 100_000
"""Characters of a description or an example."""
MAX_WORD: Final = 300
"""Characters of a title, a target, a distribution, a capability."""

_MAX_VERSION = 2**31 - 1
_MAX_CAPABILITIES = 100
_DEFINITION = "#/$defs/"

Node = dict[str, Any]


def refuse_unfit_type(block_type: BlockType) -> None:
    """Refuse a block type that no registry takes.

    Raises:  NameInvalid: its slug is none. BlockTypeInvalid: its schema describes no block, or is too large.
    """
    try:
        check_slug(block_type.slug)
    except NameInvalid as error:
        raise NameInvalid(f"The block type was not registered: {error}") from None
    _refuse_unfit_texts(block_type)
    schema: Any = block_type.schema
    if not isinstance(schema, dict):
        _refuse(block_type, "its schema is no object")
    _Measure(block_type).take(cast("Node", schema))
    text = _text_of(block_type)
    if len(text) > MAX_SCHEMA_BYTES:
        _refuse(block_type, f"its schema has {len(text):,} bytes, and {MAX_SCHEMA_BYTES:,} are the most")
    _refuse_unreadable(block_type)


def _refuse_unfit_texts(block_type: BlockType) -> None:
    if not 0 < block_type.version <= _MAX_VERSION:
        _refuse(block_type, f"its version must be from 1 to {_MAX_VERSION:,}")
    words = (block_type.title, block_type.target, block_type.structure_hash, block_type.distribution)
    for word in (*words, block_type.distribution_version, *block_type.capabilities):
        if len(word) > MAX_WORD or not word.isprintable():
            _refuse(
                block_type,
                f"title, target, distribution and capabilities are lines of up to {MAX_WORD} characters",
            )
    if len(block_type.capabilities) > _MAX_CAPABILITIES or len(block_type.upgrades) > MAX_WORD:
        _refuse(block_type, "it has too many capabilities or upgrades")
    for text in (block_type.description, block_type.example):
        if len(text) > MAX_TEXT or not _is_text(text):
            _refuse(block_type, f"its description and its example are texts of up to {MAX_TEXT:,} characters")
    problem = problem_of_logo(block_type.logo) if block_type.logo else None
    if problem:
        _refuse(block_type, f"its logo cannot be shown: {problem}")


class _Measure:
    """Counts the parts of a schema as it unfolds, without recursion, as it may be of any depth."""

    def __init__(self, block_type: BlockType) -> None:
        self._type = block_type

    def take(self, schema: Node) -> None:
        """Refuse a schema that is too deep or too large, or whose references lead nowhere."""
        definitions: Any = schema.get("$defs", {})
        if not isinstance(definitions, dict):
            _refuse(self._type, "its $defs are no object")
        known = cast("Node", definitions)
        self._refuse_circle(schema, known)
        waiting: list[tuple[Any, int, frozenset[str]]] = [(schema, 0, frozenset())]
        for definition in known.values():  # those, too, that nothing names
            waiting.append((definition, 1, frozenset()))
        parts = 0
        while waiting:
            part, depth, inside = waiting.pop()
            parts += 1
            if depth > MAX_DEPTH:
                _refuse(self._type, f"its schema lies deeper than {MAX_DEPTH} levels")
            if parts + len(waiting) > MAX_PARTS:
                _refuse(self._type, f"its schema unfolds to more than {MAX_PARTS:,} parts")
            if isinstance(part, dict):
                node = cast("Node", part)
                waiting += self._of_reference(node, known, depth, inside)
                waiting += [(inner, depth + 1, inside) for key, inner in node.items() if key != "$defs"]
            elif isinstance(part, list):
                waiting += [(inner, depth + 1, inside) for inner in cast("list[Any]", part)]

    def _of_reference(
        self, node: Node, known: Node, depth: int, inside: frozenset[str]
    ) -> list[tuple[Any, int, frozenset[str]]]:
        target: Any = node.get("$ref")
        if not isinstance(target, str):  # none, or a field that has this name
            return []
        name = target.removeprefix(_DEFINITION)
        if name == target or name not in known:
            _refuse(self._type, "its schema refers to what is not among its own $defs")
        return [] if name in inside else [(known[name], depth + 1, inside | {name})]

    def _refuse_circle(self, root: Node, known: Node) -> None:
        """Refuse a root that leads to itself and to no fields."""
        seen: set[str] = set()
        here: Any = root
        while isinstance(here, dict) and isinstance(cast("Node", here).get("$ref"), str):
            name = str(cast("Node", here)["$ref"]).removeprefix(_DEFINITION)
            if name in seen:
                _refuse(self._type, "its schema refers to itself and describes no fields")
            seen.add(name)
            here = known.get(name)
        node = cast("Node", here) if isinstance(here, dict) else {}
        if node.get("type") != "object" or not isinstance(node.get("properties", {}), dict):
            _refuse(self._type, "its schema describes no object with fields")


def _refuse_unreadable(block_type: BlockType) -> None:
    """Refuse a schema that the reader of structures, or the checker of documents, cannot read."""
    from blocks_core.structure import structure  # late, like the next: loading registers nothing
    from blocks_core.validation import Validator

    try:
        structure(block_type.schema)
        Validator(block_type.schema)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        problem = "its schema is no JSON Schema that can be read"
    else:
        return
    _refuse(block_type, problem)


def _text_of(block_type: BlockType) -> str:
    text = json.dumps(block_type.schema)
    if not _is_text(json.dumps(block_type.schema, ensure_ascii=False)):
        _refuse(block_type, "its schema has characters that are no text")
    return text


def _is_text(text: str) -> bool:
    """Tell whether databases can hold a text: no half of a pair, no zero character."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text))


def _refuse(block_type: BlockType, problem: str) -> NoReturn:
    raise BlockTypeInvalid(
        f"The block type '{block_type.slug}' was not registered: {problem}. Register it from its class: "
        f"block register -m MODULE"
    )
