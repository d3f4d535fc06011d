"""Loads by name, answered without the framework.

A flow that runs a thousand tasks loads its blocks thousands of times, and nothing else is asked for as often. The
framework's way to a route costs as much as the load; this one is a regular expression. It takes only what is plainly
a load: whatever has a query or another method goes the usual way, to `routes.blocks.load_block`, which answers the
same.

A load that needs nothing but a look into SQLite is done in the event loop, where it takes a fifth of a millisecond:
to hand it to a thread and back takes as long again. What may wait goes to a thread: all of PostgreSQL, a token that
must be looked up again, a row of the audit that must be on the disk first, a database that is locked, and the first
load of all, which opens the keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from blocks_core.errors import BlocksError
from blocks_registry.access.begun_loads import BegunLoad
from blocks_registry.errors import DatabaseUnavailable
from blocks_registry.remote_wire import API
from blocks_server.calls import Call, call_of
from blocks_server.problems import handle_blocks_error
from blocks_server.readers import Readers
from blocks_server.routes.blocks import load, loaded
from blocks_server.service import Service

_PATH: Final = re.compile(rf"{re.escape(API)}/blocks/([a-z0-9-]+)/([a-z0-9][a-z0-9._-]*)/load")


@dataclass(frozen=True)
class _Route:
    """What figures are noted under."""

    path: str = f"{API}/blocks/{{slug}}/{{name}}/load"


class Loading:
    """The layer of the app that answers loads, and gives all else to what is below it."""

    def __init__(self, app: ASGIApp, service: Service, readers: Readers) -> None:
        self._app = app
        self._quick = service.registry.quick()
        self._has_keys = False
        self._readers = readers
        self._route = _Route()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = None
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            found = _PATH.fullmatch(scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        response = await self._load(Request(scope, receive), *found.groups())
        await response(scope, receive, send)

    async def _load(self, request: Request, slug: str, name: str) -> Response:
        try:
            call = await call_of(request)
            begun = self._begin_at_once(call, slug, name)
            if begun is None:
                response = await self._readers.run(lambda: load(call, slug, name))
                self._has_keys = True
                return response
            if begun.is_recorded:
                return loaded(begun.finish())
            return await self._readers.run(lambda: loaded(begun.finish()))
        except BlocksError as error:
            return await handle_blocks_error(request, error)

    def _begin_at_once(self, call: Call, slug: str, name: str) -> BegunLoad | None:
        """Read in the event loop, or return None where that may take long."""
        if self._quick is None or not self._has_keys or not call.is_of_known_holder:
            return None
        try:
            return call.service.access.guard(self._quick, call.holder).begin_load(slug, name)
        except DatabaseUnavailable:  # which the thread waits for, or tells of
            return None
