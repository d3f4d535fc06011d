"""How the secrets that values hold are kept out of texts that somebody else wrote: an error, a log line, a traceback.

`mask` says in which forms a secret is looked for. In what a whole process writes, one of fewer than four characters
is not looked for: taking out every `a` would hide the text and not the secret. In what is said of one block, each is.
"""

from __future__ import annotations

import dataclasses
import logging
from base64 import b64decode
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from blocks_core.document import Encoded, Json
from blocks_core.mask import HIDDEN, MIN_CHARACTERS, SECRETS_IN_USE, Mask, texts_of_bytes, without
from blocks_core.secret import is_reference, is_secret

__all__ = [
    "HIDDEN",
    "MIN_CHARACTERS",
    "SECRETS_IN_USE",
    "Mask",
    "MaskingFilter",
    "note_secrets",
    "secret_texts",
    "without",
    "without_secrets",
]


class MaskingFilter(logging.Filter):
    """Takes the secrets in use out of log records: `handler.addFilter(MaskingFilter())`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace a record's message and traceback by ones without secrets; every record passes.

        So does one whose arguments do not fit its message, which logging would print with all of them.
        """
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 an argument's own code may raise anything
            record.msg = f"{record.msg} (its arguments do not fit it: {type(error).__name__})"
            record.args = None
            message = record.msg
        hidden = SECRETS_IN_USE.hide(message)
        if hidden != message:
            record.msg, record.args = hidden, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = SECRETS_IN_USE.hide(record.exc_text)
        if record.stack_info:
            record.stack_info = SECRETS_IN_USE.hide(record.stack_info)
        return True


def without_secrets(block: BaseModel, text: str) -> str:
    """Return a text with every secret that a block holds taken out."""
    return without(text, secret_texts(block))


def secret_texts(value: object) -> Iterator[str]:
    """Yield the texts of the secrets that a value holds, however deep.

    Of a secret reference it is what that led to so far: it is not resolved for this.
    """
    if is_reference(value):
        yield from value.known_texts
    elif is_secret(value):
        yield from _texts_in(value.get_secret_value())
    else:
        for inner in _inside(value):
            yield from secret_texts(inner)


def note_secrets(content: Encoded) -> None:
    """Let the secrets of a block's stored form count as in use."""
    if content.secrets:
        SECRETS_IN_USE.add(_texts_of(content))


_NUMBERS_AND_ALIKE = (int, float, Decimal, UUID, PurePath, date, time, timedelta)


def _texts_in(value: object) -> Iterator[str]:
    """Yield the texts that a secret's value is made of."""
    if is_secret(value):  # inside of another one
        yield from secret_texts(value)
    if isinstance(value, bytes):
        yield from texts_of_bytes(value)
    if isinstance(value, str) and value:
        yield str(value)
    if isinstance(value, _NUMBERS_AND_ALIKE) and not isinstance(value, bool):
        yield str(value)
    for inner in _inside(value):
        yield from _texts_in(inner)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, BaseModel):
        return (*value.__dict__.values(), *(value.__pydantic_extra__ or {}).values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, item.name, None) for item in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).values()
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return cast("Iterable[object]", value)
    return ()


def _texts_of(content: Encoded) -> Iterator[str]:
    """Yield the texts of the secrets in a stored form; those of bytes in base64, too, as they are stored."""
    for secret in content.secrets.values():
        yield from _texts_of_json(secret.data)
        if secret.marks.get("") == "bytes":
            yield from texts_of_bytes(b64decode(str(secret.data)))
        yield from _texts_of(secret)


def _texts_of_json(data: Json) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, (int, float)) and not isinstance(data, bool):
        yield str(data)
    elif isinstance(data, (list, dict)):
        for item in cast("Any", data.values() if isinstance(data, dict) else data):
            yield from _texts_of_json(item)
