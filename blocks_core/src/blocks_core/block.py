"""`Block`: a pydantic model that can be saved under a name and loaded again."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import cleandoc, isabstract
from typing import Any, ClassVar, Self, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, PrivateAttr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from blocks_core.checks import CheckReport
from blocks_core.current import current_library
from blocks_core.errors import BlockTypeInvalid, NameInvalid
from blocks_core.names import check_slug, join_address
from blocks_core.upgrading import Upgrade, declared_upgrades

RESERVED = frozenset({"load", "aload", "save", "asave", "delete", "adelete", "check", "acheck", "saved_as"})
"""Names of `Block` itself, which no field may take."""


@dataclass(frozen=True)
class TypeInfo:
    """What a `Block` subclass says of itself in its class statement."""

    slug: str | None
    """None for an abstract class, such as a capability."""
    version: int
    title: str
    description: str
    capabilities: tuple[str, ...]
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict[int, Upgrade], repr=False, hash=False)
    """Version that stored a block -> function that brings its fields to the next version."""


@dataclass(frozen=True)
class Saved:
    """Where a block object came from, or went to."""

    id: UUID
    slug: str
    name: str
    version: int
    digest: str = field(repr=False)
    """Of what the object held when it was loaded or saved: tells whether it was changed since."""

    @property
    def address(self) -> str:
        """Return `slug/name`."""
        return join_address(self.slug, self.name)


class Block(BaseModel, ABC):
    """Configuration, credentials and behaviour in one object, saved under a name.

    A type is declared by its class statement: `class S3(Storage, slug="s3", version=2)`. The slug is not
    inherited; a class without one is abstract. `version` counts changes of the structure, from 1; a function
    decorated with `@upgrades(from_version=1)` brings what version 1 stored to version 2.
    """

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        validate_assignment=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
    )

    type_info: ClassVar[TypeInfo] = TypeInfo(None, 1, "Block", "", ())
    _capability: ClassVar[str | None] = None
    _saved: Saved | None = PrivateAttr(None)

    def __init_subclass__(
        cls, *, slug: str | None = None, version: int = 1, capability: str | None = None, **config: Any
    ) -> None:
        super().__init_subclass__(**config)

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, slug: str | None = None, version: int = 1, capability: str | None = None, **config: Any
    ) -> None:
        super().__pydantic_init_subclass__(**config)
        if "[" in cls.__name__:  # a generic model's parametrised copy is the same type
            return
        _refuse_reserved_fields(cls)
        cls._capability = capability
        found = {base.__dict__["_capability"] for base in cls.__mro__ if base.__dict__.get("_capability")}
        checked = _checked_version(cls, version)
        cls.type_info = TypeInfo(
            slug=_checked_slug(cls, slug),
            version=checked,
            title=_title_of(cls),
            description=cleandoc(cls.__doc__ or "") if "__doc__" in cls.__dict__ else "",
            capabilities=tuple(sorted(found)),
            upgrades=declared_upgrades(cls.__name__, checked if slug else None, vars(cls)),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler.resolve_ref_schema(handler(schema))
        if cls.type_info.slug:
            found["x-block-type"] = cls.type_info.slug
        elif cls._capability:
            found["x-capability"] = cls._capability
        else:
            found["x-any-block"] = True
        return found

    def __eq__(self, other: object) -> bool:
        """Compare types and fields, not where the blocks are saved."""
        return type(self) is type(other) and _values_of(self) == _values_of(cast("Block", other))

    __hash__ = None  # pyright: ignore[reportAssignmentType] blocks can be changed, as pydantic's models

    @property
    def saved_as(self) -> Saved | None:
        """Return where this block is saved, or None: as it was when loaded or saved by this process."""
        return self._saved

    @classmethod
    def load(cls, name: str, *, version: int | None = None) -> Self:
        """Return a saved block: by name from its own type, by `slug/name` from `Block` or a capability.

        What an older version of the type stored is upgraded; nothing is written back until it is saved.

        Args:    version: of the document; None is the newest.
        Raises:  NotFound, PluginBroken, BlockInvalid, UpgradeMissing, UpgradeFailed, SchemaTooNew, KeyringError.
        """
        return current_library().load(cls, name, version=version)

    def save(self, name: str, *, overwrite: bool = False) -> UUID:
        """Save this block under a name of its type and return the document's id.

        Blocks in its fields that are saved are stored as references, others inside it.

        Raises:  BlockExists, BlockInvalid, NameInvalid, SchemaConflict, ValueNotStorable, KeyringError.
        """
        return current_library().save(self, name, overwrite=overwrite)

    @classmethod
    def delete(cls, name: str, *, force: bool = False) -> None:
        """Delete a saved block: by name from its own type, by `slug/name` from `Block` or a capability.

        Raises:  BlockNotFound; BlockInUse, unless forced.
        """
        current_library().delete(cls, name, force=force)

    def check(self) -> CheckReport:
        """Try what the block is for and return one result for each permission; never raises for a refusal."""
        return CheckReport()

    @classmethod
    async def aload(cls, name: str, *, version: int | None = None) -> Self:
        """Do `load` without blocking the event loop."""
        return await _in_thread(cls.load, name, version=version)

    async def asave(self, name: str, *, overwrite: bool = False) -> UUID:
        """Do `save` without blocking the event loop."""
        return await _in_thread(self.save, name, overwrite=overwrite)

    @classmethod
    async def adelete(cls, name: str, *, force: bool = False) -> None:
        """Do `delete` without blocking the event loop."""
        await _in_thread(cls.delete, name, force=force)

    async def acheck(self) -> CheckReport:
        """Do `check` without blocking the event loop."""
        return await _in_thread(self.check)

    def _set_saved(self, saved: Saved | None) -> None:
        """Note where this block is saved; for the library only."""
        self._saved = saved


def slug_of(block_type: type[Block]) -> str:
    """Return the slug of a block type that can have instances.

    Raises:  NameInvalid: the class has none.
    """
    slug = block_type.type_info.slug
    if slug is None:
        raise NameInvalid(
            f"{block_type.__name__} has no slug, so it stands for no single block type: name the block as "
            f"'slug/name', or give the class a slug (class {block_type.__name__}(..., slug=\"my-type\"))."
        )
    return slug


def _values_of(block: Block) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a block's fields and extra ones, without what `cached_property` keeps beside them."""
    values = vars(block)
    fields = {name: values[name] for name in type(block).model_fields if name in values}
    return fields, block.__pydantic_extra__ or {}


def _refuse_reserved_fields(cls: type[Block]) -> None:
    for name in RESERVED.intersection(cls.model_fields):
        raise BlockTypeInvalid(
            f"{cls.__name__}.{name} takes a name of Block itself. Rename the field; an alias keeps it outside."
        )


def _checked_slug(cls: type[Block], slug: str | None) -> str | None:
    if slug is None:
        return None
    if isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise BlockTypeInvalid(
            f"{cls.__name__} has the slug '{slug}' but lacks {missing}. Write these methods."
        )
    return check_slug(slug)


def _checked_version(cls: type[Block], version: object) -> int:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BlockTypeInvalid(
            f"{cls.__name__} has the version {version!r}. Count versions in integers from 1."
        )
    return version


def _title_of(cls: type[Block]) -> str:
    title = cls.model_config.get("title")
    inherited = {base.model_config.get("title") for base in cls.__bases__ if issubclass(base, BaseModel)}
    if title and title not in inherited:
        return title
    return " ".join(re.findall(r"[A-Z]+[0-9]*(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", cls.__name__))


async def _in_thread(call: Any, *args: Any, **options: Any) -> Any:
    import asyncio  # late: start-up time, for those who never await

    return await asyncio.to_thread(call, *args, **options)
