"""One request for a page: who is there, what they may do, and the form that they sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote
from uuid import uuid4

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blocks_registry.access import GuardedRegistry, Holder
from blocks_registry.errors import TokenInvalid
from blocks_registry.once import Once
from blocks_server.calls import read_body
from blocks_server.forms.reading import MAX_PAIRS
from blocks_server.pages.errors import FormNotOurs, FormUnreadable
from blocks_server.pages.messages import leave_message, message_of
from blocks_server.pages.sessions import FIELD, HEADER, csrf_of, is_csrf_of, session_of
from blocks_server.service import Service
from blocks_server.trail import trail_of

KEY: Final = ":key"
"""By which a form that is sent again is known: whoever presses twice, or again after the line was cut, saves once."""


@dataclass
class Visit:
    """A request for a page, by somebody whose session is good."""

    request: Request
    service: Service
    holder: Holder
    session: str = field(repr=False)
    form: Sequence[tuple[str, str]] = field(default=(), repr=False)
    """Names and values that were sent, in their order; the token against forged requests was checked."""

    @cached_property
    def registry(self) -> GuardedRegistry:
        """Return the registry as they see it."""
        return self.service.access.guard(self.service.registry, self.holder)

    @property
    def registry_once(self) -> GuardedRegistry:
        """Return the registry for what their form writes: done once, though a form that has a key is sent again."""
        key = next((text for name, text in self.form if name == KEY), "")
        if not key:
            return self.registry
        what = json.dumps([self.request.url.path, *self.form]).encode()
        registry = self.service.registry.once(Once.of(key, self.holder.token_id, what))
        return self.service.access.guard(registry, self.holder)

    @property
    def csrf(self) -> str:
        """Return what their forms carry, so that no other site sends one for them."""
        return csrf_of(self.session)

    @property
    def hidden(self) -> dict[str, str]:
        """Return what a form of theirs carries that may be sent again."""
        return {FIELD: self.csrf, KEY: uuid4().hex}

    @property
    def is_part(self) -> bool:
        """Tell whether a script asks for a part of a page."""
        return (
            "hx-request" in self.request.headers and "hx-history-restore-request" not in self.request.headers
        )

    @property
    def message(self) -> str:
        """Return what the page before had to say."""
        return message_of(self.request, self.session)

    def go_to(self, url: str, message: str = "") -> Response:
        """Return the answer that leads to another page, which shows a message."""
        response = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
        if message:
            leave_message(response, self.request, self.session, message)
        return response


async def visit_of(request: Request) -> Visit:
    """Return a visit; whoever has no session is led to where one is opened.

    Raises:  HTTPException: 303 to the login. FormNotOurs, FormUnreadable, RequestTooLarge, RequestTooSlow.
    """
    service: Service = request.app.state.service
    session = session_of(request)
    client = request.client
    try:
        if not session:
            raise TokenInvalid("There is no session.")
        holder = await run_in_threadpool(
            service.access.authenticator.holder_of_session, session, address=client.host if client else ""
        )
    except TokenInvalid:
        raise _to_login(request) from None
    trail_of(request.scope).token = holder.name
    visit = request.state.visit = Visit(request, service, holder, session)
    if request.method not in ("GET", "HEAD"):
        visit.form = await read_form(request)
        given = request.headers.get(HEADER) or next((text for name, text in visit.form if name == FIELD), "")
        if not is_csrf_of(session, given):
            raise FormNotOurs(
                "This form was not made for your session, so nothing was done: it is from another site, or from "
                "before you logged in. Open its page again."
            )
    return visit


Visited = Annotated[Visit, Depends(visit_of)]


def known_visit(request: Request) -> Visit | None:
    """Return the visit of a request, if it came so far that one is known."""
    return getattr(request.state, "visit", None)


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Return the names and values of a form.

    Raises:  FormUnreadable, RequestTooLarge, RequestTooSlow.
    """
    service: Service = request.app.state.service
    body = await read_body(request, service.limits)
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS + 1)
    except ValueError:
        raise FormUnreadable("What was sent is no form that can be read. Open the page again.") from None


def _to_login(request: Request) -> HTTPException:
    path = "/"
    if request.method == "GET":
        path = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    url = f"/login?next={quote(path, safe='/')}"
    if "hx-request" in request.headers:
        return HTTPException(401, headers={"HX-Redirect": url})
    return HTTPException(303, headers={"Location": url})
