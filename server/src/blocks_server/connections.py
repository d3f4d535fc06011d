"""One connection of a client: uvicorn's, which also ends it where a request does not come, or never ends.

Uvicorn waits for ever for a request that was begun, and keeps whatever its headers hold. Each such connection is one
of those that may be open at once, so some hundreds that say nothing would shut everybody else out.
"""

from __future__ import annotations

from asyncio import Transport
from asyncio.events import TimerHandle
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from blocks_server.gathering import Gathering

HEAD_SECONDS: Final = 10.0
"""From the opening of a connection, or from the first byte of a further request, to the end of its headers."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""Of an address and its headers together."""


class Connection(HttpToolsProtocol):
    """A connection that is closed where the head of a request takes too long or is too large."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_timer: TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(Gathering(transport, self.loop))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_awaiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; count those of a head that goes on."""
        before = self._head_timer
        super().data_received(data)
        if self.transport.is_closing():
            return
        if (
            self._head_timer is None and self._is_idle()
        ):  # what came begins no request, or nobody reads it any more
            self._await_head()
        elif self._head_timer is not None and self._head_timer is before:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._stop_awaiting()
                self.send_400_response("The headers of this request are too large.")

    def on_message_begin(self) -> None:
        """Begin to wait for the end of a request's headers."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Wait no more: from here on the app has times and sizes of its own."""
        self._stop_awaiting()
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        """Tell whether nothing is being answered, and uvicorn does not wait for more either."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return (cycle is None or cycle.response_complete) and self.timeout_keep_alive_task is None

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_awaiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
