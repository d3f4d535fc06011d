"""The value that a form begins with, looked at place by place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import Final

from blocks_core.document import Encoded, Json
from blocks_server.forms.fields import MISSING, Maybe

_NOTHING: Final = Encoded(None)


class Start:
    """Content, mostly without its secrets; or nothing, for what is new."""

    def __init__(self, content: Encoded | None) -> None:
        self.is_new = content is None
        self._content = content or _NOTHING
        self._places = sorted(self._content.marks)

    def at(self, pointer: str | None) -> Maybe:
        """Return the data at a pointer."""
        if self.is_new or pointer is None:
            return MISSING
        here: Json = self._content.data
        for step in pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(here, dict) and name in here:
                here = here[name]
            elif isinstance(here, list) and name.isdecimal() and int(name) < len(here):
                here = here[int(name)]
            else:
                return MISSING
        return here

    def mark(self, pointer: str | None) -> str:
        """Return the mark at a pointer; empty where there is none."""
        return "" if pointer is None else self._content.marks.get(pointer, "")

    def marks_below(self, pointer: str) -> Iterator[tuple[str, str]]:
        """Yield what follows the pointer, and the mark, for each mark at it and below it."""
        if pointer in self._content.marks:
            yield "", self._content.marks[pointer]
        begin = f"{pointer}/"
        for place in islice(self._places, bisect_left(self._places, begin), None):
            if not place.startswith(begin):
                return
            yield place.removeprefix(pointer), self._content.marks[place]
