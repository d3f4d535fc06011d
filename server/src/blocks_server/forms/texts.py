"""Texts of inputs: which values an input holds as they are, and how JSON is written and read."""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode
from functools import lru_cache
from typing import Any, Final, NoReturn

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from blocks_core.document import Json
from blocks_core.encoding import MAX_DEPTH

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What an input does not give back as it was put in: control characters, halves of pairs, lines ended by CR."""

_WHOLE: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE: Final = {"inf", "-inf", "nan"}

MARKS: Final = {
    "bytes": "bytes",
    "date": "date",
    "date-time": "datetime",
    "time": "time",
    "duration": "timedelta",
    "uuid": "uuid",
    "path": "path",
}
"""Format in a schema -> mark of the value in a stored form."""


class TextRefused(ValueError):
    """A text is not what a field takes; the message goes to the field and never has the text."""


def fits_input(text: str, *, is_line: bool = False) -> bool:
    """Tell whether an input, or one of a single line, gives a text back as it was put in."""
    return _UNSAFE.search(text) is None and not (is_line and "\n" in text)


def json_text(value: Json, *, indent: bool = True) -> str:
    """Return a value as JSON that UTF-8 can hold."""
    text = json.dumps(
        value, ensure_ascii=False, indent=2 if indent and isinstance(value, (dict, list)) else None
    )
    if fits_input(text):
        return text
    return json.dumps(value, indent=2 if indent and isinstance(value, (dict, list)) else None)


def parse_json(text: str) -> Json:
    """Return the value of a JSON text.

    Raises:  TextRefused: it is none, or says a member twice, or is deeper than a document may be.
    """
    try:
        found: Json = json.loads(text, object_pairs_hook=_members, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        problem = f"is no JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}"
    except TextRefused:
        raise
    except RecursionError:
        problem = f"lies deeper than {MAX_DEPTH} levels"
    except ValueError:
        problem = "has a number of too many digits"
    else:
        if not _is_shallow(found):
            raise TextRefused(f"lies deeper than {MAX_DEPTH} levels")
        return found
    raise TextRefused(problem)  # not from the cause, which has the text


def parse_number(text: str, kind: str) -> tuple[Json, str]:
    """Return the value of a number's text, and the mark that it needs.

    Raises:  TextRefused.
    """
    text = text.strip()
    if kind == "integer":
        if not _WHOLE.fullmatch(text):
            raise TextRefused("must be a whole number, such as 42")
        if len(text) > 4000:
            raise TextRefused("has too many digits")
        return int(text), ""
    is_finite = _NUMBER.fullmatch(text) is not None
    if not is_finite and text.lower() not in _NOT_FINITE:
        raise TextRefused("must be a number, such as 42 or 0.5")
    if kind == "decimal":
        return text, "decimal"
    number = float(text)
    if is_finite and not math.isfinite(number):
        raise TextRefused("is too large a number")
    return (number, "") if is_finite else (str(number), "float")


def parse_base64(text: str) -> str:
    """Return base64 as bytes are stored.

    Raises:  TextRefused.
    """
    found = "".join(text.split())
    try:
        b64decode(found, validate=True)
    except ValueError:
        found = None
    if found is None:
        raise TextRefused("must be bytes in base64, such as aGVsbG8=")
    return found


def parse_format(text: str, kind: str) -> str:
    """Return the text of a date, a time, a duration or a UUID, written as a stored form has it.

    Raises:  TextRefused.
    """
    try:
        found = _adapter(kind).validate_python(text.strip())
    except ValidationError:
        found = None
    if found is None:
        raise TextRefused(f"must be {_SUCH[kind]}")
    return str(to_jsonable_python(found)) if kind in ("duration", "uuid") else found.isoformat()


_SUCH: Final = {
    "date": "a date, such as 2026-01-31",
    "date-time": "a date and time, such as 2026-01-31T09:00:00+09:00",
    "time": "a time, such as 09:30:00",
    "duration": "a duration, such as PT1H30M or 01:30:00",
    "uuid": "a UUID, such as 123e4567-e89b-12d3-a456-426614174000",
}


def example_of(kind: str) -> str:
    """Return an example of what a format takes; empty where nobody needs one."""
    return _SUCH.get(kind, "").rpartition("such as ")[2]


def has_format(kind: str) -> bool:
    """Tell whether texts of a format are checked here."""
    return kind in _SUCH


@lru_cache(maxsize=8)
def _adapter(kind: str) -> TypeAdapter[Any]:
    from datetime import date, datetime, time, timedelta
    from uuid import UUID

    kinds = {"date": date, "date-time": datetime, "time": time, "duration": timedelta, "uuid": UUID}
    return TypeAdapter[Any](kinds[kind])


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise TextRefused("has a member twice in one object")
    return found


def _no_number(word: str) -> NoReturn:
    raise TextRefused(f"has {word}, which is no number of JSON")


def _is_shallow(value: Json) -> bool:
    waiting: list[tuple[Json, int]] = [(value, 0)]
    while waiting:
        here, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return False
        inner = here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
        waiting += [(item, depth + 1) for item in inner]
    return True
