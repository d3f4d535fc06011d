"""How routes are described in OpenAPI: their answers, their bodies, and the one shape of errors."""

from __future__ import annotations

from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from blocks_registry.remote_problems import MEDIA_TYPE
from blocks_server import answers

_REFERENCES: Final = "#/components/schemas/{model}"


def documented(
    answer: type[answers.Answer] | None, *, body: type[BaseModel] | None = None, status: int = 200
) -> dict[str, Any]:
    """Return the options of a route that answers with a model, or with nothing.

    Args:    body: what it takes.
    """
    failed = {
        "description": "What went wrong.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCES.format(model="Problem")}}},
    }
    options: dict[str, Any] = {
        "status_code": status,
        "response_model": None,
        "responses": {"4XX": failed, "5XX": failed},
    }
    if answer is not None:
        schema = {"$ref": _REFERENCES.format(model=answer.__name__)}
        options["responses"][status] = {
            "description": (answer.__doc__ or "").split("\n")[0],
            "content": {"application/json": {"schema": schema}},
        }
    if body is not None:
        schema = {"$ref": _REFERENCES.format(model=body.__name__)}
        content = {"application/json": {"schema": schema}}
        options["openapi_extra"] = {"requestBody": {"required": True, "content": content}}
    return options


def describe_api(app: FastAPI, bodies: list[type[BaseModel]]) -> dict[str, Any]:
    """Return the OpenAPI document of an app.

    Args:    bodies: the models of what clients send.
    """
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, routes=app.routes, description=app.description
        )
        components = found.setdefault("components", {})
        components["schemas"] = _schemas([*bodies, *_all_answers()])
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
        app.openapi_schema = found
    return app.openapi_schema


def _schemas(models: list[type[BaseModel]]) -> dict[str, Any]:
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template=_REFERENCES, by_alias=True
    )
    return cast("dict[str, Any]", found["$defs"])


def _all_answers() -> list[type[BaseModel]]:
    return [
        each
        for each in vars(answers).values()
        if isinstance(each, type) and issubclass(each, answers.Answer) and each is not answers.Answer
    ]
