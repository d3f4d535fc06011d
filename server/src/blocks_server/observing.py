"""What is done around every request: an id, headers, a log line, figures, and an answer to what nobody foresaw."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blocks_registry.remote_wire import PROTOCOL, PROTOCOL_HEADER, REQUEST_HEADER
from blocks_server.logs import log_request, log_unforeseen
from blocks_server.metrics import Metrics
from blocks_server.problems import answer_unforeseen
from blocks_server.trail import Trail, begin_trail

_QUIET: Final = ("/healthz", "/readyz", "/metrics")
"""Asked every few seconds by machines, so that they would fill a log; counted like all others."""

_REQUEST_HEADER = REQUEST_HEADER.lower().encode()


class Observing:
    """The outermost layer of the app.

    Args:    headers: that every answer has, unless it has them itself.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, headers: Mapping[str, str]) -> None:
        self._app = app
        self._metrics = metrics
        always = {PROTOCOL_HEADER: str(PROTOCOL), "X-Content-Type-Options": "nosniff", **headers}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in always.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trail = begin_trail(scope, _given_id(scope))
        started, status = perf_counter(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *self._headers,
                    (_REQUEST_HEADER, trail.request_id.encode()),
                ]
            await send(message)

        self._metrics.served_now.inc()
        try:
            await self._app(scope, receive, observed)
        except Exception as error:  # noqa: BLE001 whatever it is, it is logged without what it says
            log_unforeseen(error, trail.request_id)
            if not status:
                await answer_unforeseen()(scope, receive, observed)
        finally:
            self._metrics.served_now.dec()
            self._note(scope, trail, status, perf_counter() - started)

    def _note(self, scope: Scope, trail: Trail, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "(none)")
        self._metrics.note(_method(scope), route, status, seconds)
        if scope["path"] in _QUIET and status < 400:
            return
        client: Any = scope.get("client")
        log_request(
            {
                "method": _method(scope),
                "path": scope["path"],
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                "token": trail.token,
                "client": client[0] if client else "-",
                "request_id": trail.request_id,
            }
        )


def _given_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _REQUEST_HEADER:
            return value.decode("latin-1")
    return ""


def _method(scope: Scope) -> str:
    """Return the method, of which clients can invent any number."""
    method: str = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS") else "(other)"
