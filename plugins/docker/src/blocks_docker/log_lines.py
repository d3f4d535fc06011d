"""A container's log as the engine sends it, made into lines; pure.

Both streams come as frames with a header of eight bytes, each frame begins with its time, and a long line comes in
several frames, of which the last alone ends with a line feed.

Source:  https://docs.docker.com/reference/api/engine/ (ContainerAttach, stream format; ContainerLogs, timestamps).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

MAX_FRAME_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is given in pieces."""

_MOST_SEEN = 20_000

_SECOND = 1_000_000_000
_OVERLAP = 100_000_000
"""Nanoseconds by which two streams that are written side by side may be noted in the wrong order."""
_HEADER = struct.Struct(">BxxxL")
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")


class LogBroken(ValueError):
    """What came is no log of an engine, or it broke off within a frame."""


@dataclass(frozen=True)
class Frame:
    """A piece of what a container printed."""

    stream: int
    nanoseconds: int
    """When, since 1970."""
    data: bytes


def frames_of(pieces: Iterable[bytes]) -> Iterator[Frame]:
    """Yield the frames of a log.

    Raises:  LogBroken.
    """
    held = bytearray()
    for piece in pieces:
        held += piece
        start = 0
        while len(held) - start >= _HEADER.size:
            stream, size = _HEADER.unpack_from(held, start)
            if stream > 2 or size > MAX_FRAME_BYTES:
                raise LogBroken("it has no frames")
            end = start + _HEADER.size + size
            if end > len(held):
                break
            yield _frame(stream, bytes(held[start + _HEADER.size : end]))
            start = end
        del held[:start]
    if held:
        raise LogBroken("it ends within a frame")


def _frame(stream: int, content: bytes) -> Frame:
    found = _STAMP.match(content)
    if found is None:
        raise LogBroken("a frame has no time")
    time, fraction, zone = (part.decode() for part in found.groups(b""))
    second = _second(time, zone.replace("Z", "+00:00"))
    return Frame(stream, second * _SECOND + int(fraction.ljust(9, "0")), content[found.end() :])


@lru_cache(maxsize=8)
def _second(time: str, zone: str) -> int:
    return int(datetime.fromisoformat(time + zone).timestamp())


class Lines:
    """Joins frames into lines, each stream for itself."""

    def __init__(self) -> None:
        self._begun: dict[int, bytearray] = {}

    def take(self, frame: Frame) -> Iterator[str]:
        """Yield the lines that end with a frame."""
        held = self._begun.setdefault(frame.stream, bytearray())
        held += frame.data
        if b"\n" not in frame.data and len(held) < MAX_LINE_BYTES:
            return
        del self._begun[frame.stream]
        *whole, rest = held.split(b"\n") if b"\n" in frame.data else (held, b"")
        if rest:
            self._begun[frame.stream] = bytearray(rest)
        for line in whole:
            yield line.decode(errors="replace")

    def rest(self) -> Iterator[str]:
        """Yield what has no end."""
        for line in self._begun.values():
            yield line.decode(errors="replace")
        self._begun.clear()


class Place:
    """How far a log was read, so that reading can go on where it broke off, with no line twice and none left out.

    The engine gives what was printed since a moment; what of that was read already is known by its time.
    """

    def __init__(self) -> None:
        self._newest = 0
        self._seen: dict[tuple[int, int], int] = {}
        """Of what was read last: time and stream -> how many frames."""
        self._again: dict[tuple[int, int], int] = {}

    def resume(self) -> str:
        """Return the moment from which on to ask again, as the engine takes it; 0 for the beginning."""
        self._forget()
        self._again = dict(self._seen)
        moment = max(0, self._newest - _OVERLAP)
        return f"{moment // _SECOND}.{moment % _SECOND:09}"

    def is_new(self, frame: Frame) -> bool:
        """Tell whether a frame has not been read yet; from then on it has."""
        key = (frame.nanoseconds, frame.stream)
        if self._again.get(key):
            self._again[key] -= 1
            return False
        self._newest = max(self._newest, frame.nanoseconds)
        self._seen[key] = self._seen.get(key, 0) + 1
        if len(self._seen) > _MOST_SEEN:
            self._forget()
        return True

    def _forget(self) -> None:
        oldest = self._newest - _OVERLAP
        self._seen = {key: count for key, count in self._seen.items() if key[0] >= oldest}
