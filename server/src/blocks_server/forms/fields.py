"""What a form asks for: a tree of frozen fields, one class for each way of asking.

Only links stand where a schema refers to itself or to a model, so the tree of a recursive model is finite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from blocks_core.document import Json


class Missing(Enum):
    """Stands where there is no value, as null is one."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

Maybe = Json | Literal[Missing.MISSING]


@dataclass(frozen=True, kw_only=True)
class Field:
    """What all fields have."""

    title: str = ""
    help: str = ""
    examples: tuple[str, ...] = ()
    default: Maybe = MISSING
    is_required: bool = False
    """Whether there must be a value; one that is not required may be left out."""
    is_nullable: bool = False
    """Whether null is a value; of a text, it is another one than the empty text."""
    is_read_only: bool = False
    is_deprecated: bool = False
    is_choice: bool = False
    """Whether the field is a branch of a union, so that its value must say of which kind it is."""


@dataclass(frozen=True, kw_only=True)
class TextField(Field):
    """A text, or a value that JSON has as one."""

    kind: str = "text"
    """`text`, `lines`, `bytes`, or the format of the schema: `date`, `date-time`, `uuid`, `uri`, …"""
    min_length: int = 0
    max_length: int | None = None
    pattern: str = ""
    may_be_empty: bool = False
    """Whether an empty text is a value like any other, that nobody needs to ask for."""


@dataclass(frozen=True, kw_only=True)
class NumberField(Field):
    """A number; a decimal one keeps its digits, so it is a text in JSON."""

    kind: Literal["integer", "number", "decimal"]
    limits: str = ""
    """In words, for people."""


@dataclass(frozen=True, kw_only=True)
class SwitchField(Field):
    """True or false."""


@dataclass(frozen=True, kw_only=True)
class ChoiceField(Field):
    """One of several values."""

    options: tuple[Json, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConstantField(Field):
    """The one value that there is."""

    value: Json


@dataclass(frozen=True, kw_only=True)
class NothingField(Field):
    """Null."""


@dataclass(frozen=True, kw_only=True)
class JsonField(Field):
    """Any value, as JSON text: for what says nothing of itself, or says it in a way that no other field reads."""


@dataclass(frozen=True, kw_only=True)
class SecretField(Field):
    """A secret: written, never shown."""

    kind: Literal["text", "bytes", "json"]
    takes_reference: bool
    """Whether it may lie elsewhere (`env:NAME`)."""
    is_password: bool
    """Whether it is a `SecretStr` or `SecretBytes`, and not a `Secret` of something."""


@dataclass(frozen=True, kw_only=True)
class BlockField(Field):
    """A block: a saved one, or one that is stored inside."""

    slug: str = ""
    capability: str = ""
    """Both are empty where any block fits."""
    may_be_inside: bool = True

    def fits(self, slug: str, capabilities: tuple[str, ...]) -> bool:
        """Tell whether blocks of a type may stand here."""
        if self.slug:
            return slug == self.slug
        return not self.capability or self.capability in capabilities


@dataclass(frozen=True, kw_only=True)
class ListField(Field):
    """Rows of one kind, and before them those that have a place of their own."""

    first: tuple[Field, ...] = ()
    item: Field | None = None
    """Of the rows after the first ones; None where there are none."""
    min_items: int = 0
    max_items: int | None = None
    is_set: bool = False


@dataclass(frozen=True, kw_only=True)
class MapField(Field):
    """Rows of a key and a value."""

    value: Field
    key_help: str = ""


@dataclass(frozen=True)
class Member:
    """A field of a model."""

    name: str
    field: Field


@dataclass(frozen=True, kw_only=True)
class ModelField(Field):
    """Fields with names."""

    members: tuple[Member, ...]
    extra: Field | None = None
    """Of further members, with names of the user's; None where there are none."""


@dataclass(frozen=True, kw_only=True)
class UnionField(Field):
    """One of several fields."""

    branches: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class LinkField(Field):
    """Stands for a definition of the schema."""

    target: str
    book: Any = field(repr=False, compare=False)
    """The definitions that the target is one of (`compiling.Definitions`)."""
