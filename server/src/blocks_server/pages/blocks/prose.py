"""What a block type says of itself, as a page shows it: paragraphs, lists and code; never markup of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

_FENCE: Final = "```"


@dataclass(frozen=True)
class Part:
    """One part of a text."""

    kind: Literal["text", "list", "code"]
    lines: Sequence[Sequence[str]]
    """Of each line its pieces: every second one is code. Code is one piece."""


def parts_of(text: str) -> list[Part]:
    r"""Return the parts of a text in which an empty line ends a paragraph, and a fence encloses code.

    >>> [(part.kind, part.lines) for part in parts_of("One\nline.\n\n- `a`\n- b")]
    [('text', [['One line.']]), ('list', [['', 'a', ''], ['b']])]
    """
    found: list[Part] = []
    for is_code, lines in _fenced(text.strip().splitlines()):
        if is_code:
            found.append(Part("code", [["\n".join(lines)]]))
        else:
            found += _paragraphs(lines)
    return found


def _fenced(lines: Sequence[str]) -> Iterator[tuple[bool, list[str]]]:
    """Yield runs of lines, and whether they are code."""
    run: list[str] = []
    is_code = False
    for line in [*lines, _FENCE]:
        if not line.strip().startswith(_FENCE):
            run.append(line)
            continue
        if run:
            yield is_code, run
        run, is_code = [], not is_code


def _paragraphs(lines: Sequence[str]) -> Iterator[Part]:
    items: list[str] = []
    is_list = False
    for line in [*lines, ""]:
        text = line.strip()
        begins_item = text.startswith(("- ", "* "))
        if items and (not text or (begins_item and not is_list)):
            yield _part(items, is_list=is_list)
            items = []
        if not text:
            continue
        if not items:
            is_list = begins_item
        if begins_item:
            items.append(text[2:])
        elif items:
            items[-1] = f"{items[-1]} {text}"
        else:
            items.append(text)


def _part(items: Sequence[str], *, is_list: bool) -> Part:
    return Part("list" if is_list else "text", [item.split("`") for item in items])
