"""Stored form back to plain data whose leaves are real objects: secrets, bytes, dates, blocks.

pydantic then validates these, and a union picks its member by the object's type, not by the look of a text.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Secret, SecretBytes, SecretStr

from blocks_core.document import Encoded, Json, dotted, pointer_to
from blocks_core.errors import DocumentDamaged

_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "bytes": b64decode,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda text: _parse_timedelta(text),
    "decimal": Decimal,
    "uuid": UUID,
    "path": Path,
    "float": float,
    "int": int,
    "bool": lambda text: text == "true",
}

_FROM_LIST: dict[str, Callable[[list[Any]], Any]] = {
    "": list,
    "tuple": tuple,
    "set": lambda items: _set_of(set, items),
    "frozenset": lambda items: _set_of(frozenset, items),
}


def decode(content: Encoded, block_at: Callable[[str, str, Any], Any], *, address: str) -> Any:
    """Return plain data of stored content, its leaves made objects again.

    Args:    block_at: makes the block of a mark: (pointer, mark, its decoded fields or None).
             address: what to call the block in an error.
    Raises:  DocumentDamaged: a mark does not fit what it stands at.
    """
    try:
        return _decode(content, content.data, "", block_at)
    except _Misfit as error:
        problem = str(error)
    raise DocumentDamaged(address, problem)


class _Misfit(Exception):
    """A mark does not fit what it stands at; the text never has the value."""


def fill_in(content: Encoded, *, hide: str | None = None) -> Json:
    """Return the natural JSON of stored content, secrets in their places or each as the given text."""

    def filled(data: Json, pointer: str) -> Json:
        if content.marks.get(pointer, "").startswith("secret:"):
            secret = content.secrets.get(pointer)
            return hide if hide is not None or secret is None else fill_in(secret)
        if isinstance(data, dict):
            return {key: filled(value, pointer_to(pointer, key)) for key, value in data.items()}
        if isinstance(data, list):
            return [filled(value, pointer_to(pointer, index)) for index, value in enumerate(data)]
        return data

    return filled(content.data, "")


def _decode(content: Encoded, data: Json, pointer: str, block_at: Callable[[str, str, Any], Any]) -> Any:
    mark = content.marks.get(pointer, "")
    if mark.startswith("secret:"):
        return _decode_secret(content, mark, pointer, block_at)
    if mark.startswith("block:"):
        return block_at(pointer, mark, None)
    if isinstance(data, dict):
        members = {
            key: _decode(content, value, pointer_to(pointer, key), block_at) for key, value in data.items()
        }
        if mark.startswith("inline:"):
            return block_at(pointer, mark, members)
        return _made(_with_keys, mark, pointer, members) if mark else members
    if isinstance(data, list):
        items = [
            _decode(content, value, pointer_to(pointer, index), block_at) for index, value in enumerate(data)
        ]
        return _made(lambda kind, found: _FROM_LIST[kind](found), mark, pointer, items)
    return _made(_from_text, mark, pointer, data) if mark else data


def _decode_secret(
    content: Encoded, mark: str, pointer: str, block_at: Callable[[str, str, Any], Any]
) -> Any:
    if pointer not in content.secrets:
        raise _Misfit(f"{dotted(pointer)} is a secret without a value")
    inner = content.secrets[pointer]
    value = _decode(inner, inner.data, "", block_at)
    if mark == "secret:str":
        return SecretStr(value)
    if mark == "secret:bytes":
        return SecretBytes(value)
    return Secret[Any](value)


def _made(make: Callable[[str, Any], Any], mark: str, pointer: str, data: Any) -> Any:
    """Make the value of a mark, or say that mark and data do not fit each other, without the data."""
    try:
        return make(mark, data)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        problem = f"{dotted(pointer) or 'its content'} does not fit its mark '{mark}'"
    raise _Misfit(problem)  # not from the cause, which has the value


def _from_text(mark: str, text: Any) -> Any:
    kind, _, zone = mark.partition("@")
    if not isinstance(text, str):
        raise TypeError
    found = _FROM_TEXT[kind](text)
    return _in_zone(found, ZoneInfo(zone)) if zone else found


def _in_zone(found: datetime | time, zone: ZoneInfo) -> datetime | time:
    """Return a time in its zone; of two that a clock shows alike, the one whose offset was stored."""
    there = found.replace(tzinfo=zone)
    return there.replace(fold=1) if there.utcoffset() != found.utcoffset() else there


def _with_keys(mark: str, members: dict[str, Any]) -> dict[Any, Any]:
    word, _, kind = mark.partition(":")
    if word != "keys":
        raise TypeError
    parse = _FROM_TEXT[kind]
    return {parse(key): value for key, value in members.items()}


def _set_of(kind: type[Any], items: list[Any]) -> Any:
    try:
        return kind(items)
    except TypeError:  # of models, which are plain data yet: pydantic makes them and their set
        return items


def _parse_timedelta(text: str) -> timedelta:
    from pydantic import TypeAdapter  # built when a duration is met, and only then

    return TypeAdapter(timedelta).validate_python(text)
