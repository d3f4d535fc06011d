"""Styles and scripts, under addresses that change with what they hold, so that browsers may keep them for long."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_FILES: Final = {
    "forms.css": ("blocks_server.forms", "text/css"),
    "forms.js": ("blocks_server.forms", "text/javascript"),
    "htmx.min.js": ("blocks_server.forms", "text/javascript"),
    "pages.css": ("blocks_server.pages", "text/css"),
    "blocks.css": ("blocks_server.pages", "text/css"),
    "blocks.js": ("blocks_server.pages", "text/javascript"),
}


@dataclass(frozen=True)
class _Asset:
    content: bytes
    digest: str
    media_type: str


def asset_url(name: str) -> str:
    """Return the address of a style or a script."""
    return f"/static/{name}?v={_asset(name).digest}"


@router.get("/static/{name}")
def show_asset(name: str, v: str = "") -> Response:
    """Return a style or a script; they hold nothing of anybody, so they take no session."""
    if name not in _FILES:
        raise HTTPException(404)
    found = _asset(name)
    kept = "public, max-age=31536000, immutable" if v == found.digest else "no-cache"
    return Response(found.content, headers={"Cache-Control": kept}, media_type=found.media_type)


@lru_cache
def _asset(name: str) -> _Asset:
    package, media_type = _FILES[name]
    content = (files(package) / "static" / name).read_bytes()
    return _Asset(content, sha256(content).hexdigest()[:16], media_type)
