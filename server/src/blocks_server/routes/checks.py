"""A block's own check, run where the server is: what works, one line for each thing that was tried."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from blocks_core.document import Json
from blocks_server import answers
from blocks_server.calls import Called, answer
from blocks_server.checking import Checks
from blocks_server.documenting import documented

router = APIRouter(tags=["blocks"])


@router.post("/blocks/{slug}/{name}/check", **documented(answers.CheckReport))
async def check_block(request: Request, call: Called, slug: str, name: str) -> Response:
    """Try what a block is for. Its secrets are used in the server, which is recorded, and are not in the answer.

    It takes the right to change blocks or to load them, and a server that runs checks.
    """
    checks: Checks = request.app.state.checks
    holder = await run_in_threadpool(lambda: call.holder)
    report = await checks.run(holder, slug, name)
    found: list[Json] = [
        {"name": each.name, "ok": each.ok, "detail": each.detail, "seconds": each.seconds}
        for each in report.results
    ]
    return answer({"ok": report.ok, "items": found})
