"""What a type's schema alone says of a value: the kinds that a declaration need not name.

Reading and writing ask the same questions here, so a kind that is left out when a block is written is found again
when it is read. Only texts, secrets and addresses of blocks are told by the schema; all else is named, or left to
the type's own validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from blocks_core.document import Json
from blocks_core.errors import NameInvalid
from blocks_core.names import split_address
from blocks_core.schema import BlockType
from blocks_registry.declaring.kinds import BLOCK, INLINE, SECRET, is_form_of_secret
from blocks_registry.schema_paths import (
    Options,
    SchemaReader,
    is_block,
    is_secret,
    secret_kind,
    takes_block,
    takes_bytes,
    texts_of,
)

AMBIGUOUS: Final = "?"
"""The address of a block or a text: both fit, so a declaration says which."""

_OF_FORMATS: Final = {
    "date": "date",
    "date-time": "datetime",
    "time": "time",
    "duration": "timedelta",
    "uuid": "uuid",
    "path": "path",
}

_BYTES: Final[Options] = [{"type": "string", "contentEncoding": "base64"}]


class Schemas:
    """The schemas of types, by slug; each is read once.

    Args:    find: describes a type in a version, else in the one at hand, or says None. The version None
             stands for the one at hand.
    """

    def __init__(self, find: Callable[[str, int | None], BlockType | None]) -> None:
        self._find = find
        self._known: dict[tuple[str, int | None], tuple[int, SchemaReader] | None] = {}

    def version(self, slug: str) -> int | None:
        """Return the version of a type that is at hand."""
        found = self._of(slug, None)
        return found[0] if found else None

    def fields(self, slug: str, version: int | None) -> Fields:
        """Return what a type's fields take in a version; by the one at hand it is only a likeness."""
        found = self._of(slug, version)
        if found is None:
            return Fields(None, [], exact=False)
        return Fields(found[1], found[1].root, exact=version in (None, found[0]))

    def _of(self, slug: str, version: int | None) -> tuple[int, SchemaReader] | None:
        if (slug, version) not in self._known:
            found = self._find(slug, version)
            self._known[slug, version] = (found.version, SchemaReader(found.schema)) if found else None
        return self._known[slug, version]


class Fields:
    """What a place takes, and what stands below it."""

    __slots__ = ("_reader", "exact", "options")

    def __init__(self, reader: SchemaReader | None, options: Options, *, exact: bool) -> None:
        self._reader = reader
        self.options = options
        self.exact = exact
        """Whether the schema is that of the very version that the value is written for."""

    def below(self, step: str | int) -> Fields:
        """Return what a member or an item takes."""
        options = self._reader.below(self.options, str(step)) if self._reader and self.options else []
        return Fields(self._reader, options, exact=self.exact)

    @property
    def is_secret(self) -> bool:
        """Tell whether a secret may stand here."""
        return is_secret(self.options)

    def reads_as_secret(self, data: Json) -> bool:
        """Tell whether a value is read as a secret: by the schema, or by its form where that is another version's."""
        if self.is_secret:
            return data is not None
        return not self.exact and not self.options and is_form_of_secret(data)

    def secret_kind(self, value: Json) -> str:
        """Return the kind of a secret with this value."""
        if not self.is_secret:
            return f"{SECRET}str"
        return f"{SECRET}{secret_kind(self.options, value)}"

    def inside_secret(self, kind: str) -> Fields:
        """Return what the schema tells of the value of a secret: whether it is bytes, and no more."""
        is_bytes = kind == f"{SECRET}bytes" or (self.is_secret and takes_bytes(self.options))
        return Fields(None, _BYTES if is_bytes else [], exact=True)

    @property
    def only_capabilities(self) -> list[str]:
        """Return the capabilities of the blocks that may stand here, where no type says what their fields are."""
        found = [option for option in self.options if is_block(option)]
        if any("x-block-type" in option for option in found):
            return []
        return [str(option.get("x-capability", "block")) for option in found]

    def kind(self, data: Json) -> str:
        """Return the kind that the schema tells of a value that is no secret; empty where it tells none."""
        if not isinstance(data, str):
            return ""
        texts = texts_of(self.options)
        if takes_block(self.options):
            if not texts:
                return BLOCK
            return AMBIGUOUS if _is_address(data) else ""
        kinds = {_kind_of(option) for option in texts}
        kind = kinds.pop() if len(kinds) == 1 else ""
        return kind if self.exact or kind == "bytes" else ""


def inline_of(kind: str) -> tuple[str, int | None]:
    """Return slug and version of the kind of a block that is stored inside."""
    slug, _, version = kind.removeprefix(INLINE).partition("@")
    return slug, int(version) if version else None


def _kind_of(option: Mapping[str, Any]) -> str:
    if "contentEncoding" in option:
        return "bytes"
    return "" if "enum" in option or "const" in option else _OF_FORMATS.get(str(option.get("format")), "")


def _is_address(text: str) -> bool:
    try:
        split_address(text)
    except NameInvalid:
        return False
    return True
