"""Errors as answers: problem details of one shape, whatever went wrong.

Source:  RFC 9457 (problem details), RFC 9110 (status codes, `WWW-Authenticate`, `Retry-After`).
"""

from __future__ import annotations

import json
from http import HTTPStatus
from math import ceil

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blocks_core.document import Json
from blocks_core.errors import BlocksError, FieldProblem
from blocks_registry.errors import DatabaseLocked, TokenInvalid, TooManyAttempts
from blocks_registry.remote_problems import MEDIA_TYPE, problem, problem_of
from blocks_server.errors import RequestInvalid, ServerBusy, ServerError
from blocks_server.logs import log_failure
from blocks_server.trail import trail_of

_MAX_PATH = 100
_RETRY_SECONDS = 2


def answer_error(error: BlocksError) -> Response:
    """Return the answer that tells of an error."""
    headers: dict[str, str] = {}
    if isinstance(error, TokenInvalid):
        headers["WWW-Authenticate"] = 'Bearer realm="blocks"'
    elif isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(ceil(error.wait_seconds))
    elif isinstance(error, (DatabaseLocked, ServerBusy)):
        headers["Retry-After"] = str(_RETRY_SECONDS)
    if isinstance(error, ServerError):
        problems: list[Json] = [
            {"path": each.path, "problem": each.problem} for each in getattr(error, "problems", ())
        ]
        told = problem(type(error).__name__, error.status, str(error), problems=problems)
    else:
        told = problem_of(error)
    return answer_problem(told, headers)


def answer_problem(told: dict[str, Json], headers: dict[str, str] | None = None) -> Response:
    """Return problem details as an answer."""
    status = told["status"]
    assert isinstance(status, int)
    return Response(
        json.dumps(told), status, {"Cache-Control": "no-store", **(headers or {})}, media_type=MEDIA_TYPE
    )


def answer_unforeseen() -> Response:
    """Return the answer where something went wrong that nobody foresaw; it says nothing of it."""
    detail = "The server failed in a way that nobody foresaw. Its log has what and where, by the id of this request."
    return answer_problem(problem("Unforeseen", 500, detail))


async def handle_blocks_error(request: Request, error: Exception) -> Response:
    """Answer an error of the registry or of the server itself; what clients are not told is logged."""
    assert isinstance(error, BlocksError)
    answered = answer_error(error)
    if answered.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log_failure(error, trail_of(request.scope).request_id)
    return answered


async def handle_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: a path or a method that there is not."""
    assert isinstance(error, HTTPException)
    words = HTTPStatus(error.status_code).phrase
    code = "".join(word.capitalize() for word in words.replace("-", " ").split())
    detail = f"{words}: {request.method} is nothing that can be asked for here. See /docs for what there is."
    return answer_problem(problem(code, error.status_code, detail), dict(error.headers or {}))


async def handle_invalid_query(request: Request, error: Exception) -> Response:
    """Answer a path or a query that does not fit; what was given is not repeated."""
    assert isinstance(error, RequestValidationError)
    found = [
        FieldProblem(".".join(str(step) for step in each["loc"])[:_MAX_PATH], str(each["msg"]))
        for each in error.errors()
    ]
    listed = "; ".join(str(each) for each in found)
    return answer_error(RequestInvalid(f"What was asked does not fit: {listed}.", found))
