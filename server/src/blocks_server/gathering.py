"""A transport that writes once where it is given several small pieces in a row.

Uvicorn writes the head of an answer and its body apart, and the event loop sends each at once. Each sending is a call
of the system that wakes the client, and two of them cost more than all that finds out who asks.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, BaseProtocol, Transport
from typing import Any, Final

_MAX_BYTES: Final = 64 * 1024
"""Beyond it, what was gathered is written at once."""


class Gathering(Transport):
    """Another transport, whose writes within one turn of the event loop are one."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes | bytearray | memoryview] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, at the latest in the next turn of the event loop."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _MAX_BYTES:
            self._flush()

    def close(self) -> None:
        """Close, once all is written."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._pieces.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Tell whether it is closed, or will be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take no more bytes."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        """Tell whether bytes are taken."""
        return self._transport.is_reading()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are not sent yet."""
        return self._size + self._transport.get_write_buffer_size()

    def set_protocol(self, protocol: BaseProtocol) -> None:
        """Give what comes to another protocol."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> BaseProtocol:
        """Return who is given what comes."""
        return self._transport.get_protocol()

    def _flush(self) -> None:
        data, self._pieces, self._size = b"".join(self._pieces), [], 0
        if data and not self._transport.is_closing():
            self._transport.write(data)
