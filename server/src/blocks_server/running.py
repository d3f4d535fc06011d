"""The web server around the app: one process, until it is told to stop; what it serves then is still answered."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from blocks_server.connections import Connection
from blocks_server.errors import StartRefused
from blocks_server.logs import LOGGER, LogFormat, set_up_logs

DEFAULT_PORT: Final = 4217

_IDLE_SECONDS = 75
"""That a connection is kept without a request: longer than what stands before servers keeps theirs."""
_STOP_SECONDS = 30
"""That requests may go on after the server was told to stop."""
_MAX_AT_ONCE = 1000
"""Connections and requests; beyond it, further ones are told to come back."""


@dataclass(frozen=True)
class Listening:
    """Where the server listens, and how."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    certificate: Path | None = None
    private_key: Path | None = None
    proxies: str = ""
    """Addresses whose `X-Forwarded-For` is believed, separated by commas."""
    log_format: LogFormat = "console"

    @property
    def url(self) -> str:
        """Return the address by which clients on this machine find it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"

    @property
    def is_open_without_tls(self) -> bool:
        """Tell whether others can reach it, and whoever is between can read tokens and secrets."""
        return self.certificate is None and not is_loopback(self.host)


class _Server(uvicorn.Server):
    """Uvicorn's, which ends with the exit code 0 when it was told to stop, and at once when it is told again.

    By itself it raises the signal again in the end, so that whoever sent it sees a program that was killed.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop after what is served now; at the second signal without it, which loses nothing that was answered."""
        if self.should_exit:
            LOGGER.warning("Told to stop again: what is served now is broken off.")
            sys.stderr.flush()
            os._exit(128 + sig)
        self.should_exit = True


def serve(app: FastAPI, listening: Listening, sockets: Sequence[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:    sockets: of `sockets.listen`; they are closed at the end.
    Raises:  StartRefused: it has no such certificate, or none that can be used.
    """
    set_up_logs(listening.log_format)
    config = uvicorn.Config(
        app,
        http=Connection,
        loop="auto",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(listening.proxies),
        forwarded_allow_ips=listening.proxies or None,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        limit_concurrency=_MAX_AT_ONCE,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.private_key,
    )
    with ExitStack() as opened:
        for each in sockets:
            opened.enter_context(each)
        try:
            config.load()
        except OSError as error:
            raise StartRefused(
                f"The server cannot be started ({error.strerror or type(error).__name__}). See that certificate and "
                f"key are files in PEM that this user may read, and belong to each other."
            ) from error
        _Server(config).run([*sockets])


def is_loopback(host: str) -> bool:
    """Tell whether only programs on this machine can reach a host's address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
