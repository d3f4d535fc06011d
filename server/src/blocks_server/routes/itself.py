"""What the server says of itself: to whom it talks, whether it lives and is ready, its figures."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import Response

from blocks_registry.remote_wire import PROTOCOL
from blocks_server import answers
from blocks_server.calls import Called, answer
from blocks_server.documenting import documented
from blocks_server.metrics import CONTENT_TYPE, Metrics
from blocks_server.service import Service

router = APIRouter(tags=["server"])
open_router = APIRouter(tags=["server"])
"""Routes that take no token, beside the API: they tell nothing but figures."""


@router.get("/server", **documented(answers.Server))
def read_server(call: Called) -> Response:
    """Tell which server answers, and whom it takes the client for."""
    holder = call.holder
    return answer(
        {
            "version": version("blocks-server"),
            "protocol": PROTOCOL,
            "holder": {
                "token": holder.name,
                "role": holder.role.value,
                "allow": [*holder.reach.written],
            },
        }
    )


@open_router.get("/healthz", **documented(answers.Health))
async def read_health() -> Response:
    """Tell that the process lives and answers."""
    return answer({"status": "alive"})


@open_router.get("/readyz", **documented(answers.Health))
def read_readiness(request: Request) -> Response:
    """Tell whether the database answers and its keys are at hand, so that requests can be sent here."""
    service: Service = request.app.state.service
    service.look()
    return answer({"status": "ready"})


@open_router.get("/metrics", include_in_schema=False)
def read_metrics(request: Request) -> Response:
    """Return figures in Prometheus' own format."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE)
