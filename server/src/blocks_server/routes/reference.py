"""What describes the API: a page for people, and one for each kind of problem. They take no token."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse, Response

from blocks_server.problem_kinds import problem_kinds
from blocks_server.reference import reference_style, render_problems, render_reference

router = APIRouter(include_in_schema=False)

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


@router.get("/docs")
def read_reference(request: Request) -> Response:
    """Describe the API."""
    return HTMLResponse(render_reference(request.app.openapi(), _root(request)), headers=_HEADERS)


@router.get("/docs/reference.css")
def read_style() -> Response:
    """Return the style of these pages."""
    return Response(reference_style(), media_type="text/css")


@router.get("/problems")
def list_problems(request: Request) -> Response:
    """Describe every kind of problem."""
    return HTMLResponse(render_problems(problem_kinds(), _root(request)), headers=_HEADERS)


@router.get("/problems/{slug}")
def read_problem(request: Request, slug: str) -> Response:
    """Describe one kind of problem."""
    found = [kind for kind in problem_kinds() if kind.slug == slug]
    if not found:
        raise HTTPException(404)
    return HTMLResponse(render_problems(found, _root(request)), headers=_HEADERS)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
