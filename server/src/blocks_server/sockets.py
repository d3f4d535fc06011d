"""Sockets that listen for the server, taken before anything else is opened: who cannot have them leaves no trace."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import Any, Final

from blocks_server.errors import StartRefused

_BACKLOG: Final = 2048
"""Connections that wait to be taken, such as those of all clients after a restart; the system may allow fewer."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at every address of a host.

    Raises:  StartRefused: another program listens there, this user may not, or the host is none of this machine.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise StartRefused(
            f"The server cannot listen at {place}: there is no such host. Give an address of this machine with "
            f"--host, such as 127.0.0.1."
        ) from error
    absent: OSError | None = None
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                sockets.append(opened.enter_context(_listening(family, address)))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise _refused(place, error) from error
                absent = error  # such as IPv6 of `localhost`, on a machine that has none
        if absent is not None and not sockets:
            raise _refused(place, absent) from absent
        opened.pop_all()
    return sockets


def _listening(family: int, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # after a restart, old connections still linger
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(
            _BACKLOG
        )  # now, as of two that have bound a port only the second learns that it cannot listen
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _refused(place: str, error: OSError) -> StartRefused:
    reasons = {
        errno.EADDRINUSE: (
            "another program listens there",
            "Stop that one, or choose another port with --port.",
        ),
        errno.EACCES: ("this user may not", "Choose a port from 1024 on with --port."),
        errno.EADDRNOTAVAIL: (
            "that is no address of this machine",
            "Give one with --host: 127.0.0.1 for programs here, 0.0.0.0 for all.",
        ),
    }
    why, remedy = reasons.get(
        error.errno or 0, (error.strerror or type(error).__name__, "Choose others with --host and --port.")
    )
    return StartRefused(f"The server cannot listen at {place}: {why}. {remedy}")
