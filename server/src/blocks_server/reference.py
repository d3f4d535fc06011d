"""The pages that describe the API to people: made from its OpenAPI document, without scripts and without the net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from blocks_server.problem_kinds import ProblemKind

Node = Mapping[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Line:
    """A parameter, or a field of a body."""

    name: str
    kind: str
    text: str
    is_required: bool
    place: str = ""


@dataclass(frozen=True)
class Model:
    """What is sent or answered."""

    name: str
    text: str
    fields: tuple[Line, ...]


@dataclass(frozen=True)
class Operation:
    """A method of an address."""

    id: str
    method: str
    path: str
    summary: str
    text: tuple[str, ...]
    parameters: tuple[Line, ...]
    body: str
    status: str
    answer: str


def render_reference(api: Node, root: str) -> str:
    """Return the page of an API.

    Args:    api: its OpenAPI document. root: what stands before each path, where a proxy gives the server a folder.
    """
    operations = [
        _operation(method, path, item[method])
        for path, item in api["paths"].items()
        for method in _METHODS
        if method in item
    ]
    models = [_model(name, schema) for name, schema in sorted(api["components"]["schemas"].items())]
    page = _environment().get_template("reference.html")
    return page.render(operations=operations, models=models, version=api["info"]["version"], root=root)


def render_problems(kinds: Sequence[ProblemKind], root: str) -> str:
    """Return the page of kinds of problems, or of one."""
    return _environment().get_template("problems.html").render(kinds=kinds, root=root)


@cache
def reference_style() -> str:
    """Return the style of these pages."""
    return (files("blocks_server") / "templates" / "reference.css").read_text("utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("blocks_server"), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )


def _operation(method: str, path: str, found: Node) -> Operation:
    text = str(found.get("description", ""))
    done = sorted(status for status in found["responses"] if status.startswith("2"))
    lines = [
        Line(
            each["name"],
            _kind(each["schema"]),
            str(each.get("description", "")),
            is_required=each.get("required", False),
            place=each["in"],
        )
        for each in found.get("parameters", ())
    ]
    return Operation(
        id=found["operationId"],
        method=method.upper(),
        path=path,
        summary=text.partition("\n")[0],
        text=tuple(" ".join(part.split()) for part in text.split("\n\n")),
        parameters=tuple(lines),
        body=_name(found.get("requestBody", {})),
        status=done[0],
        answer=_name(found["responses"][done[0]]),
    )


def _model(name: str, schema: Node) -> Model:
    needed = schema.get("required", ())
    fields = [
        Line(field, _kind(part), str(part.get("description", "")), field in needed)
        for field, part in schema.get("properties", {}).items()
    ]
    return Model(name, str(schema.get("description", "")), tuple(fields))


def _name(found: Node) -> str:
    """Return the name of the model of a body, or nothing."""
    for content in found.get("content", {}).values():
        return str(content["schema"].get("$ref", "")).rpartition("/")[2]
    return ""


def _kind(part: Node) -> str:
    """Return what a part of a schema takes, in words."""
    choices = cast("list[Node]", part.get("anyOf") or part.get("oneOf") or [])
    if choices:
        return " or ".join(dict.fromkeys(_kind(each) for each in choices))
    if "$ref" in part:
        return str(part["$ref"]).rpartition("/")[2]
    if "enum" in part or "const" in part:
        return ", ".join(str(each) for each in part.get("enum", [part.get("const")]))
    if part.get("type") == "array":
        return f"list of {_kind(part.get('items', {}))}"
    inner = part.get("additionalProperties")
    if part.get("type") == "object" and isinstance(inner, Mapping):
        return f"object of {_kind(cast('Node', inner))}"
    return str(part.get("format") or part.get("type") or "any")
