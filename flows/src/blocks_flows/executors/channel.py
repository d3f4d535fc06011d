"""Messages between the process of a flow and one of its workers: a kind, a length and as many bytes."""

from __future__ import annotations

import socket
from collections import deque
from enum import IntEnum
from struct import Struct
from threading import Lock
from typing import Final

_HEAD: Final = Struct("<BQ")
_MAX_READ_BYTES: Final = 1 << 20
NUMBER_BYTES: Final = 8
"""`SHARED` and `CALL` begin with the number of what is shared."""


class Kind(IntEnum):
    """What a message is."""

    PLACE = 0
    """To a worker: where Python finds modules, and what the program was called with."""
    RUN = 1
    """To a worker: the facts of the run."""
    SHARED = 2
    """To a worker: what all calls of a task have in common."""
    FORGET = 3
    """To a worker: what was shared so far is needed no more."""
    CALL = 4
    """To a worker: one call."""
    END = 5
    """To a worker: there is nothing more to do."""
    READY = 6
    """From a worker: it can take calls."""
    LINE = 7
    """From a worker: a line for the log."""
    PRINTED = 8
    """From a worker: what was written to standard output."""
    OUTCOME = 9
    """From a worker: what a call came to."""
    INTERRUPTED = 10
    """From a worker: a task was interrupted as by the user."""


class Channel:
    """One end of a connection; any thread may send, one at a time receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = Lock()
        self._received = bytearray()
        self._waiting: deque[tuple[Kind, bytes]] = deque()

    def fileno(self) -> int:
        """Return the file descriptor, which tells when there is something to receive."""
        return self._connection.fileno()

    def send(self, kind: Kind, content: bytes = b"", timeout_seconds: float | None = None) -> None:
        """Send a message.

        Raises:  TimeoutError, OSError: the other end is closed.
        """
        head = _HEAD.pack(kind, len(content))
        with self._sending:
            self._connection.settimeout(timeout_seconds)
            if len(content) < _MAX_READ_BYTES:
                self._connection.sendall(head + content)
            else:
                self._connection.sendall(head)
                self._connection.sendall(content)

    def take(self) -> list[tuple[Kind, bytes]] | None:
        """Read what there is, once, and return the messages that are whole; None: the other end is closed."""
        self._connection.settimeout(None)
        try:
            data = self._connection.recv(_MAX_READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            return None
        self._received += data
        return self._whole_messages()

    def receive(self) -> tuple[Kind, bytes] | None:
        """Wait for the message that comes next; None: the other end is closed."""
        while not self._waiting:
            messages = self.take()
            if messages is None:
                return None
            self._waiting += messages
        return self._waiting.popleft()

    def close(self) -> None:
        """Close this end."""
        self._connection.close()

    def _whole_messages(self) -> list[tuple[Kind, bytes]]:
        found: list[tuple[Kind, bytes]] = []
        received, start = self._received, 0
        while len(received) - start >= _HEAD.size:
            kind, length = _HEAD.unpack_from(received, start)
            end = start + _HEAD.size + length
            if len(received) < end:
                break
            found.append((Kind(kind), bytes(received[start + _HEAD.size : end])))
            start = end
        if start:
            del received[:start]
        return found
