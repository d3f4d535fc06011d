"""The app: the API's routes over one service."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from blocks_core.errors import BlocksError
from blocks_registry.remote_wire import API
from blocks_server import bodies
from blocks_server.checking import Checks
from blocks_server.documenting import describe_api
from blocks_server.loading import Loading
from blocks_server.metrics import Metrics
from blocks_server.observing import Observing
from blocks_server.problems import handle_blocks_error, handle_http_error, handle_invalid_query
from blocks_server.readers import Readers
from blocks_server.routes import (
    audit,
    block_types,
    blocks,
    changes,
    checks,
    itself,
    reference,
    tokens,
    versions,
)
from blocks_server.service import Service

_API: Final = (blocks, versions, changes, checks, block_types, audit, tokens, itself)

_READERS = 10
"""Loads that may wait for the database at once. Many more would take the interpreter from each other."""


def create_app(service: Service) -> FastAPI:
    """Return the app of a service, which is closed when the app is shut down.

    Routes that are added, such as those of pages, find the service in `request.app.state.service`.
    """
    app = FastAPI(
        title="Blocks",
        version=version("blocks-server"),
        description="The registry of blocks over HTTP.",
        lifespan=_lifespan,
        docs_url=None,  # the ready-made pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.metrics = metrics = Metrics()
    app.state.checks = Checks(service)
    app.state.readers = readers = Readers(_READERS)
    app.add_exception_handler(BlocksError, handle_blocks_error)
    app.add_exception_handler(HTTPException, handle_http_error)
    app.add_exception_handler(RequestValidationError, handle_invalid_query)
    app.add_middleware(Loading, service=service, readers=readers)
    app.add_middleware(Observing, metrics=metrics, headers=service.headers)
    for module in _API:
        app.include_router(module.router, prefix=API)
    app.include_router(itself.open_router)
    app.include_router(reference.router)
    app.openapi = partial(describe_api, app, _bodies())
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Close the service at the end."""
    yield
    app.state.readers.close()
    service: Service = app.state.service
    service.close()


def _bodies() -> list[type[BaseModel]]:
    found: list[Any] = [*vars(bodies).values()]
    return [
        each
        for each in found
        if isinstance(each, type) and issubclass(each, bodies.Body) and each is not bodies.Body
    ]
