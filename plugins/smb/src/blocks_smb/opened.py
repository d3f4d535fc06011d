"""Files that are open on a link: each use has the link for itself, and none holds it in between."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

from blocks_smb.connections import Connections, Link
from blocks_smb.parts import Part
from blocks_smb.reasons import ShareError

PIECE_BYTES = 1 << 20
"""What is sent at once."""


class OpenedFile(io.RawIOBase):
    """A file that is open for reading."""

    def __init__(self, file: Any, connections: Connections, link: Link) -> None:
        self._file, self._connections, self._link = file, connections, link

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to an offset and return it."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the offset."""
        return int(self._file.tell())

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer and return how much."""
        with self._connections.using(self._link):
            return int(self._file.readinto(buffer))

    def close(self) -> None:
        """Let the file go."""
        if not self.closed:
            super().close()
            with self._connections.using(self._link):
                self._file.close()


class OpenedPart:
    """A file that is open for writing: `close` gives it its name, `discard` leaves nothing of it."""

    def __init__(self, part: Part, name: str, connections: Connections, link: Link) -> None:
        self._part, self._name, self._connections, self._link = part, name, connections, link
        self._buffer = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        """Write bytes."""
        self._buffer += data
        if len(self._buffer) >= PIECE_BYTES:
            self._write_buffer()

    def close(self) -> None:
        """Let the file be what was written."""
        if not self.closed:
            self._write_buffer()
            with self._connections.using(self._link):
                self._part.finish(self._name)
            self.closed = True

    def discard(self) -> None:
        """Let the server remove what was written."""
        self.closed = True
        with suppress(ShareError), self._connections.using(self._link):
            self._part.close()

    def _write_buffer(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        with self._connections.using(self._link):
            self._part.write(data)
