"""What templates may do with a value, each step of a size that is known before it is made.

Filters of our own: jinja2's make texts of any length from short templates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, Final, cast
from urllib.parse import quote

from jinja2 import Undefined

MAX_OUTPUT_CHARACTERS: Final = 200_000
"""Of what a template makes, and of any text on the way."""


class Refused(Exception):
    """What a template did is not allowed; the message shows no value."""


class Method:
    """A function that a template may call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


def counted(size: int) -> int:
    """Return a number of characters, if it is not too large.

    Raises:  Refused.
    """
    if size > MAX_OUTPUT_CHARACTERS:
        raise Refused(
            f"it makes more than {MAX_OUTPUT_CHARACTERS:,} characters. Cut the values: |truncate(500)."
        )
    return size


def text_of(value: object) -> str:
    """Return a value as text: nothing for None, JSON for lists, dicts and truth values.

    Raises:  Refused: too long, or no value; UndefinedError.
    """
    if isinstance(value, (list, tuple, dict, bool)):
        found = json.dumps(value, ensure_ascii=False)
    elif value is None:
        found = ""
    elif isinstance(value, (str, int, float, Undefined)):
        found = str(value)  # of what is missing it is an error
    else:
        raise Refused("it shows a function. Call it: write () behind its name.")
    counted(len(found))
    return found


def _join(value: Iterable[Any], between: str = "") -> str:
    parts = [text_of(part) for part in _items(value)]
    counted(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _replace(value: Any, old: str, new: str) -> str:
    text = text_of(value)
    counted(len(text) + (text.count(old) if old else len(text) + 1) * len(new))
    return text.replace(old, new)


def _truncate(value: Any, length: int = 255) -> str:
    text = text_of(value)
    return text if len(text) <= length else f"{text[: max(0, length - 1)]}…"


def _tail(value: Any, length: int = 255) -> str:
    text = text_of(value)
    return text if len(text) <= length else f"…{text[len(text) - max(0, length - 1) :]}"


def _indent(value: Any, width: int = 4) -> str:
    lines = text_of(value).split("\n")
    counted(len(lines) * width)
    return f"\n{' ' * width}".join(lines)


def _default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    missing = isinstance(value, Undefined) or (boolean and not value)
    return fallback if missing else value


def _items(value: Any) -> list[Any]:
    found = list(cast("Iterable[Any]", value))
    counted(len(found))
    return found


def _first(value: Any) -> Any:
    return next(iter(_items(value)), "")


def _last(value: Any) -> Any:
    return next(reversed(_items(value)), "")


def _length(value: Any) -> int:
    return len(value)


def _sort(value: Any) -> list[Any]:
    return sorted(_items(value))


def _abs(value: Any) -> Any:
    return abs(value)


def _round(value: Any, precision: int = 0) -> float:
    return round(float(value), precision)


def _int(value: Any) -> int:
    return int(value)


def _float(value: Any) -> float:
    return float(value)


def _json(value: Any) -> str:
    return json.dumps(None if value is None else value, ensure_ascii=False)


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str]:
    def changed(value: Any) -> str:
        return change(text_of(value))

    return changed


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": _abs,
    "capitalize": _of_text(str.capitalize),
    "default": _default,
    "e": _of_text(escape),
    "escape": _of_text(escape),
    "first": _first,
    "float": _float,
    "indent": _indent,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _items,
    "lower": _of_text(str.lower),
    "replace": _replace,
    "round": _round,
    "sort": _sort,
    "string": text_of,
    "tail": _tail,
    "title": _of_text(str.title),
    "tojson": _json,
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "upper": _of_text(str.upper),
    "urlencode": _of_text(lambda text: quote(text, safe="", errors="replace")),
}
"""By their names in templates; `tail` keeps the end of a long text, `truncate` its beginning."""
