"""What is known of a block type: its JSON Schema and what its class says of itself.

Source: JSON Schema 2020-12; pydantic's generator of it.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, dataclass, field
from enum import Flag
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from pydantic import PydanticInvalidForJsonSchema, PydanticUserError, Secret, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import PydanticOmit, core_schema

from blocks_core.block import Block, slug_of
from blocks_core.document import Json
from blocks_core.errors import BlockTypeInvalid
from blocks_core.structure import structure_hash


@dataclass(frozen=True)
class BlockType:
    """What is known of a block type without importing it: what a registry stores and a manifest ships."""

    slug: str
    version: int
    title: str
    description: str
    capabilities: tuple[str, ...]
    schema: dict[str, Json] = field(repr=False)
    structure_hash: str
    target: str
    """`module:class`."""
    distribution: str = ""
    distribution_version: str = ""
    example: str = ""
    """Python code that loads a block of the type."""
    logo: str = field(default="", repr=False)
    """SVG text."""
    upgrades: tuple[int, ...] = ()
    """The versions from which an upgrade leads to the next."""

    def to_json(self) -> dict[str, Json]:
        """Return the fields as a JSON object; `upgrades` is there where there are any, as older readers lack it."""
        values = cast("dict[str, Json]", asdict(self) | {"capabilities": list(self.capabilities)})
        del values["upgrades"]
        if self.upgrades:
            values["upgrades"] = list(self.upgrades)
        return values

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> BlockType:
        """Return what `to_json` gave."""
        lists: dict[str, Any] = {
            "capabilities": tuple(value["capabilities"]),
            "upgrades": tuple(value.get("upgrades", ())),
        }
        return cls(**{**value, **lists})

    def secret_fields(self) -> tuple[str, ...]:
        """Return the names of the fields whose own value may be a secret."""
        properties = cast("dict[str, Any]", self.schema.get("properties", {}))
        return tuple(name for name, part in properties.items() if _says_secret(part))


def describe(block_type: type[Block], *, distribution: str = "", distribution_version: str = "") -> BlockType:
    """Return what there is to know of a block type's class.

    Raises:  NameInvalid: the class has no slug. BlockTypeInvalid: its fields have no JSON Schema.
    """
    slug = slug_of(block_type)
    # A generic type's parametrised copy is the same type: what is stored of it fits the type as it was declared.
    block_type = cast("type[Block]", block_type.__pydantic_generic_metadata__["origin"] or block_type)
    schema = schema_of(block_type)
    root = block_type.__module__.partition(".")[0]
    return BlockType(
        slug=slug,
        version=block_type.type_info.version,
        title=block_type.type_info.title,
        description=block_type.type_info.description,
        capabilities=block_type.type_info.capabilities,
        schema=schema,
        structure_hash=structure_hash(schema),
        target=f"{block_type.__module__}:{block_type.__qualname__}",
        distribution=distribution,
        distribution_version=distribution_version,
        example=f'from {root} import {block_type.__name__}\n\nblock = {block_type.__name__}.load("NAME")\n',
        logo=_logo_of(root, slug),
        upgrades=tuple(block_type.type_info.upgrades),
    )


@lru_cache(maxsize=1024)
def _schema_text(block_type: type[Block]) -> str:
    try:
        schema = block_type.model_json_schema(by_alias=False, schema_generator=_Generator)
    except UnicodeDecodeError as error:
        raise BlockTypeInvalid(
            f"{block_type.__name__} names bytes as a choice or a default that are no text, which JSON Schema cannot "
            f"write. Use a text there."
        ) from error
    except PydanticInvalidForJsonSchema as error:
        raise BlockTypeInvalid(
            f"{block_type.__name__} has a field that JSON Schema cannot describe: {error}. Use a field type of "
            f"pydantic, or annotate the field with pydantic.WithJsonSchema."
        ) from error
    except PydanticUserError as error:
        raise BlockTypeInvalid(
            f"{block_type.__name__} cannot be described: {error.message.rstrip('.')}. Define what its fields name."
        ) from error
    return json.dumps(schema)


def schema_of(block_type: type[Block]) -> dict[str, Json]:
    """Return the JSON Schema of a type's stored fields, by their Python names, secrets marked `writeOnly`.

    A field that takes a block says so by `x-block-type` (a slug) or `x-capability`.

    Raises:  BlockTypeInvalid: a field's type has no JSON Schema.
    """
    return json.loads(_schema_text(block_type))


def _says_secret(part: Any) -> bool:
    node = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
    options: list[dict[str, Any]] = [node, *node.get("anyOf", []), *node.get("oneOf", [])]
    return any(option.get("writeOnly") for option in options)


def _logo_of(package: str, slug: str) -> str:
    file = getattr(sys.modules.get(package), "__file__", None)
    logo = Path(file).parent / "logos" / f"{slug}.svg" if file else None
    return logo.read_text("utf-8") if logo and logo.is_file() else ""


class _Generator(GenerateJsonSchema):
    """Marks `Secret[T]` as pydantic marks `SecretStr`, and bytes, secret or not, by how JSON holds them."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out the default of a secret, which everybody may read here."""
        found = super().default_schema(schema)
        if _says_secret(found) and found.get("default") is not None:
            del found["default"]
        return found

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Say of what a class hides from its schema (`SkipJsonSchema`) no more than that it may be there."""
        try:
            return super().generate_inner(schema)
        except PydanticOmit:
            return {}

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        """Describe the value that is stored, not what else the class takes for it."""
        return super().function_before_schema(_of_stored(schema))

    def function_wrap_schema(self, schema: Any) -> JsonSchemaValue:
        return super().function_wrap_schema(_of_stored(schema))

    def function_plain_schema(self, schema: Any) -> JsonSchemaValue:
        return {} if "json_schema_input_schema" in schema else super().function_plain_schema(schema)

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Keep the flags of a pattern that was compiled by Python, which pydantic leaves out."""
        found = super().str_schema(schema)
        pattern = schema.get("pattern")
        if isinstance(pattern, re.Pattern):
            names = ((re.I, "i"), (re.M, "m"), (re.S, "s"), (re.X, "x"))
            flags = "".join(name for flag, name in names if pattern.flags & flag)
            found["pattern"] = f"(?{flags}){pattern.pattern}" if flags else pattern.pattern
        return found

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """Leave out the members of flags, which may be joined."""
        found = super().enum_schema(schema)
        if issubclass(schema["cls"], Flag):
            return {key: value for key, value in found.items() if key != "enum"}
        return found

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        return {**super().bytes_schema(schema), "contentEncoding": "base64"}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Tell a decimal from the choice of a number and a text, which pydantic describes alike."""
        return {**super().decimal_schema(schema), "x-decimal": True}

    def json_or_python_schema(self, schema: core_schema.JsonOrPythonSchema) -> JsonSchemaValue:
        found = super().json_or_python_schema(schema)
        serialization = cast("dict[str, Any]", schema.get("serialization", {}))
        if serialization.get("function") is _serializer_of_secrets():
            found = {**found, "writeOnly": True}
        return found


def _of_stored(schema: Any) -> Any:
    return {key: value for key, value in schema.items() if key != "json_schema_input_schema"}


@lru_cache(maxsize=1)
def _serializer_of_secrets() -> object:
    """Return the function by which pydantic serializes each `Secret[T]`: the mark that it leaves."""
    schema = cast("dict[str, Any]", TypeAdapter(Secret[int]).core_schema)
    return schema["serialization"]["function"]
