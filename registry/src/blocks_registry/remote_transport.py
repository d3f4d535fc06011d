"""One request to a server and its answer: connections that are kept, time-outs, what is tried again, what went wrong.

Whatever is not answered is tried again for a while, so that nobody notices a server that is started anew. That is
safe for a change, too: each has a key, under which the server does it once and then says what it did. A change of
which nobody could be asked in that time is an error which says that it may have been made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from time import sleep
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from blocks_core.current import current_actor
from blocks_core.document import Json
from blocks_registry.errors import (
    AccessRefused,
    AddressInvalid,
    CommitUnanswered,
    DatabaseUnavailable,
    ProtocolMismatch,
    ServerFailed,
    ServerUnavailable,
    WriteUnanswered,
)
from blocks_registry.remote_connections import (
    ANSWER_SECONDS,
    Answer,
    AnswerLate,
    Connections,
    NeverSent,
    NotTrusted,
    Unanswered,
)
from blocks_registry.remote_problems import MEDIA_TYPE, error_of
from blocks_registry.remote_waits import Waits
from blocks_registry.remote_wire import (
    ACTOR_HEADER,
    API,
    PROTOCOL,
    PROTOCOL_HEADER,
    REQUEST_HEADER,
    WRITE_HEADER,
    actor_json,
)
from blocks_registry.settings import SERVER_WAIT_SECONDS

_MAX_URL = 200

_MAY_BE_MADE: Final = (
    "Whether the change was made is not known: look what is stored before you try again "
    "(block history TYPE/NAME)."
)

_inherited: Final[list[object]] = []
"""Connections of a parent process, kept for good: to close one in a forked child could harm the parent's."""

Pause = Callable[[float], None]


class Transport:
    """Requests to one server. Safe to share between threads; a forked child opens its own connections.

    Args:    find_token: returns the token; it is asked at the first request. wait_seconds: how long to wait for a
             server that is away; it comes on top of the time that one try takes.
    Raises:  AddressInvalid: the URL is none of a server.
    """

    def __init__(
        self,
        url: str,
        find_token: Callable[[], str],
        *,
        wait_seconds: float = SERVER_WAIT_SECONDS,
        pause: Pause = sleep,
    ) -> None:
        self._base, self._path = _parts(url)
        self._find_token = find_token
        self._wait_seconds = wait_seconds
        self._pause = pause
        self._token: str | None = None
        self._kept: tuple[int, Connections] | None = None
        """The process whose connections these are, and they."""

    def get(self, path: str, **query: str | int | list[str] | None) -> Any:
        """Return what the server answers."""
        given = urlencode({key: value for key, value in query.items() if value is not None}, doseq=True)
        return self._send("GET", f"{path}?{given}" if given else path, None, is_change=False)

    def ask(self, path: str, body: Mapping[str, Json]) -> Any:
        """Return what the server answers to a question that is too long for an address; nothing is changed."""
        return self._send("POST", path, json.dumps(body).encode(), is_change=False)

    def send(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> Any:
        """Send a change and return what the server answers; it is done once, however often it is sent.

        Raises:  WriteUnanswered: it may have been made.
        """
        return self._send(method, path, None if body is None else json.dumps(body).encode(), is_change=True)

    def close(self) -> None:
        """Close the connections; the next request opens others."""
        kept, self._kept = self._kept, None
        if kept is not None:
            _let_go(kept)

    def _send(self, method: str, path: str, body: bytes | None, *, is_change: bool) -> Any:
        headers = self._headers(body, is_change=is_change)
        waits, is_open = Waits(self._wait_seconds), False
        while True:
            try:
                answer = self._connections().request(method, f"{self._path}{API}{path}", body, headers)
            except Unanswered as error:
                is_open |= is_change and not isinstance(error, NeverSent)
                pause = None if isinstance(error, NotTrusted) else waits.next()
                if pause is None:
                    self._refuse_unanswered(error, is_open=is_open)
            else:
                pause = waits.next(asked_pause(answer.headers)) if is_passing(answer.status) else None
                if pause is None:
                    return self._read(answer, is_open=is_open)
                is_open |= is_change and PROTOCOL_HEADER not in answer.headers
            self._pause(pause)

    def _headers(self, body: bytes | None, *, is_change: bool) -> dict[str, str]:
        if self._token is None:
            self._token = self._find_token()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "User-Agent": "blocks",
            PROTOCOL_HEADER: str(PROTOCOL),
            ACTOR_HEADER: json.dumps(actor_json(current_actor()), separators=(",", ":")),
        }
        if is_change:
            headers[WRITE_HEADER] = str(uuid4())
        return headers if body is None else headers | {"Content-Type": "application/json"}

    def _connections(self) -> Connections:
        """Return the connections of this process; those of its parent carry the parent's answers."""
        kept = self._kept
        if kept is None or kept[0] != os.getpid():
            if kept is not None:
                _let_go(kept)
            kept = self._kept = os.getpid(), Connections(self._base)
        return kept[1]

    def _read(self, answer: Answer, *, is_open: bool) -> Any:
        """Return what an answer says, or raise the error that it tells of.

        Args:    is_open: an earlier try of the same change was not answered.
        """
        try:
            return self._said(answer)
        except (AccessRefused, DatabaseUnavailable, ServerFailed) as error:
            # None of these comes from where the earlier try would have been found.
            if is_open or isinstance(error, CommitUnanswered):
                raise WriteUnanswered(f"{_MAY_BE_MADE} {error}") from error
            raise

    def _said(self, answer: Answer) -> Any:
        spoken = answer.headers.get(PROTOCOL_HEADER, "")
        if not spoken:
            raise ServerUnavailable(
                f"What answers at {self._base} is no server of blocks (status {answer.status}), or something between "
                f"answered for it. See that BLOCKS_URL is right and the server runs: block server status"
            )
        if spoken != str(PROTOCOL):
            raise ProtocolMismatch(
                f"The server at {self._base} speaks version {spoken[:20]} of the protocol, and this client "
                f"version {PROTOCOL}. Upgrade {'the server' if _is_older(spoken) else 'blocks-registry here'}."
            )
        try:
            found: Any = json.loads(answer.data) if answer.data else None
            if answer.status < 400:
                return found
            if answer.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
                error = error_of(found)
            else:
                error = ServerFailed(f"The server at {self._base} answered with the status {answer.status}.")
        except (LookupError, TypeError, ValueError, RecursionError):
            self.refuse_unreadable(answer.headers.get(REQUEST_HEADER, ""))
        raise error

    def refuse_unreadable(self, request_id: str = "") -> NoReturn:
        """Raise the error for an answer that is none."""
        which = f" (request {request_id[:80]})" if request_id.isprintable() and request_id else ""
        raise ServerFailed(
            f"The server at {self._base} gave an answer that cannot be read{which}. Upgrade it and blocks-registry "
            f"here to the same version; if it stays so, report it."
        ) from None  # the cause shows a piece of the answer

    def _refuse_unanswered(self, error: Unanswered, *, is_open: bool) -> NoReturn:
        remedy = "See whether it runs, and that BLOCKS_URL is right: block server status"
        waited = f", and was waited for up to {self._wait_seconds:g} seconds (BLOCKS_WAIT_SECONDS)"
        if isinstance(error, AnswerLate):
            problem = f"did not answer within {ANSWER_SECONDS:g} seconds{waited}"
        elif isinstance(error, NotTrusted):
            problem = f"cannot be trusted, or speaks no TLS ({_reason(error)})"
            remedy = (
                "Name the file of the certificate that vouches for it in SSL_CERT_FILE, or mend BLOCKS_URL."
            )
        elif isinstance(error, NeverSent):
            problem = f"cannot be reached ({_reason(error)}){waited}"
        else:
            problem = f"ended the connection without an answer ({_reason(error)}){waited}"
        told = f"The server at {self._base} {problem}."
        if is_open:
            raise WriteUnanswered(f"{_MAY_BE_MADE} {told} {remedy}") from error
        raise ServerUnavailable(f"{told} Nothing was changed. {remedy}") from error


def path_of(*parts: str) -> str:
    """Return a path of these parts, each written so that it stays one."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def is_passing(status: int) -> bool:
    """Tell whether an answer says that the server, its database or what is before it is away for a moment."""
    return status in (429, 502, 503, 504)


def asked_pause(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait; 0 where it says nothing, or a date."""
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 0.0


def _let_go(kept: tuple[int, Connections]) -> None:
    process, connections = kept
    if process == os.getpid():
        connections.close()
    else:
        _inherited.append(connections)


def _is_older(spoken: str) -> bool:
    return spoken.isascii() and spoken.isdecimal() and len(spoken) < 10 and int(spoken) < PROTOCOL


def _reason(error: BaseException) -> str:
    """Return what the system says, without what Python's classes say of themselves."""
    seen = error.__cause__ or error
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return "no answer in time" if isinstance(seen, TimeoutError) else type(seen).__name__


def _parts(url: str) -> tuple[str, str]:
    """Return scheme, host and port of a URL, and the path below which the server is."""
    try:
        found = urlsplit(url)
        host, port = found.hostname, found.port
    except ValueError:
        host, port, found = None, None, urlsplit("")
    if found.scheme not in ("http", "https") or not host or found.username or found.query or found.fragment:
        shown = (
            "a user or a password, which it must not"
            if found.username or found.password
            else "what is no address"
        )
        raise AddressInvalid(
            f"BLOCKS_URL names a server, and has {shown}. Write it as http://HOST:PORT or https://HOST, and give the "
            f"token in BLOCKS_TOKEN."
        )
    name = f"[{host}]" if ":" in host else host
    return f"{found.scheme}://{name}{f':{port}' if port else ''}"[:_MAX_URL], found.path.rstrip("/")
