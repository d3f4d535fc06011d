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
from blocks_core.secret import SecretBytesRef, SecretRef
from blocks_core.secret_reference import MARK

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


BlockAt = Callable[[str, str, Any], Any]
"""Makes the block of a mark: (pointer, mark, its decoded fields or None)."""

OnReference = Callable[[str, SecretRef | SecretBytesRef], object]
"""Is told of each secret reference: (pointer, the object that stands there), before it becomes part of a block."""


def decode(
    content: Encoded, block_at: BlockAt, *, address: str, on_reference: OnReference | None = None
) -> Any:
    """Return plain data of stored content, its leaves made objects again.

    Args:    address: what to call the block in an error.
    Raises:  DocumentDamaged: a mark does not fit what it stands at.
    """
    try:
        return _Decoder(content, block_at, on_reference).decode(content.data, "")
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


class _Decoder:
    """One run over stored content."""

    def __init__(self, content: Encoded, block_at: BlockAt, on_reference: OnReference | None) -> None:
        self._content = content
        self._block_at = block_at
        self._on_reference = on_reference

    def decode(self, data: Json, pointer: str) -> Any:
        mark = self._content.marks.get(pointer, "")
        if mark.startswith("secret:"):
            return self._secret(mark, pointer)
        if mark.startswith(MARK):
            return self._reference(mark, pointer, data)
        if mark.startswith("block:"):
            return self._block_at(pointer, mark, None)
        if isinstance(data, dict):
            members = {key: self.decode(value, pointer_to(pointer, key)) for key, value in data.items()}
            if mark.startswith("inline:"):
                return self._block_at(pointer, mark, members)
            return _made(_with_keys, mark, pointer, members) if mark else members
        if isinstance(data, list):
            items = [self.decode(value, pointer_to(pointer, index)) for index, value in enumerate(data)]
            return _made(lambda kind, found: _FROM_LIST[kind](found), mark, pointer, items)
        return _made(_from_text, mark, pointer, data) if mark else data

    def _secret(self, mark: str, pointer: str) -> Any:
        if pointer not in self._content.secrets:
            raise _Misfit(f"{dotted(pointer)} is a secret without a value")
        inner = self._content.secrets[pointer]
        value = _Decoder(inner, self._block_at, None).decode(inner.data, "")
        if mark == "secret:str":
            return SecretStr(value)
        if mark == "secret:bytes":
            return SecretBytes(value)
        return Secret[Any](value)

    def _reference(self, mark: str, pointer: str, data: Json) -> SecretRef | SecretBytesRef:
        found = _made(_reference_of, mark, pointer, data)
        if self._on_reference is not None:
            self._on_reference(pointer, found)
        return found


def _reference_of(mark: str, text: Any) -> SecretRef | SecretBytesRef:
    return {"str": SecretRef, "bytes": SecretBytesRef}[mark.removeprefix(MARK)](text)


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
