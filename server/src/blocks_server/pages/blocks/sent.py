"""What a form sent, read word by word."""

from __future__ import annotations


def number_of(text: str) -> int | None:
    """Return a number from 0 on; None where the text is none.

    >>> number_of("12"), number_of(""), number_of("-1")
    (12, None, None)
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
