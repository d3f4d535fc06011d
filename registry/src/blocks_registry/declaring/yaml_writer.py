"""Plain data as YAML text: the same data is always the same text, and every reader of YAML reads the same in it.

A text stands without quotes only where no version of YAML takes it for anything else; lines of a text stand as lines;
what would not show, or would steer a terminal, stands as an escape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from blocks_core.document import Json

_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*(?:[: ][A-Za-z0-9_./@+-]+)*", re.ASCII)
_WORDS: Final = frozenset(
    {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"}
)
_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_STEP: Final = "  "


class Inline(dict[str, Json]):
    """A mapping that is written on one line, in braces."""


def can_write(text: str) -> bool:
    """Tell whether a text can stand in YAML: halves of characters (surrogates) cannot."""
    return text.isascii() or _SURROGATE.search(text) is None


def write_document(document: Mapping[str, Json]) -> str:
    """Return a mapping as the text of one YAML document, without marks of begin and end."""
    return "".join(f"{line}\n" for line in _members(document, ""))


def _members(members: Mapping[str, Json], indent: str) -> Iterator[str]:
    for key, value in members.items():
        yield from _entry(f"{indent}{_key(key)}:", value, indent)


def _items(items: list[Json], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict) and item and not isinstance(item, Inline):
            lines = list(_members(item, indent + _STEP))
            yield f"{indent}- {lines[0][len(indent) + len(_STEP) :]}"
            yield from lines[1:]
        else:
            yield from _entry(f"{indent}-", item, indent)


def _entry(head: str, value: Json, indent: str) -> Iterator[str]:
    """Yield the lines of a value after its key or its dash."""
    if isinstance(value, dict) and value and not isinstance(value, Inline):
        yield head
        yield from _members(value, indent + _STEP)
    elif isinstance(value, list) and value:
        yield head
        yield from _items(value, indent + _STEP)
    elif isinstance(value, str) and _reads_well_in_lines(value):
        yield f"{head} |" if value.endswith("\n") else f"{head} |-"
        for line in value.removesuffix("\n").split("\n"):
            yield f"{indent}{_STEP}{line}" if line else ""
    else:
        yield f"{head} {_on_one_line(value)}"


def _on_one_line(value: Json) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)}: {_on_one_line(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_on_one_line(inner) for inner in value)}]"
    if isinstance(value, str):
        return value if _stands_plain(value) else _quoted(value)
    if isinstance(value, float):
        mantissa, letter, exponent = repr(value).partition("e")
        return f"{mantissa if '.' in mantissa or not letter else f'{mantissa}.0'}{letter}{exponent}"
    return json.dumps(value)


def _key(key: str) -> str:
    return key if _stands_plain(key) and " " not in key and ":" not in key else _quoted(key)


def _stands_plain(text: str) -> bool:
    return len(text) <= 200 and _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS


def _reads_well_in_lines(text: str) -> bool:
    """Tell whether a text of several lines can stand as such, exactly, and shows all that is in it."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and all(line.isprintable() and not line.endswith(" ") for line in lines)
        and not lines[0].startswith(" ")
        and all(lines[place] for place in (0, -1))
    )


def _quoted(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    shown = (char if char.isprintable() and char not in _SHORT_ESCAPES else _escape(char) for char in text)
    return f'"{"".join(shown)}"'


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
