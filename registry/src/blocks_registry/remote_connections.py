"""Connections to one server that are kept and used again, over the standard library's client.

It is imported in a quarter of the time of the packages that do more, and a process that loads one block does little
else than import. What it lacks is here: connections that several threads share, a look at whether a kept one is
still open, and errors which tell whether a request had left.

Source:  RFC 9112 section 9 (persistent connections).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit
from weakref import finalize

if TYPE_CHECKING:
    from ssl import SSLContext

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
"""Longer than a server waits for a lock of its database."""

_KEPT = 256
"""Connections: one for each thread that was at work at the same time. More are opened as they are needed."""


class Unanswered(Exception):
    """A request had no answer; its cause says more."""


class NeverSent(Unanswered):
    """There was no connection, so nothing of the request left."""


class NotTrusted(NeverSent):
    """The server speaks no TLS, or its certificate is not trusted: the next try would end in the same way."""


class AnswerLate(Unanswered):
    """The request was sent, and nothing came for too long."""


class CutOff(Unanswered):
    """The connection ended, or what came was no HTTP."""


@dataclass(frozen=True)
class Answer:
    """What a server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Found by their names in any case."""
    data: bytes


class Connections:
    """Connections to one server, each for one request at a time. Safe to share between threads.

    It has no lock that a fork could find held: to append to a deque and to pop from it are one step each.

    Args:    base: scheme, host and port. answer_seconds: how long an answer may stay away, without a byte.
    """

    def __init__(self, base: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        found = urlsplit(base)
        self._host, self._port = found.hostname or "", found.port
        self._answer_seconds = answer_seconds
        self._is_tls = found.scheme == "https"
        self._trust: SSLContext | None = None
        self._free: deque[HTTPConnection] = deque()
        self._is_closed = False
        finalize(self, _close_all, self._free).atexit = False

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send one request and return its answer.

        Raises:  Unanswered.
        """
        connection = self._open_one()
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                if response.length is None and not response.chunked:
                    raise IncompleteRead(
                        b""
                    )  # a head that was cut off is taken for a whole one without a length
                headers = cast("Mapping[str, str]", response.headers)
                answer = Answer(response.status, headers, response.read())
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise AnswerLate from error
            if isinstance(
                error, (OSError, HTTPException, ValueError)
            ):  # the last of a header that is no number
                raise CutOff from error
            raise
        if self._is_closed or len(self._free) >= _KEPT:
            connection.close()
        elif connection.sock is not None:  # None where either side said that it was the last request
            self._free.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that are not in use, and each other one after its answer."""
        self._is_closed = True
        _close_all(self._free)

    def _open_one(self) -> HTTPConnection:
        """Return a connection that is open, as far as can be known."""
        while self._free:
            try:
                connection = self._free.pop()
            except IndexError:  # another thread took the last one
                break
            if _is_silent(connection):
                return connection
            connection.close()
        return self._connect()

    def _connect(self) -> HTTPConnection:
        if self._is_tls:
            from ssl import SSLError, create_default_context  # late: most servers of a machine speak none

            self._trust = self._trust or create_default_context()
            connection = HTTPSConnection(self._host, self._port, timeout=CONNECT_SECONDS, context=self._trust)
            untrusted: tuple[type[Exception], ...] = (SSLError,)
        else:
            connection = HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
            untrusted = ()
        connection.auto_open = 0
        try:
            connection.connect()
        except BaseException as error:
            connection.close()
            if isinstance(error, untrusted) and not isinstance(error, TimeoutError):
                raise NotTrusted from error
            if isinstance(
                error, (OSError, UnicodeError)
            ):  # the last of a host that no name server could know
                raise NeverSent from error
            raise
        connection.sock.settimeout(self._answer_seconds)
        return connection


def _is_silent(connection: HTTPConnection) -> bool:
    """Tell whether nothing came on a connection that waits: what comes unasked is its end."""
    with DefaultSelector() as waiting:
        waiting.register(connection.sock, EVENT_READ)
        return not waiting.select(0)


def _close_all(free: deque[HTTPConnection]) -> None:
    while free:
        try:
            free.pop().close()
        except IndexError:  # another thread took the last one
            return
