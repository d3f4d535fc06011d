"""A server of the package on loopback, in a thread of this process, over a registry of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

import urllib3
import uvicorn
from fastapi import APIRouter, FastAPI

from blocks_registry import RemoteRegistry, Settings, open_local_registry
from blocks_registry.access import Reach, Role, open_access
from blocks_registry.remote_transport import Transport
from blocks_server import Limits, Service, create_app


@dataclass
class Served:
    """A running server, and how to talk to it."""

    url: str
    service: Service
    app: FastAPI
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)
    _making: Lock = field(default_factory=Lock, repr=False)

    def token(self, role: Role | str, *patterns: str) -> str:
        """Return the text of a token that is named like its role, one for each role and list."""
        name = "-".join(
            ["the", str(role), *(each.replace("*", "any").replace("/", ".") for each in patterns)]
        )
        with self._making:
            if name not in self._tokens:
                made = self.service.access.tokens.create(name, Role(role), reach=Reach.of(patterns or ("*",)))
                self._tokens[name] = made.text
            return self._tokens[name]

    def registry(self, role: Role | str = Role.ADMIN, *patterns: str) -> RemoteRegistry:
        """Return the registry as a client of that role sees it."""
        text = self.token(role, *patterns)
        return RemoteRegistry(Transport(self.url, lambda: text, pause=lambda _: None))

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role | str | None = Role.ADMIN,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request as any program would."""
        given = dict(headers or {})
        if role is not None:
            given["Authorization"] = f"Bearer {self.token(role)}"
        return urllib3.request(
            method,
            f"{self.url}{path}",
            body=raw,
            json=body if raw is None else None,
            headers=given,
            retries=False,
            redirect=False,
            timeout=30,
        )


@contextmanager
def serving(
    home: Path,
    url: str | None = None,
    *,
    tokens_home: Path | None = None,
    limits: Limits | None = None,
    routers: Sequence[APIRouter] = (),
) -> Iterator[Served]:
    """Serve a registry for a while.

    Args:    tokens_home: where tokens are kept, and reads of secrets recorded, apart from the registry.
             routers: further routes of the app.
    """
    settings = _settings(home, url)
    access = open_access(settings if tokens_home is None else _settings(tokens_home))
    service = Service(open_local_registry(settings), access, limits or Limits())
    app = create_app(service)
    for router in routers:
        app.include_router(router)
    with running(app) as address:
        yield Served(address, service, app)


def _settings(home: Path, url: str | None = None) -> Settings:
    return Settings(home, url or f"sqlite:///{home / 'blocks.db'}")


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Run an app on a free port for a while; give its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, http="httptools", log_config=None, access_log=False, timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="server of a test")
        thread.start()
        try:
            end = monotonic() + 20
            while not server.started and thread.is_alive() and monotonic() < end:
                sleep(0.005)
            assert server.started
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive()
