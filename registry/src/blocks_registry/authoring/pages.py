"""The page of a block type: its head is written from the class, what is below the marker is its author's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from blocks_core.schema import BlockType
from blocks_registry.authoring.field_words import default_words, takes_words
from blocks_registry.errors import AuthoringRefused
from blocks_registry.schema_paths import SchemaReader

FIRST_LINE = '<!-- Written by "block plugin docs" from the class, as far as the line that says so. -->'
MARKER = '<!-- End of what "block plugin docs" writes. -->'

_EXAMPLE = re.compile(r"^```python\n.*?^```$", re.MULTILINE | re.DOTALL)


def page_text(block_type: BlockType, before: str | None, file: Path) -> str:
    """Return the text of a page: a new head, and below the marker what was there before, byte for byte.

    Args:    before: the page as it is; None where there is none. file: to name it in messages.
    Raises:  AuthoringRefused: the page has no marker, so what of it is its author's nobody knows.
    """
    head = f"{page_head(block_type)}\n{MARKER}"
    if before is None:
        return f"{head}\n"
    _, marker, own = before.partition(MARKER)
    if not marker:
        raise AuthoringRefused(
            f"{file} was written by hand: it has no line {MARKER}. Put the line above what is to be kept; what is "
            f"above it will be replaced. Nothing was written."
        )
    return f"{head}{own}"


def page_head(block_type: BlockType) -> str:
    """Return what is written from the class: title, docstring, fields and the docstring's example."""
    example = _EXAMPLE.search(block_type.description)
    prose = _EXAMPLE.sub("", block_type.description)
    parts = [
        FIRST_LINE + f"\n# {block_type.title}",
        re.sub(r"\n{3,}", "\n\n", prose).strip(),
        f"Slug `{block_type.slug}`, from `{block_type.distribution}`.{_capabilities(block_type)}",
        "\n".join(_table(block_type)),
    ]
    if example:
        parts.append(f"## Use\n\n{example[0]}")
    return "\n\n".join(part for part in parts if part) + "\n"


def table_row(cells: Iterable[str]) -> str:
    r"""Return a row of a table in Markdown.

    >>> table_row(["a|b", ""])
    '| a\\|b |  |'
    """
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def first_sentence(block_type: BlockType) -> str:
    """Return the first sentence of a type's docstring, on one line."""
    paragraph = " ".join(block_type.description.partition("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return f"{sentence}{stop.strip()}"


def _capabilities(block_type: BlockType) -> str:
    names = block_type.capabilities
    if not names:
        return ""
    return f" {'Capability' if len(names) == 1 else 'Capabilities'}: {', '.join(names)}."


def _table(block_type: BlockType) -> Iterator[str]:
    reader = SchemaReader(block_type.schema)
    fields = list(reader.fields())
    if not fields:
        yield "It has no fields."
        return
    yield "| field | type | default | what |"
    yield "|---|---|---|---|"
    for path, node, options, required in fields:
        cells = (
            f"`{path}`",
            takes_words(reader, options),
            default_words(node, options, required=required),
            " ".join(str(node.get("description", "")).split()),
        )
        yield table_row(cells)
