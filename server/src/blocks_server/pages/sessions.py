"""The session of a browser: a cookie that no script reads and no other site's form sends."""

from __future__ import annotations

import hmac
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from blocks_registry.access.logins import SESSION_SECONDS
from blocks_server.pages.cookies import drop_cookie, keep_cookie

COOKIE: Final = "blocks-session"
FIELD: Final = "csrf"
HEADER: Final = "x-csrf-token"


def session_of(request: Request) -> str:
    """Return the cookie; empty where there is none."""
    return request.cookies.get(COOKIE, "")


def remember(response: Response, request: Request, cookie: str) -> None:
    """Have the browser keep a session."""
    keep_cookie(response, request, COOKIE, cookie, SESSION_SECONDS)


def forget(response: Response, request: Request) -> None:
    """Have the browser forget its session."""
    drop_cookie(response, request, COOKIE)


def csrf_of(session: str) -> str:
    """Return what the forms of a session carry; whoever knows it learns nothing of the session."""
    return hmac.digest(session.encode(), b"form", "sha256").hex()


def is_csrf_of(session: str, given: str) -> bool:
    """Tell whether a form is one of the session."""
    return hmac.compare_digest(csrf_of(session).encode(), given.encode())
