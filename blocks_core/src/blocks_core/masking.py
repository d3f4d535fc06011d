"""How secrets are kept out of texts that somebody else wrote: a vendor's error, a log line, a traceback.

A secret is looked for as it is and as URLs, JSON and base64 write it. In what a whole process writes, one of fewer
than four characters is not looked for: taking out every `a` would hide the text and not the secret.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from threading import Lock
from typing import Any, Final, cast
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

from blocks_core.document import Encoded, Json
from blocks_core.secret import is_secret

HIDDEN: Final = "**********"
MIN_CHARACTERS: Final = 4
_MIN_CHARACTERS_ENCODED: Final = 8
"""Of base64, where fewer could stand in any other text."""


_MAX_CHARACTERS: Final = 20_000
"""Of a longer secret only so much is looked for in its other forms, which would take time and memory for it all."""


class Mask:
    """Takes the secrets that it knows out of texts; finding them takes as long for one as for thousands."""

    def __init__(self, secrets: Iterable[str] = (), *, min_characters: int = 1) -> None:
        self._min_characters = min_characters
        self._lock = Lock()
        self._known: set[str] = set()
        self._forms: dict[str, list[str]] = {}
        """First characters of a form -> the forms that begin so; only ever added to, as others read it meanwhile."""
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Look for these from now on, too."""
        new = {secret for secret in secrets if len(secret) >= self._min_characters} - self._known
        if not new:
            return
        with self._lock:
            for form in {form for secret in new for form in _forms_of(secret)}:
                self._forms.setdefault(form[: self._min_characters], []).append(form)
            self._known |= new

    def hide(self, text: str) -> str:
        """Return a text with each secret in it replaced; where two overlap, both are taken out whole."""
        forms, first = self._forms, self._min_characters
        if not forms:
            return text
        kept: list[str] = []
        start, end = 0, -1
        """Of the secret that was found last; `start` is also where what is kept goes on."""
        for place in range(len(text) - first + 1):
            for form in forms.get(text[place : place + first], ()):
                if text.startswith(form, place):
                    if place > end:
                        kept += (text[start:place], HIDDEN)
                    end = max(end, place + len(form))
                    start = end
        return "".join((*kept, text[start:])) if kept else text


SECRETS_IN_USE: Final = Mask(min_characters=MIN_CHARACTERS)
"""Every secret of a block that this process has loaded or saved."""


class MaskingFilter(logging.Filter):
    """Takes the secrets in use out of log records: `handler.addFilter(MaskingFilter())`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace a record's message and traceback by ones without secrets; every record passes."""
        message = record.getMessage()
        hidden = SECRETS_IN_USE.hide(message)
        if hidden != message:
            record.msg, record.args = hidden, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = SECRETS_IN_USE.hide(record.exc_text)
        return True


def without_secrets(block: BaseModel, text: str) -> str:
    """Return a text with every secret that a block holds taken out."""
    return without(text, secret_texts(block))


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every one of these secrets taken out."""
    return Mask(secrets).hide(text)


def secret_texts(value: object) -> Iterator[str]:
    """Yield the texts of the secrets that a value holds, however deep."""
    if is_secret(value):
        yield from _texts_in(value.get_secret_value())
    else:
        for inner in _inside(value):
            yield from secret_texts(inner)


def note_secrets(content: Encoded) -> None:
    """Let the secrets of a block's stored form count as in use."""
    if content.secrets:
        SECRETS_IN_USE.add(_texts_of(content))


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    secret = secret[:_MAX_CHARACTERS]
    yield from (quote(secret, safe="", errors="replace"), quote(secret, errors="replace"))
    yield quote_plus(secret, errors="replace")
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    yield from (line for line in secret.splitlines() if len(line) >= _MIN_CHARACTERS_ENCODED)
    raw = secret.encode(errors="surrogatepass")
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):  # what stands before it decides which characters it becomes
            whole = encode(b"\0" * shift + raw).decode()
            first = (shift * 8 + 5) // 6
            last = (shift + len(raw)) * 8 // 6
            if last - first >= _MIN_CHARACTERS_ENCODED:
                yield whole[first:last]


def _texts_in(value: object) -> Iterator[str]:
    """Yield the texts that a secret's value is made of."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str) and value:
        yield str(value)
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
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
            yield b64decode(str(secret.data)).decode(errors="replace")
        yield from _texts_of(secret)


def _texts_of_json(data: Json) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, (int, float)) and not isinstance(data, bool):
        yield str(data)
    elif isinstance(data, (list, dict)):
        for item in cast("Any", data.values() if isinstance(data, dict) else data):
            yield from _texts_of_json(item)
