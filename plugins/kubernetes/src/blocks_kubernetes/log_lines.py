"""`LogLines`: the lines of a pod's log, each once, however often its stream breaks off. Pure, without a cluster.

A log that is asked for with `timestamps=true` has the moment before each line, to the nanosecond. After a cut, it is
asked for again from some seconds before the newest line, and lines of moments that were had are passed over, as
often as they were had: two streams of a program may come a little out of order, and two lines may have one moment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from blocks_core.jobs import MAX_LINE_CHARACTERS

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d) ")
_PIECE_BYTES = 16384
"""Of a longer line, engines keep pieces of this size, and nodes before version 1.27 write a moment before each.

2026-11-27, seen with version 1.20: https://github.com/kubernetes/kubernetes/issues/77603
"""
_AGAIN_SECONDS = 2
"""How far before the newest line a log is asked for again."""


class LogLines:
    """Takes the bytes of a log's streams, one after the other, and yields the lines that were not there before."""

    def __init__(self) -> None:
        self._had: dict[int, Counter[bytes]] = {}
        """Second -> moments in it of lines that were yielded."""
        self._passed_over: Counter[bytes] = Counter()
        self._begun = bytearray()
        """What there is of a line whose end has not come."""

    def since(self) -> str | None:
        """Return from when on to ask for the log, or None for all of it; a new stream begins."""
        self._begun.clear()
        self._passed_over = sum(self._had.values(), Counter[bytes]())
        if not self._had:
            return None
        return datetime.fromtimestamp(min(self._had), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that end in a piece of the stream."""
        if b"\n" not in piece:
            self._begun += piece
            return
        lines = (bytes(self._begun) + piece).split(b"\n")
        self._begun = bytearray(lines.pop())
        for line in lines:
            yield from self._new(line)

    def finish(self) -> Iterator[str]:
        """Yield the last line of a log that has come to its end, where no line feed ends it."""
        line = bytes(self._begun)
        self._begun.clear()
        if line:
            yield from self._new(line)

    def _new(self, line: bytes) -> Iterator[str]:
        found = _STAMP.match(line)
        if not found:  # a word of the node's, such as that the log is not there any more
            return
        moment = found[0]
        if self._passed_over[moment] > 0:
            self._passed_over[moment] -= 1
            return
        zone = b"+00:00" if found[2] == b"Z" else found[2]
        self._note(int(datetime.fromisoformat((found[1] + zone).decode()).timestamp()), moment)
        text = _joined(line[found.end() :], moment).decode(errors="replace")
        for start in range(0, max(1, len(text)), MAX_LINE_CHARACTERS):
            yield text[start : start + MAX_LINE_CHARACTERS]

    def _note(self, second: int, moment: bytes) -> None:
        if second not in self._had:
            newest = max(self._had, default=second)
            if second < newest - _AGAIN_SECONDS:
                return  # asking again begins after it
            self._had[second] = Counter()
            for old in [old for old in self._had if old < second - _AGAIN_SECONDS]:
                del self._had[old]
        self._had[second][moment] += 1


def _joined(text: bytes, moment: bytes) -> bytes:
    """Return a line without the moments that stand between its pieces; most often it is that of the first."""
    text = text.replace(moment, b"")
    if len(text) <= _PIECE_BYTES:
        return text
    pieces: list[bytes] = []
    place = 0
    while place < len(text):
        found = _STAMP.match(text, place) if place else None
        place = found.end() if found else place
        pieces.append(text[place : place + _PIECE_BYTES])
        place += _PIECE_BYTES
    return b"".join(pieces)
