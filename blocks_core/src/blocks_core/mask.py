"""A mask: takes the secrets that it knows out of texts, in every form in which others write them.

A secret is looked for as it is, without the white space around it, and as URLs, base64, JSON and Python write it, the
last two also inside of each other; of one with several lines, each line of eight characters or more, too.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "**********"
MIN_CHARACTERS: Final = 4
"""Of a secret that is looked for in what a whole process writes: shorter ones stand in any text."""

_MIN_CHARACTERS_OF_A_PART: Final = 8
"""Of base64, and of a line of a secret: fewer could stand in any other text."""

_MAX_CHARACTERS: Final = 20_000
"""Of a longer secret only so much is looked for in its other forms, which would take time and memory for it all."""

_MIN_CHARACTERS_TO_SEARCH: Final = 10_000
"""Of a text in which each form is searched by itself, at the speed of C."""

_MAX_CHARACTERS_INSIDE: Final = 1_000
"""Of a secret that is looked for as it is written by one program and then by another."""

_MAX_BEGINNINGS: Final = 100
"""Of forms that are looked for by one expression: it takes longer the more there are."""

_SAFE: Final = ("", "/", "/:@!$&'()*+,;=", "/?:@!$&'()*+,;=")
"""What a program may leave as it is in a part of a URL: nothing, and what RFC 3986 allows in paths and queries."""


class Mask:
    """Takes the secrets that it knows out of texts; finding them takes as long for one as for thousands."""

    def __init__(self, secrets: Iterable[str] = (), *, min_characters: int = 1) -> None:
        self._min_characters = min_characters
        self._lock = Lock()
        self._known: set[str] = set()
        self._forms: dict[str, list[str]] = {}
        """First characters of a form -> the forms that begin so; only ever added to, as others read it meanwhile."""
        self._beginnings = 0, re.compile("")
        """How many first characters there were, and what finds whether any of those stand in a text."""
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Look for these from now on, too."""
        new = {secret for secret in secrets if len(secret) >= self._min_characters} - self._known
        if not new:
            return
        with self._lock:
            for form in {form for secret in new for form in _forms_of(secret)}:
                if len(form) >= self._min_characters:
                    self._forms.setdefault(form[: self._min_characters], []).append(form)
            self._known |= new

    def secrets_in(self, data: bytes) -> list[str]:
        """Return the secrets that stand, as they are, in bytes such as those of a pickle."""
        return [each for each in tuple(self._known) if each.encode(errors="surrogatepass") in data]

    def hide(self, text: str) -> str:
        """Return a text with each secret in it replaced; where two overlap, both are taken out whole."""
        forms, first = self._forms, self._min_characters
        if not forms or (len(forms) <= _MAX_BEGINNINGS and not self._begins_in(text)):
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

    def _begins_in(self, text: str) -> bool:
        """Tell whether the first characters of any form stand in a text."""
        count, beginnings = self._beginnings
        if count != len(self._forms):
            known = list(self._forms)
            beginnings = re.compile("|".join(map(re.escape, known)))
            self._beginnings = len(known), beginnings
        return beginnings.search(text) is not None

    def is_in(self, text: str) -> bool:
        """Tell whether a secret stands in a text; of a long one this takes less time than to hide them."""
        forms = self._forms
        if not forms:
            return False
        if len(text) < _MIN_CHARACTERS_TO_SEARCH:
            return self.hide(text) != text
        return any(form in text for begun in list(forms.values()) for form in list(begun))


SECRETS_IN_USE: Final = Mask(min_characters=MIN_CHARACTERS)
"""Every secret of a block that this process has loaded or saved, and every value that a secret reference led to."""


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every one of these secrets taken out."""
    return Mask(secrets).hide(text)


def texts_of_bytes(secret: bytes) -> Iterator[str]:
    """Yield the texts as which a secret of bytes is written where it is no text: as Python and base64 do."""
    try:
        yield secret.decode()
        return
    except UnicodeDecodeError:
        pass
    shown = secret.decode(errors="replace")
    if len(shown.replace("\ufffd", "")) >= MIN_CHARACTERS:  # else it would be found where nothing is
        yield shown
    yield repr(secret)[2:-1]
    yield from _in_base64(secret)


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield from _written(secret[:_MAX_CHARACTERS])
    stripped = secret.strip()
    if stripped and stripped != secret:
        yield stripped
        yield from _written(stripped[:_MAX_CHARACTERS])


def _written(secret: str) -> Iterator[str]:
    for safe in _SAFE:
        quoted = quote(secret, safe=safe, errors="replace")
        yield from (quoted, _with_small_digits(quoted))
    yield from ((spaced := quote_plus(secret, errors="replace")), _with_small_digits(spaced))
    for escaped in {write(secret) for write in _ESCAPING}:
        yield escaped
        if len(secret) <= _MAX_CHARACTERS_INSIDE and escaped != secret:
            yield from {write(escaped) for write in _ESCAPING}
    yield from (line for line in secret.splitlines() if len(line) >= _MIN_CHARACTERS_OF_A_PART)
    yield from _in_base64(secret.encode(errors="surrogatepass"))


def _in_base64(raw: bytes) -> Iterator[str]:
    """Yield what of bytes is the same in all base64 in which they may stand."""
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):  # what stands before it decides which characters it becomes
            whole = encode(b"\0" * shift + raw).decode()
            first = (shift * 8 + 5) // 6
            last = (shift + len(raw)) * 8 // 6
            if last - first >= _MIN_CHARACTERS_OF_A_PART:
                yield whole[first:last]


_ESCAPING: Final[tuple[Callable[[str], str], ...]] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: repr(text)[1:-1],
    lambda text: repr(f"\"'{text}")[4:-1],  # as a part of a text that has quotes of both kinds
    lambda text: repr(text.encode(errors="surrogatepass"))[2:-1],
)
"""How programs write a text inside of quotes."""


def _with_small_digits(quoted: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted) if "%" in quoted else quoted
