"""What counts as a secret, and how its value is reached: at hand, or by a reference to where it is kept.

`SecretRef("env:NAME")` stands where a `SecretStr` may, `SecretBytesRef` where a `SecretBytes` may. The value is read
when it is asked for; nothing else asks: not making, comparing, showing, saving or sending a block.

Source: pydantic's secret types (https://docs.pydantic.dev/latest/api/types/#pydantic.types.SecretStr).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self, TypeGuard

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, Secret, SecretBytes, SecretStr
from pydantic_core import CoreSchema, core_schema

from blocks_core.current import current_library
from blocks_core.errors import BlockTypeInvalid
from blocks_core.mask import HIDDEN, SECRETS_IN_USE, texts_of_bytes
from blocks_core.secret_reference import SecretReference

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class _Referring:
    """What `SecretRef` and `SecretBytesRef` have in common. Nothing changes them but what they led to."""

    kind: ClassVar[Literal["str", "bytes"]]

    def __init__(self, reference: str) -> None:
        self._reference = SecretReference.parse(reference)
        self._library: Any = None
        self._known: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """Return the reference as it was written."""
        return str(self._reference)

    @property
    def parts(self) -> SecretReference:
        """Return the reference in its parts."""
        return self._reference

    @property
    def known_texts(self) -> tuple[str, ...]:
        """Return the values that it led to so far in this process, as texts."""
        return self._known

    @property
    def _identity(self) -> tuple[str, SecretReference]:
        return self.kind, self._reference

    def bind(self, library: Any) -> None:
        """Let blocks that it names be read from a library; else it is the current one of whoever asks."""
        self._library = library

    def read(self) -> bytes:
        """Return what it leads to now; that counts as a secret in use.

        Raises:  SecretUnresolved, LibraryMissing.
        """
        value = self._reference.read(self._read_source)
        texts = tuple(texts_of_bytes(value))
        self._known += tuple(text for text in texts if text and text not in self._known)
        SECRETS_IN_USE.add(texts)
        return value

    def _read_source(self, reference: SecretReference) -> bytes:
        library: Any = current_library() if self._library is None else self._library
        read: Callable[[SecretReference], bytes] = library.read_secret
        return read(reference)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reference!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Referring) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __bool__(self) -> bool:
        return True

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.reference,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic, which asks for this to describe a default, take and make nothing but what is one already."""
        shown = core_schema.plain_serializer_function_ser_schema(lambda _: HIDDEN, when_used="json")
        return core_schema.is_instance_schema(cls, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> NoReturn:
        """Refuse to be the type of a field: what is stored could be a value.

        Raises:  BlockTypeInvalid.
        """
        other = "SecretStr" if cls.kind == "str" else "SecretBytes"
        raise BlockTypeInvalid(
            f"A field has the type {cls.__name__}, which is how a value refers to a secret. Give it the type "
            f"{other}: it takes a {cls.__name__}, too."
        )


class SecretRef(_Referring, SecretStr):
    """A secret text that is kept elsewhere: `env:NAME`, `file:PATH`, or `SLUG/NAME/KEY` of a saved block.

    >>> SecretRef("env:TOKEN")
    SecretRef('env:TOKEN')
    """

    kind = "str"

    def get_secret_value(self) -> str:
        """Return what the reference leads to now.

        Raises:  SecretUnresolved, LibraryMissing.
        """
        if _is_serializer(sys._getframe(1)):  # pyright: ignore[reportPrivateUsage] the only way, see there
            return HIDDEN
        return self._reference.text_of(self.read())

    def __len__(self) -> int:
        bound = _bound_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage] the only way, see there
        return len(self.get_secret_value()) if bound is None else bound


class SecretBytesRef(_Referring, SecretBytes):
    """Secret bytes that are kept elsewhere; a file's are taken as they are, its last end of line included.

    >>> SecretBytesRef("file:/run/secrets/key")
    SecretBytesRef('file:/run/secrets/key')
    """

    kind = "bytes"

    def get_secret_value(self) -> bytes:
        """Return what the reference leads to now.

        Raises:  SecretUnresolved, LibraryMissing.
        """
        if _is_serializer(sys._getframe(1)):  # pyright: ignore[reportPrivateUsage] the only way, see there
            return HIDDEN.encode()
        return self.read()

    def __len__(self) -> int:
        bound = _bound_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage] the only way, see there
        return len(self.get_secret_value()) if bound is None else bound


def is_secret(value: object) -> TypeGuard[SecretStr | SecretBytes | Secret[Any]]:
    """Tell whether a value is a secret, whatever its field's type says."""
    return isinstance(value, (SecretStr, SecretBytes, Secret))


def is_reference(value: object) -> TypeIs[SecretRef | SecretBytesRef]:
    """Tell whether a value is a secret that is kept elsewhere, so that asking for it may fail."""
    return isinstance(value, (SecretRef, SecretBytesRef))


# pydantic asks a secret for its length to hold a constraint, and for its value to write `**********` in its place,
# and offers no way to answer otherwise (2.11 to 2.14, looked at in November 2026). Both would resolve a reference
# that is only being made, or shown, so who asks is looked at. Where that is not recognised any more, the reference is
# resolved: that is right, and only too early. `assembling` holds the constraints when a block is loaded.


def _is_serializer(caller: FrameType) -> bool:
    code = caller.f_code
    return code.co_name == "_serialize_secret_field" and caller.f_globals.get("__name__") == "pydantic.types"


def _bound_of(caller: FrameType) -> int | None:
    """Return a length that the constraint lets pass which asks, or None where it is no constraint that does."""
    if caller.f_globals.get("__name__") != "pydantic._internal._validators":
        return None
    bound = caller.f_locals.get("min_length", caller.f_locals.get("max_length"))
    return bound if isinstance(bound, int) else None
