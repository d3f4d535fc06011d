"""A stand-in for Prefect's API: it gives answers that were recorded from the real one, or misbehaves.

What it answers was recorded from prefect 3.8.8 (`recorded/plant_prefect.py`), without the texts of documentation; how
it pages, counts, hides secrets and refuses is what that server was seen to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
MARKER = "pl4nted"
"""Stands in every invented secret."""


def recorded_blocks() -> list[dict[str, Any]]:
    return json.loads((RECORDED / "prefect_blocks.json").read_text("utf-8"))


@dataclass
class Script:
    """How the server is to behave."""

    blocks: list[dict[str, Any]] = field(default_factory=recorded_blocks)
    page: int = 200
    """The server's own limit, where a request asks for none."""
    authorization: str | None = None
    """What the header must be."""
    csrf: bool = False
    hides_secrets: bool = False
    respond: Callable[[BaseHTTPRequestHandler, bytes], None] | None = None
    """Answers in place of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def _answer(self) -> None:
        script = self.server.script
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), raw))
        if script.respond is not None:
            script.respond(self, raw)
        elif script.authorization is not None and self.headers.get("Authorization") != script.authorization:
            self.reply(401, {"exception_message": "Unauthorized"})
        elif self.path.startswith("/api/csrf-token"):
            if script.csrf:
                self.reply(200, {"token": "t0ken", "client": "c", "expiration": "2030-01-01T00:00:00Z"})
            else:
                self.reply(422, {"detail": "CSRF protection is disabled."})
        elif script.csrf and self.headers.get("Prefect-Csrf-Token") != "t0ken":
            self.reply(403, {"detail": "Missing CSRF token."})
        elif self.path == "/api/block_documents/filter":
            self.reply(200, self._page(json.loads(raw)))
        elif self.path == "/api/block_documents/count":
            self.reply(200, len(self._chosen(json.loads(raw))))
        else:
            self.reply(404, {"detail": "Not Found"})

    def _chosen(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        unnamed_too = "block_documents" in asked and asked["block_documents"].get("is_anonymous", {}) is None
        return [found for found in self.server.script.blocks if unnamed_too or not found["is_anonymous"]]

    def _page(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        script = self.server.script
        start = asked.get("offset", 0)
        found = self._chosen(asked)[start : start + asked.get("limit", script.page)]
        shown = asked.get("include_secrets") and not script.hides_secrets
        return found if shown else [one | {"data": _hidden(one["data"])} for one in found]

    def reply(self, status: int, body: Any, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(raw)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = _answer

    def log_message(self, *args: Any) -> None:
        """Write nothing."""


class StandIn(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/api"
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


def _hidden(value: Any) -> Any:
    """Hide what Prefect would hide: here, whatever was planted."""
    if isinstance(value, dict):
        return {name: _hidden(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner) for inner in value]
    return "*" * 8 if isinstance(value, str) and MARKER in value else value
