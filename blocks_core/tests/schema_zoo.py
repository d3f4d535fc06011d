"""One field of each kind, and their schemas: as pydantic describes them now, and as older releases did.

Run with an older pydantic installed, this writes what `schemas_of_older_pydantic` keeps:
`python blocks_core/tests/schema_zoo.py > blocks_core/tests/schemas_of_older_pydantic/2.11.10.json`.
"""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from pydantic import (
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ByteSize,
    Field,
    FilePath,
    HttpUrl,
    JsonValue,
    PositiveInt,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    StrictStr,
)

from blocks_core import Block, Storage
from blocks_core.schema import schema_of

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Number(IntEnum):
    ONE = 1
    TWO = 2


class Held(Block, slug="zoo-held"):
    """Held by others."""

    x: int = 0


class Model(BaseModel):
    """A model."""

    a: int = Field(description="The first.")
    b: str = Field("x", title="The second", max_length=9)
    token: SecretStr | None = None


class A(BaseModel):
    kind: Literal["a"] = "a"
    size: int = 0


class B(BaseModel):
    kind: Literal["b"] = "b"
    token: SecretStr


class Tree(BaseModel):
    children: list[Tree] = []
    secret: Secret[int] | None = None


class Holder(BaseModel, Generic[T]):
    held: T
    more: list[T] = []


class Root(RootModel[list[int]]):
    pass


@dataclass
class Data:
    p: int
    q: str = "z"


class Row(NamedTuple):
    a: int
    b: str = "x"


ANNOTATIONS: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "none": None,
    "any": Any,
    "bytes": bytes,
    "date": date,
    "datetime": datetime,
    "time": time,
    "timedelta": timedelta,
    "decimal": Decimal,
    "bounded decimal": Annotated[Decimal, Field(gt=0, max_digits=5, decimal_places=2)],
    "uuid": UUID,
    "path": Path,
    "file path": FilePath,
    "url": AnyUrl,
    "http url": HttpUrl,
    "ip": IPv4Address,
    "network": IPv4Network,
    "pattern": re.Pattern,
    "byte size": ByteSize,
    "json value": JsonValue,
    "strict": StrictStr,
    "positive": PositiveInt,
    "aware": AwareDatetime,
    "constrained": Annotated[str, Field(min_length=1, pattern="^a", examples=["a"])],
    "secret": SecretStr,
    "secret bytes": SecretBytes,
    "secret int": Secret[int],
    "secret list": Secret[list[str]],
    "secret model": Secret[Model],
    "optional secret": SecretStr | None,
    "bounded secret": Annotated[SecretStr, Field(min_length=3)],
    "optional": str | None,
    "union": int | str | None,
    "dates": date | str,
    "enum": Colour,
    "int enum": Number,
    "optional enum": Colour | None,
    "literal": Literal["a", "b"],
    "one literal": Literal["a"],
    "mixed literal": Literal["a", 1, True, None],
    "list": list[str],
    "lists": list[list[int]],
    "set": set[int],
    "frozenset": frozenset[str],
    "tuple": tuple[int, str],
    "long tuple": tuple[int, ...],
    "deque": deque[int],
    "dict": dict[str, int],
    "int keys": dict[int, str],
    "enum keys": dict[Colour, str],
    "literal keys": dict[Literal["x", "y"], int],
    "uuid keys": dict[UUID, int],
    "date keys": dict[date, int],
    "secrets by name": dict[str, SecretStr],
    "model": Model,
    "optional model": Model | None,
    "models": list[Model],
    "either model": A | B,
    "discriminated": Annotated[A | B, Field(discriminator="kind")],
    "optional discriminated": Annotated[A | B, Field(discriminator="kind")] | None,
    "tree": Tree,
    "dataclass": Data,
    "named tuple": Row,
    "generic": Holder[int],
    "generic secret": Holder[SecretStr],
    "root": Root,
    "any block": Block,
    "block": Held,
    "optional block": Held | None,
    "storage": Storage,
    "storages": list[Storage | None],
    "blocks by name": dict[str, Held],
}


class Linked(Block, slug="zoo-linked"):
    """Holds its own kind."""

    value: int = 0
    next: Linked | None = None


def types() -> dict[str, type[Block]]:
    """Return a block type for each kind of field, and one that holds its own kind."""
    found = {
        name: type(Block)(
            "Sample",
            (Block,),
            {"__annotations__": {"value": annotation}, "__module__": __name__},
            slug="zoo-sample",
        )
        for name, annotation in ANNOTATIONS.items()
    }
    return {**found, "linked": Linked}


if __name__ == "__main__":
    lines = (f"{json.dumps(name)}: {json.dumps(schema_of(found))}" for name, found in types().items())
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
