"""Light or dark: what the browser asks for, unless somebody chose one here."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from blocks_server.pages.cookies import drop_cookie, keep_cookie

COOKIE: Final = "blocks-theme"
THEMES: Final = ("light", "dark")
_SECONDS: Final = 365 * 24 * 3600


def theme_of(request: Request) -> str:
    """Return the theme that was chosen; empty where none was."""
    found = request.cookies.get(COOKIE, "")
    return found if found in THEMES else ""


def keep_theme(response: Response, request: Request, theme: str) -> None:
    """Have the browser keep a theme; anything else is forgotten, and with it what was kept before."""
    if theme in THEMES:
        keep_cookie(response, request, COOKIE, theme, _SECONDS)
    else:
        drop_cookie(response, request, COOKIE)
