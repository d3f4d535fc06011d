"""Cookies, all of one kind: no script reads them, no other site's form sends them, and https keeps them to itself."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response


def keep_cookie(response: Response, request: Request, name: str, value: str, seconds: int) -> None:
    """Have the browser keep a cookie for so long."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, request: Request, name: str) -> None:
    """Have the browser forget a cookie."""
    response.delete_cookie(
        name, path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )
