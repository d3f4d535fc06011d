"""Routes of pages: what goes wrong is told on a page, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from blocks_core.errors import BlocksError
from blocks_server.errors import ServerError
from blocks_server.pages.errors import detail_of, status_of
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import known_visit


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answer_as_page(request: Request) -> Response:
            try:
                return await answer(request)
            except ServerError as error:
                return error_page(request, error.status, str(error))
            except BlocksError as error:
                return error_page(request, status_of(error), detail_of(error))
            except RequestValidationError:
                return error_page(
                    request, 422, "The address of this page has something in it that does not fit."
                )

        return answer_as_page


def error_page(request: Request, status: int, text: str) -> Response:
    """Return the page that tells of an error."""
    return render(known_visit(request), "error.html", status, title=HTTPStatus(status).phrase, text=text)
