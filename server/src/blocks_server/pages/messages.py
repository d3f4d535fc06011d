"""A message for the next page, kept by the browser for some seconds and proved by its session."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from blocks_server.pages.cookies import keep_cookie

COOKIE: Final = "blocks-message"
_SECONDS: Final = 30
_MAX_BYTES: Final = 2000


def leave_message(response: Response, request: Request, session: str, text: str) -> None:
    """Have the next page show a message."""
    encoded = urlsafe_b64encode(text.encode()[:_MAX_BYTES]).decode()
    keep_cookie(response, request, COOKIE, f"{encoded}.{_proof(session, encoded)}", _SECONDS)


def message_of(request: Request, session: str) -> str:
    """Return the message that was left; empty where there is none that this session left."""
    encoded, _, proof = request.cookies.get(COOKIE, "").partition(".")
    if not encoded or not hmac.compare_digest(_proof(session, encoded).encode(), proof.encode()):
        return ""
    try:
        return urlsafe_b64decode(encoded).decode(errors="replace")
    except ValueError:
        return ""


def _proof(session: str, encoded: str) -> str:
    return hmac.digest(session.encode(), b"message " + encoded.encode(), "sha256").hex()
