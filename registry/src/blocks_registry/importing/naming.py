"""Names of other systems as ours: lower-case letters, digits, `-`, `_` and `.`."""

from __future__ import annotations

import re
from hashlib import sha256
from unicodedata import combining, normalize

_OTHERS = re.compile(r"[^a-z0-9._-]+")
_MAX = 100
_DIGITS = 6


def our_name(name: str) -> str:
    """Return the name that a block gets here, always the same for the same name.

    Letters lose their accents and capitals, anything else becomes a hyphen. Where letters of other scripts were lost,
    or the end was cut, six digits of the name's hash keep apart what would look alike.

    >>> our_name("my_conn"), our_name("My Conn (old)"), our_name("Zürich")
    ('my_conn', 'my-conn-old', 'zurich')
    """
    plain = "".join(char for char in normalize("NFKD", name) if not combining(char)).lower()
    found = _OTHERS.sub("-", plain).strip("-").lstrip("._-")
    lost = any(char.isalnum() and not char.isascii() for char in plain)
    if not lost and 0 < len(found) <= _MAX:
        return found
    digits = sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return f"{found[: _MAX - _DIGITS - 1].rstrip('-')}-{digits}".lstrip("._-")
