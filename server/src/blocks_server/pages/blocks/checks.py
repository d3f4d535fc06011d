"""Testing a block from its page: one line for each thing that was tried."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from blocks_core.checks import CheckReport
from blocks_core.errors import BlocksError
from blocks_registry.errors import AccessDenied
from blocks_server.checking import Checks
from blocks_server.errors import ServerError
from blocks_server.pages.errors import detail_of, status_of
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.post("/blocks/{slug}/{name}/check")
async def check_block(visit: Visited, slug: str, name: str) -> Response:
    """Try what a block is for, where the server is, and show what was found."""
    checks: Checks = visit.request.app.state.checks
    report, problem, status = CheckReport(), "", 200
    try:
        report = await checks.run(visit.holder, slug, name)
    except AccessDenied:
        raise
    except ServerError as error:
        problem, status = str(error), error.status
    except BlocksError as error:
        problem, status = detail_of(error), status_of(error)
    # A part of a page is shown whatever its status, or the reason would be lost.
    return await run_in_threadpool(
        render,
        visit,
        "blocks/check_part.html" if visit.is_part else "blocks/check.html",
        200 if visit.is_part else status,
        address=f"{slug}/{name}",
        slug=slug,
        name=name,
        report=report,
        problem=problem,
    )
