"""The pages put into an app."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blocks_registry.remote_wire import API
from blocks_server.pages import assets, audit, dashboard, keys, login, plugins, tokens
from blocks_server.pages.blocks.routers import ROUTERS
from blocks_server.pages.page_routes import error_page
from blocks_server.problems import handle_http_error


def add_pages(app: FastAPI) -> FastAPI:
    """Add all pages to an app of the API, and return it."""
    for module in (assets, login, dashboard, plugins, keys, tokens, audit):
        app.include_router(module.router)
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(HTTPException, _handle_http_error)
    return app


async def _handle_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: on a page where a person asked, by what they sent."""
    assert isinstance(error, HTTPException)
    is_of_programs = request.url.path.startswith(f"{API}/") or "text/html" not in request.headers.get(
        "accept", ""
    )
    if is_of_programs or error.status_code < 400 or "hx-request" in request.headers:
        return await handle_http_error(request, error)
    return error_page(request, error.status_code, "There is no page at this address.")
