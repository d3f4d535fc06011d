"""Files of a storage, open: what their filesystem raises is translated, and what is not whole never shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any

Failing = Callable[[], AbstractContextManager[None]]
"""Makes what turns the filesystem's errors into ours."""


class ReadStream(io.BufferedIOBase):
    """A file that is open for reading."""

    def __init__(self, raw: Any, failing: Failing, name: str) -> None:
        self._raw, self._failing, self.name = raw, failing, name

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Tell whether the filesystem reads from anywhere."""
        return bool(self._raw.seekable())

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to so many bytes; all that are left where there is no number."""
        with self._failing():
            return bytes(self._raw.read(-1 if size is None else size))

    def read1(self, size: int = -1, /) -> bytes:
        """Do `read`, but not all that is left at once."""
        return self.read(size if size >= 0 else io.DEFAULT_BUFFER_SIZE)

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer and return how much."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line, with its end."""
        if size is not None and size >= 0:  # fsspec's files know lines of any length only
            return super().readline(size)
        with self._failing():
            return bytes(self._raw.readline())

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to an offset and return it."""
        with self._failing():
            return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        """Return the offset."""
        return int(self._raw.tell())

    def close(self) -> None:
        """Let the file go."""
        if not self.closed:
            super().close()
            with suppress(Exception):  # nothing was written, so nothing is lost
                self._raw.close()


class WriteStream(io.BufferedIOBase):
    """A file that is open for writing: it takes its place when closed, unless its `with` ended with an error."""

    def __init__(
        self, raw: Any, failing: Failing, name: str, *, done: Callable[[], object], undo: Callable[[], object]
    ) -> None:
        self._raw, self._failing, self.name = raw, failing, name
        self._done, self._undo = done, undo
        self._size = 0
        self._broken = False

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, buffer: Any, /) -> int:
        """Write bytes and return how many."""
        if self.closed:
            raise ValueError(f"{self.name} is closed.")
        with self._failing():
            try:
                self._raw.write(buffer)
            except BaseException:
                self._broken = True
                raise
        size = memoryview(buffer).nbytes
        self._size += size
        return size

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Write pieces, one after the other."""
        for line in lines:
            self.write(line)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def flush(self) -> None:
        """Do nothing: what is written is there when the file is closed."""

    def close(self) -> None:
        """Bring the file to its place; not after an error of `write`."""
        if self.closed:
            return
        if self._broken:
            self.discard()
            return
        super().close()
        with self._failing():
            try:
                self._raw.close()
                self._done()
            except BaseException:
                self._drop()
                raise

    def discard(self) -> None:
        """Leave no trace of what was written."""
        if not self.closed:
            super().close()
            self._drop()

    def _drop(self) -> None:
        with suppress(Exception):  # the first error counts; that of cleaning up would hide it
            discard_raw(self._raw)
        with suppress(Exception):
            self._undo()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:  # what nobody closed is not known to be whole
        self.discard()


def discard_raw(raw: Any) -> None:
    """Close a file of fsspec without bringing it to its place, where it knows how to."""
    if raw.closed:
        return
    if not hasattr(raw, "discard"):
        raw.close()
        return
    try:
        raw.discard()
    finally:
        raw.closed = True  # or closing it, as its end does, would write the rest
