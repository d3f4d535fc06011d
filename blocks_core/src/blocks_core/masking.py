"""How the secrets of a block are kept out of a text that somebody else wrote, such as a vendor's error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import cast
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

from blocks_core.secret import is_secret

_HIDDEN = "**********"


def without_secrets(block: BaseModel, text: str) -> str:
    """Return a text with every secret that a block holds taken out, as it is and as URLs and JSON write it."""
    return without(text, _secrets_in(block))


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every one of these secrets taken out, as it is and as URLs and JSON write it."""
    forms = {form for secret in secrets if secret for form in _forms_of(secret)}
    for form in sorted(forms, key=len, reverse=True):  # the longest first: one may be part of another
        text = text.replace(form, _HIDDEN)
    return text


def _forms_of(secret: str) -> tuple[str, ...]:
    return secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]


def _secrets_in(value: object) -> Iterator[str]:
    if is_secret(value):
        yield from _texts_in(value.get_secret_value())
    else:
        for inner in _inside(value):
            yield from _secrets_in(inner)


def _texts_in(value: object) -> Iterator[str]:
    """Yield the texts that a secret's value is made of."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str) and value:
        yield value
    for inner in _inside(value):
        yield from _texts_in(inner)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, BaseModel):
        return value.__dict__.values()
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).values()
    if isinstance(value, (list, tuple, set, frozenset)):
        return cast("Iterable[object]", value)
    return ()
