"""JSON Schemas of flows' parameters, for forms and for those who call from elsewhere.

A parameter that takes a block says so by `x-block-type` (a slug), `x-capability` or `x-any-block`, and takes the
address of a saved one; a secret is marked `writeOnly`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic import ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import PydanticOmit, core_schema

from blocks_core.block import Block
from blocks_core.secret import is_secret

_TYPES: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_ADDRESS: Final = "Address of a saved block: type/name."


def schema_of_signature(title: str, signature: inspect.Signature, hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of what a function takes; a parameter without an annotation takes anything."""
    fields: dict[str, Any] = {}
    takes_any = False
    for place, (name, each) in enumerate(signature.parameters.items()):
        takes_any = takes_any or each.kind is each.VAR_KEYWORD
        if each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
            continue
        default: Any = ... if each.default is each.empty else each.default
        shown = name.replace("_", " ").strip().capitalize()
        fields[f"p{place}"] = (hints.get(name, Any), Field(default, alias=name, title=shown))
    extra = "allow" if takes_any else "forbid"
    config = ConfigDict(arbitrary_types_allowed=True, extra=extra)
    model = create_model("Parameters", __config__=config, **fields)
    return {**model.model_json_schema(schema_generator=_Generator), "title": title}


def schema_of_declared(title: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a graph's parameters: their types are those of their defaults."""
    properties: dict[str, Any] = {}
    for name, parameter in declared.items():
        known = {} if parameter.required else {"default": parameter.default}
        kind = _TYPES.get(cast("Any", type(parameter.default)))
        said = {"description": parameter.options.description} if parameter.options.description else {}
        properties[name] = {"title": name, **({"type": kind} if kind else {}), **said, **known}
    schema = {"title": title, "type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name, parameter in declared.items() if parameter.required]
    return {**schema, "required": required} if required else schema


class _Generator(GenerateJsonSchema):
    """Describes blocks by what they are, not by their fields, and any class by nothing."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Describe a model, a block by the text that stands for it."""
        if not issubclass(schema["cls"], Block):
            return super().model_schema(schema)
        return {"type": "string", "title": schema["cls"].type_info.title, "description": _ADDRESS}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out the defaults of secrets, which everybody may read here, and of blocks."""
        found = super().default_schema(schema)
        if is_secret(schema.get("default")) or isinstance(schema.get("default"), Block):
            found.pop("default", None)
        return found

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Say of what a class hides from its schema no more than that it may be there."""
        try:
            return super().generate_inner(schema)
        except PydanticOmit:
            return {}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """Say nothing of a class that JSON knows nothing like."""
        return {}
