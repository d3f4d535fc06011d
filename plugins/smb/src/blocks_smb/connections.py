"""The seam to smbprotocol: connections to one server as one user, each used by one thread at a time.

smbclient keeps one session for each server and user in a whole process, counts the requests that a server lets
it send without a lock, and waits for an answer for ever. Here, those who log on alike share a few connections;
one that is lost is replaced once.
"""

# smbprotocol has types for some of its functions only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false

from __future__ import annotations

import errno
import logging
import os
import random
import struct
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import SO_SNDTIMEO, SOL_SOCKET
from threading import Lock
from typing import Any, TypeVar, cast
from uuid import uuid4

from smbclient import register_session
from smbprotocol.connection import Connection
from smbprotocol.exceptions import (
    SMBAuthenticationError,
    SMBException,
    SMBLinkRedirectionError,
    SMBOSError,
    SMBResponseException,
    SMBUnsupportedFeature,
)

from blocks_core.masking import SECRETS_IN_USE, MaskingFilter
from blocks_core.unlogged import unlogged
from blocks_smb.reasons import A_LINK, LOST, NO_SHARE, OPEN_ELSEWHERE, SHORT, ShareError, why_failed

MAX_LINKS = 4
"""Connections to a server as one user: as many files are read or written at once."""

MAX_OPEN = 32
"""Servers and users whose connections are kept; the one not used for longest is let go."""

PATIENCE_SECONDS = 5.0
"""How long a file that somebody has open, or a server that is short of something, is waited for."""

_NETWORK = frozenset(
    {
        errno.EAGAIN,
        errno.EBADF,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENOTCONN,
        errno.EPIPE,
        errno.ESHUTDOWN,
        errno.ETIMEDOUT,
    }
)
_OF_PYTHON: dict[int, type[OSError]] = {
    0xC000000F: FileNotFoundError,
    0xC0000034: FileNotFoundError,
    0xC000003A: FileNotFoundError,
    0xC0000225: FileNotFoundError,
    0xC0000035: FileExistsError,
    0xC00000BA: IsADirectoryError,
    0xC0000103: NotADirectoryError,
}
_VENDORS = ("smbclient", "smbprotocol", "spnego")
_T = TypeVar("_T")
_open: OrderedDict[tuple[int, Login], Connections] = OrderedDict()
_lock = Lock()
_masking = MaskingFilter()


@dataclass(frozen=True)
class Login:
    """Who logs on, and where."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    encrypt: bool
    timeout_seconds: float


class LinkLost(Exception):
    """A connection was not made, or was lost; the text says how."""


class AnswerLate(LinkLost):
    """No answer came in time."""


class _Connection(Connection):
    """A connection that waits for no answer for ever."""

    def __init__(self, login: Login) -> None:
        super().__init__(uuid4(), login.host, login.port, require_signing=True)
        self._answer_seconds = login.timeout_seconds

    def connect(self, *arguments: Any, **options: Any) -> None:
        super().connect(*arguments, **options)
        if os.name == "posix":  # where a server does not take what is sent, sending waits for ever
            seconds, rest = divmod(self._answer_seconds, 1)
            timeout = struct.pack("ll", int(seconds), int(rest * 1_000_000))
            cast("Any", self.transport)._sock.setsockopt(SOL_SOCKET, SO_SNDTIMEO, timeout)

    def receive(
        self, request: Any, wait: bool = True, timeout: float | None = None, resolve_symlinks: bool = True
    ) -> Any:
        try:
            return super().receive(request, wait, timeout or self._answer_seconds, resolve_symlinks)
        except SMBException as error:
            if type(error) is SMBException and not request.response_event.is_set():
                raise AnswerLate(str(error)) from error
            raise


class Link:
    """One connection, made when it is first used; its lock is held while it is."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._cache: dict[str, Any] = {}
        self.lock = Lock()

    @property
    def options(self) -> dict[str, Any]:
        """Return what each function of smbclient is given."""
        return {
            "username": self._login.username,
            "password": self._login.password,
            "port": self._login.port,
            "connection_timeout": self._login.timeout_seconds,
            "connection_cache": self._cache,
            "require_signing": True,
        }

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a connection, as far as is known."""
        return any(connection.transport.connected for connection in self._cache.values())

    def connect(self) -> None:
        """Connect and log on.

        Raises:  LinkLost; what the server answered, as smbprotocol has it.
        """
        self.drop()
        connection = _Connection(self._login)
        with self.watched():
            try:
                self._cache[f"{self._login.host.lower()}:{self._login.port}"] = connection
                with unlogged(*_VENDORS):
                    connection.connect(timeout=self._login.timeout_seconds)
                    register_session(self._login.host, encrypt=self._login.encrypt or None, **self.options)
            except ValueError as error:  # what smbprotocol makes of no connection at all
                raise LinkLost(_first(error.__cause__ or error)) from error
            except BaseException:
                if connection.transport is not None:
                    connection.disconnect(close=False)
                raise

    @contextmanager
    def watched(self) -> Generator[None]:
        """Drop the connection where an error means that it is lost.

        Raises:  LinkLost.
        """
        try:
            yield
        except LinkLost:
            self.drop()
            raise
        except Exception as error:
            if not self._is_lost_by(error):
                raise
            self.drop()
            raise LinkLost(_first(error)) from error

    def _is_lost_by(self, error: Exception) -> bool:
        if (status := status_of(error)) is not None:
            return status in LOST
        if isinstance(error, (SMBAuthenticationError, SMBLinkRedirectionError, SMBUnsupportedFeature)):
            return False
        if isinstance(error, OSError):
            return isinstance(error, ConnectionError) or error.errno in _NETWORK
        worker_failed = any(connection._t_exc is error for connection in self._cache.values())
        return isinstance(error, SMBException) or worker_failed

    def drop(self) -> None:
        """Close the connection, and count its files as closed: the server does."""
        for connection in list(self._cache.values()):
            for session in list(connection.session_table.values()):
                for opened in list(session.open_table.values()):
                    opened._connected = False  # or it would be told as one that was forgotten
            with suppress(Exception):  # it is gone, or goes now
                connection.disconnect(close=False)
        self._cache.clear()


class Connections:
    """The connections to one server as one user."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._links: list[Link] = []
        self._lock = Lock()
        weakref.finalize(self, _close, self._links, os.getpid())

    def run(self, action: Callable[[dict[str, Any]], _T]) -> _T:
        """Run an action with smbclient's options; again, and once, where a connection was lost that was there before.

        Raises:  FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError; ShareError.
        """
        return self.open(action)[0]

    def open(self, action: Callable[[dict[str, Any]], _T]) -> tuple[_T, Link]:
        """Do `run` for what opens something; return that and the link to use it on."""
        link = self._free_link()
        try:
            with _failing(self._login):
                return _patiently(lambda: _on_sound_link(link, action)), link
        finally:
            link.lock.release()

    @contextmanager
    def using(self, link: Link) -> Generator[None]:
        """Use what was opened on a link; when its connection is lost, so is that."""
        with link.lock, _failing(self._login), link.watched():
            yield

    def _free_link(self) -> Link:
        with self._lock:
            for link in self._links:
                if link.lock.acquire(blocking=False):
                    return link
            if len(self._links) < MAX_LINKS:
                link = Link(self._login)
                self._links.append(link)
            else:
                link = random.choice(self._links)  # noqa: S311  any will do
        link.lock.acquire()
        return link


def open_connections(login: Login) -> Connections:
    """Return the connections of those who log on alike in this process."""
    guard_logs(login)
    key = (os.getpid(), login)  # a forked child opens its own
    with _lock:
        found = _open.setdefault(key, Connections(login)) if key not in _open else _open[key]
        _open.move_to_end(key)
        while len(_open) > MAX_OPEN:
            _open.popitem(last=False)
    return found


def guard_logs(login: Login) -> None:
    """Keep the password and what is sent out of the log.

    Debug lines hold every packet, with what is in the files: they stay out unless someone has set a level for
    the logger.
    """
    SECRETS_IN_USE.add([login.password])
    for name in _VENDORS:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _VENDORS:  # a filter serves its own logger, not those below
            logging.getLogger(name).addFilter(_masking)  # once: a logger knows which it has


def status_of(error: BaseException) -> int | None:
    """Return the number of what a server answered, or None for another error."""
    if isinstance(error, SMBOSError):
        return int(error.ntstatus)
    return int(cast("Any", error).status) if isinstance(error, SMBResponseException) else None


def _on_link(link: Link, action: Callable[[dict[str, Any]], _T]) -> _T:
    if link.is_connected:
        try:
            with link.watched():
                return action(link.options)
        except AnswerLate:
            raise
        except LinkLost:
            pass  # the server was started anew, or has closed what was idle
    if not link.is_connected:
        link.connect()
    with link.watched():
        return action(link.options)


def _on_sound_link(link: Link, action: Callable[[dict[str, Any]], _T]) -> _T:
    """Do `_on_link`, and give the connection up where the server lacks what it would need for it."""
    try:
        return _on_link(link, action)
    except SMBException as error:
        if status_of(error) in SHORT:
            link.drop()
        raise


def _patiently(action: Callable[[], _T]) -> _T:
    """Run an action again while somebody has the file open or the server is short of something, for a while."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return action()
        except SMBException as error:
            if status_of(error) not in OPEN_ELSEWHERE | SHORT or time.monotonic() > until:
                raise
        wait_a_little()


def wait_a_little() -> None:
    """Wait for one who has a file open; for how long is by chance, so that two who wait do not meet again."""
    time.sleep(random.uniform(0.005, 0.05))  # noqa: S311  no secret


@contextmanager
def _failing(login: Login) -> Generator[None]:
    """Turn smbprotocol's errors into Python's, or into ours without their cause: it may repeat what was sent."""
    place = f"{login.host}:{login.port}"
    try:
        yield
    except SMBAuthenticationError as error:
        raise ShareError(
            f"the server at {place} and this program found no common way to log on ({_first(error)}). Check username "
            f"and domain."
        ) from None
    except SMBUnsupportedFeature as error:
        raise ShareError(f"the server at {place} is too old: {error}. Choose another one.") from None
    except SMBLinkRedirectionError:
        raise ShareError(why_failed(A_LINK), A_LINK) from None
    except (SMBResponseException, SMBOSError) as error:
        status = status_of(error) or 0
        if isinstance(error.__cause__, SMBResponseException) and _OF_PYTHON.get(status) is FileNotFoundError:
            status = NO_SHARE  # what was not found is the share, as a server says that knows of DFS
        if status in _OF_PYTHON:
            raise _OF_PYTHON[status](why_failed(status)) from None
        raise ShareError(why_failed(status), status) from None
    except AnswerLate:
        raise ShareError(
            f"no answer came from {place} in {login.timeout_seconds:g} s. Check the server and the network, and try "
            f"again."
        ) from None
    except LinkLost as error:
        raise ShareError(_why_lost(str(error), place)) from None


def _why_lost(said: str, place: str) -> str:
    if "as a guest" in said:
        return f"the server at {place} took the user for a guest, who is refused here. Check username and password."
    if "encryption is required" in said:
        return f"the server at {place} does not encrypt. Turn encrypt off, or choose another server."
    return (
        f"{place} cannot be reached, or the connection was lost ({said}). Check host, port, the server and the "
        f"network, and try again."
    )


def _first(error: BaseException) -> str:
    """Return an error's first line, or its kind: smbprotocol puts packets into the next ones."""
    return (str(error).splitlines() or [""])[0][:200].rstrip(".") or type(error).__name__


def _close(links: list[Link], process: int) -> None:
    if os.getpid() == process:  # a forked child has its parent's sockets, and must not end what they are for
        for link in links:
            link.drop()
