"""Texts cut to what a service takes.

Services count characters in their own ways; here a character beyond the first 65,536 counts as two, as in UTF-16,
which is what the strictest of them do.
"""

from __future__ import annotations

from collections.abc import Mapping

from blocks_core.messages import Level, Message

COLOURS: Mapping[Level, str] = {"info": "3b7dd8", "warning": "d9a400", "error": "c9302c"}
"""Of a level, in hexadecimal."""


def size_of(text: str) -> int:
    """Return the number of characters, as the strictest services count."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text that is too long, with an ellipsis.

    >>> cut("abcdef", 4), cut("🦉🦉🦉", 5), cut("abc", 3)
    ('abc…', '🦉🦉…', 'abc')
    """
    if size_of(text) <= limit:
        return text
    return f"{_first_units(text, limit - 1)}…" if limit > 0 else ""


def tail(text: str, limit: int) -> str:
    """Return the end of a text that is too long, which is what matters in a log or a traceback.

    >>> tail("abcdef", 4)
    '…def'
    """
    return cut(text[::-1], limit)[::-1]


def headline(message: Message, limit: int) -> str:
    """Return one line that stands for a message: its title, else its text, else its level."""
    words = message.title.split() or message.text.split() or [message.level]
    return cut(" ".join(words), limit)


def web_link(message: Message) -> str | None:
    """Return the message's link if services take it as one: an address of the web, of a usual length."""
    link = message.link or ""
    return link if link.startswith(("https://", "http://")) and len(link) <= MAX_LINK else None


MAX_LINK = 2_000


class Budget:
    """Room for characters that several texts share."""

    def __init__(self, characters: int) -> None:
        self.left = characters

    def take(self, text: str, limit: int) -> str:
        """Return a text cut to a limit and to what is left, and use that up."""
        found = cut(text, min(limit, self.left))
        self.left -= size_of(found)
        return found

    def take_end(self, text: str, limit: int) -> str:
        """Return the end of a text, as `take` does its beginning."""
        found = tail(text, min(limit, self.left))
        self.left -= size_of(found)
        return found


def fenced(text: str) -> str:
    """Return a text as a block of code in Markdown that it cannot end itself."""
    inner = text.replace("```", "`\u200b`\u200b`")
    return f"```\n{inner}\n```"


def _first_units(text: str, limit: int) -> str:
    size = 0
    for index, character in enumerate(text):
        size += 2 if character > "\uffff" else 1
        if size > limit:
            return text[:index]
    return text
