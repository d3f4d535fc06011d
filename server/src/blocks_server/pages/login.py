"""Getting in and out, and in which colours: a token or a one-time code opens a session."""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blocks_core.errors import BlocksError
from blocks_registry.access.logins import NewSession
from blocks_registry.errors import TokenInvalid, TooManyAttempts
from blocks_server.pages.errors import FormNotOurs
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.sessions import forget, remember
from blocks_server.pages.themes import keep_theme
from blocks_server.pages.visits import Visited, read_form
from blocks_server.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_START = "/"
_OWN_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x1f]*")


@router.get("/login")
def show_login(request: Request, next: str = "", code: str = "") -> Response:  # noqa: A002 the word in the address
    """Ask for a token, or take the code of a link."""
    if not code:
        return _page(own_path(next))
    service: Service = request.app.state.service
    try:
        opened = service.access.logins.open_by_code(code, address=_address(request))
    except (TokenInvalid, TooManyAttempts) as error:
        return _page(own_path(next), error)
    return _opened(request, opened, own_path(next))


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Open a session by a token."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise FormNotOurs(
            "This form comes from another site, so nothing was done. Open the page of the login."
        )
    sent = dict(await read_form(request))
    service: Service = request.app.state.service
    path = own_path(sent.get("next", ""))
    try:
        opened = await run_in_threadpool(
            service.access.logins.open_by_token, sent.get("token", "").strip(), address=_address(request)
        )
    except (TokenInvalid, TooManyAttempts) as error:
        return _page(path, error)
    return _opened(request, opened, path)


@router.post("/logout")
def log_out(visit: Visited) -> Response:
    """End the session."""
    visit.service.access.logins.end(visit.session)
    response = RedirectResponse("/login", 303)
    forget(response, visit.request)
    return response


@router.post("/theme")
def choose_theme(visit: Visited) -> Response:
    """Keep in the browser which colours are wanted."""
    sent = dict(visit.form)
    response = RedirectResponse(own_path(sent.get("next", "")), 303)
    keep_theme(response, visit.request, sent.get("theme", ""))
    return response


def own_path(path: str) -> str:
    """Return a path of this server; where another place is named, the one to begin with.

    >>> own_path("/blocks?q=a"), own_path("//evil.example"), own_path("https://evil.example")
    ('/blocks?q=a', '/', '/')
    """
    return path if _OWN_PATH.fullmatch(path) else _START


def _opened(request: Request, opened: NewSession, path: str) -> Response:
    response = RedirectResponse(path, 303, {"Cache-Control": "no-store"})  # the code stays in no address
    remember(response, request, opened.cookie)
    return response


def _page(path: str, error: BlocksError | None = None) -> Response:
    status = 429 if isinstance(error, TooManyAttempts) else 401 if error else 200
    return render(None, "login.html", status, next=path, problem=str(error or ""))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
