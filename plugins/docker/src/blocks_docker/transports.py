"""How requests of Docker's SDK reach an engine, where the SDK's own ways do not serve. Imported at first use."""

# The SDK comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool
from requests.adapters import HTTPAdapter

from blocks_docker.settings import EngineSettings

MAX_CONNECTIONS = 32
"""Kept open to one engine; threads that need more open their own, and close them."""


class ClosingSockets(UnixHTTPAdapter):
    """Connects to a socket of this machine, and closes what could not be connected.

    2026-11-27, docker 7.2.0: the SDK leaves such a socket to the garbage collector, with a ResourceWarning for each
    attempt; may go when UnixHTTPConnection.connect closes it.
    """

    def __init__(self, address: str, timeout_seconds: float) -> None:
        path = address.removeprefix("unix://")
        timeout: dict[str, Any] = {"timeout": timeout_seconds}  # typed as whole, and handed to sockets
        super().__init__(f"http+unix://{path}", max_pool_size=MAX_CONNECTIONS, **timeout)

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        """Return the connections to the socket."""
        with self.pools.lock:
            if url not in self.pools:
                self.pools[url] = _Pool(url, self.socket_path, self.timeout, maxsize=self.max_pool_size)
            return self.pools[url]


class _Pool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:
        return _Connection(self.base_url, self.socket_path, cast("Any", self.timeout))


class _Connection(UnixHTTPConnection):
    def connect(self) -> None:
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connecting.settimeout(self.timeout)
            connecting.connect(self.unix_socket)
        except OSError:
            connecting.close()
            raise
        self.sock = connecting


class TrustingThese(HTTPAdapter):
    """Connects with certificates that are given as texts, and trusts no others."""

    def __init__(self, settings: EngineSettings) -> None:
        self._context = _tls(settings)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Give the connections our certificates."""
        super().init_poolmanager(*arguments, **options, ssl_context=self._context, assert_hostname=None)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Return what tells connections apart: the host alone."""
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        return host, {}  # REQUESTS_CA_BUNDLE would add others to those that the context trusts

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave all as it is: requests would add the public certificates."""


def _tls(settings: EngineSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=settings.ca_cert)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert and settings.client_key:
        with TemporaryDirectory() as folder:  # Python's ssl takes files only; gone before anything is sent
            certificate, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
            certificate.write_text(settings.client_cert)
            key.touch(0o600)
            key.write_text(settings.client_key)
            context.load_cert_chain(certificate, key, password="")
    return context
