"""The walk over a value that gives its stored form: natural JSON, the marks of what JSON lacks, and its secrets.

It walks the *value*, not its type's schema and not pydantic's serializers, so a secret is found wherever it sits.
"""

from __future__ import annotations

import dataclasses
import json
import math
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePath
from re import Pattern
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr
from pydantic.networks import _BaseMultiHostUrl, _BaseUrl  # pyright: ignore[reportPrivateUsage] no public base
from pydantic_core import to_jsonable_python

from blocks_core.block import Block
from blocks_core.document import Encoded, Json, dotted, pointer_to, reference_mark
from blocks_core.errors import ValueNotStorable
from blocks_core.secret import SecretBytesRef, SecretRef, is_reference, is_secret
from blocks_core.secret_reference import MARK

MAX_DEPTH = 100
MAX_INT_BITS = 4300 * 3
"""Within the digits that Python reads and writes of a number (`sys.int_info.default_max_str_digits`)."""

_MAX_PATH = 200

_TEXT_LEAVES = (
    _BaseUrl,
    _BaseMultiHostUrl,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    Pattern,
)
"""Values that pydantic makes of their text, and that no union confuses with one."""

_TO_TEXT: dict[type, tuple[str, Callable[[Any], str]]] = {
    bytes: ("bytes", lambda value: b64encode(value).decode()),
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("timedelta", to_jsonable_python),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    PurePath: ("path", str),
}
"""Type -> mark and text of the values that JSON lacks; a subclass stands before its base."""


class Walk:
    """One walk over a value: collects the marks, the secrets and the type at each place."""

    def __init__(self, address: str, depth: int = 0) -> None:
        self._address = address
        self._base_depth = depth
        self._marks: dict[str, str] = {}
        self._secrets: dict[str, Encoded] = {}
        self.shape: dict[str, Any] = {}
        """Pointer -> the value's type, and what else its text does not say."""
        self.blocks: dict[str, Block] = {}
        self.secret_references: dict[str, SecretRef | SecretBytesRef] = {}

    def encode(self, value: Any) -> Encoded:
        """Return a value in stored form.

        Raises:  ValueNotStorable: it has none; the message has the path.
        """
        return Encoded(self._encode(value, "", self._base_depth), self._marks, self._secrets)

    def _encode(self, value: Any, pointer: str, depth: int) -> Json:
        if depth > MAX_DEPTH:
            raise self.refusal(pointer, f"lies deeper than {MAX_DEPTH} levels. Flatten it")
        self.shape[pointer] = type(value)
        if value is None or type(value) in (bool, str):
            return value
        if isinstance(value, Enum):
            return self._encode_wrapped(value, value.value, pointer, depth)
        if isinstance(value, int):
            return self._encode_int(value, pointer)
        if is_secret(value):
            return self._encode_secret(value, pointer, depth)
        if isinstance(value, float):
            return self._encode_float(value, pointer)
        for kind, (mark, to_text) in _TO_TEXT.items():
            if isinstance(value, kind):
                self._marks[pointer] = mark
                if isinstance(value, (datetime, time)) and value.tzinfo is not None:
                    self._note_zone(value, pointer)
                return to_text(value)
        return self._encode_structure(value, pointer, depth)

    def _encode_wrapped(self, value: Any, inner: Any, pointer: str, depth: int) -> Json:
        """Encode what stands for a value at its own place, and note both their types."""
        encoded = self._encode(inner, pointer, depth + 1)
        self.shape[pointer] = (type(value), self.shape[pointer])
        return encoded

    def _encode_structure(self, value: Any, pointer: str, depth: int) -> Json:
        if isinstance(value, Block):
            return self._encode_block(value, pointer, depth)
        if isinstance(value, RootModel):
            return self._encode_wrapped(value, cast("Any", value).root, pointer, depth)
        if isinstance(value, BaseModel):
            return self._encode_members(fields_of(value), pointer, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            members = {
                item.name: getattr(value, item.name) for item in dataclasses.fields(value) if item.init
            }
            return self._encode_members(members, pointer, depth)
        if isinstance(value, dict):
            return self._encode_dict(cast("dict[Any, Any]", value), pointer, depth)
        if isinstance(value, (list, deque)):
            if isinstance(value, deque):
                self.shape[pointer] = (deque, cast("deque[Any]", value).maxlen)
            return self._encode_items(cast("list[Any]", value), pointer, depth)
        if isinstance(value, (tuple, set, frozenset)):
            return self._encode_collection(cast("Any", value), pointer, depth)
        return self._encode_leaf(value, pointer)

    def _encode_leaf(self, value: Any, pointer: str) -> Json:
        if isinstance(value, str):  # a subclass, like the next: pydantic makes it again of its plain value
            return str(value)
        if isinstance(value, _TEXT_LEAVES):
            if isinstance(value, Pattern):
                pattern = cast("Pattern[Any]", value)
                self.shape[pointer] = (Pattern, type(pattern.pattern), pattern.flags)
            return cast("Json", to_jsonable_python(value))
        raise self.refusal(
            pointer, f"is a {type(value).__name__}, which has no stored form. Use a field type of pydantic"
        )

    def _encode_secret(self, value: Any, pointer: str, depth: int) -> Json:
        if is_reference(value):  # its text is stored, not what it leads to: nobody asks for that here
            self._marks[pointer] = f"{MARK}{value.kind}"
            self.secret_references[pointer] = value
            return value.reference
        kind = (
            "str" if isinstance(value, SecretStr) else "bytes" if isinstance(value, SecretBytes) else "value"
        )
        inner = Walk(self._address, depth + 1)
        self._secrets[pointer] = inner.encode(value.get_secret_value())
        if inner.blocks:
            raise self.refusal(pointer, "holds a block inside a secret. Keep the block outside of it")
        if inner.secret_references:
            problem = "holds a secret reference inside a secret. Give the field the type"
            raise self.refusal(pointer, f"{problem} SecretStr or SecretBytes")
        self.shape |= {pointer + inside: found for inside, found in inner.shape.items() if inside}
        self.shape[pointer] = (type(value), inner.shape[""])
        self._marks[pointer] = f"secret:{kind}"
        return None

    def _encode_int(self, value: int, pointer: str) -> Json:
        if value.bit_length() > MAX_INT_BITS:
            raise self.refusal(pointer, "is a number of too many digits. Keep it as a text or as bytes")
        return int(value)

    def _note_zone(self, value: datetime | time, pointer: str) -> None:
        """Keep the time zone beside the text, which has its offset only."""
        zone = value.tzinfo
        if type(zone) is ZoneInfo and zone.key:
            self._marks[pointer] += f"@{zone.key}"
            self.shape[pointer] = (type(value), zone.key, value.utcoffset())
        elif zone is not None and zone.utcoffset(None) is None:  # else its offset is all there is to it
            self.shape[pointer] = (type(value), type(zone))

    def _encode_float(self, value: float, pointer: str) -> Json:
        if math.isfinite(value):
            return float(value)
        self._marks[pointer] = "float"
        return str(value)

    def _encode_block(self, block: Block, pointer: str, depth: int) -> Json:
        info, saved = block.type_info, block.saved_as
        self.blocks[pointer] = block
        if info.slug is None:
            raise self.refusal(
                pointer, f"is a {type(block).__name__}, a block without a slug. Give its class one"
            )
        if saved is None:
            self._marks[pointer] = f"inline:{info.slug}@{info.version}"
            return self._encode_members(fields_of(block), pointer, depth)
        self._marks[pointer] = reference_mark(saved.id)
        return None

    def refuse_changed(self) -> None:
        """Make sure that the saved blocks that were met, and those in them, are as they are saved.

        Raises:  ValueNotStorable.
        """
        waiting, seen = list(self.blocks.items()), set[int]()
        while waiting:
            pointer, block = waiting.pop()
            saved = block.saved_as
            if saved is None or id(block) in seen:
                continue
            seen.add(id(block))
            inner = Walk(saved.address)
            if digest(inner.encode(fields_of(block))) != saved.digest:
                problem = f"is '{saved.address}', changed since it was loaded"
                raise self.refusal(pointer, f"{problem}. Save it first, so that the change is not lost")
            waiting += [(pointer, held) for held in inner.blocks.values()]

    def _encode_members(self, members: Mapping[str, Any], pointer: str, depth: int) -> Json:
        return {
            key: self._encode(value, pointer_to(pointer, key), depth + 1) for key, value in members.items()
        }

    def _encode_dict(self, value: dict[Any, Any], pointer: str, depth: int) -> Json:
        keys = {key: self._key(key, pointer) for key in value}
        kinds = {kind for kind, _ in keys.values()}
        if len(kinds) > 1:
            raise self.refusal(pointer, f"mixes keys of the types {', '.join(sorted(kinds))}. Use one")
        if kinds - {"str"}:
            self._marks[pointer] = f"keys:{kinds.pop()}"
        odd = tuple(type(cast("object", key)) for key in value if type(key) is not str)
        self.shape[pointer] = (type(value), odd, getattr(value, "default_factory", None))
        return self._encode_members({keys[key][1]: item for key, item in value.items()}, pointer, depth)

    def _key(self, key: Any, pointer: str) -> tuple[str, str]:
        if is_secret(key):
            raise self.refusal(pointer, "has a secret as a key. Keep secrets in the values")
        if isinstance(key, Enum):
            return self._key(key.value, pointer)
        if isinstance(key, str):
            return "str", str(key)
        if isinstance(key, (bool, int, float)):
            return type(key).__name__, json.dumps(key) if isinstance(key, bool) else str(key)
        for kind, (mark, to_text) in _TO_TEXT.items():
            if isinstance(key, kind):
                return mark, to_text(key)
        raise self.refusal(pointer, f"has a key of type {type(key).__name__}. Use texts, numbers or dates")

    def _encode_items(self, items: Any, pointer: str, depth: int) -> Json:
        return [self._encode(item, pointer_to(pointer, index), depth + 1) for index, item in enumerate(items)]

    def _encode_collection(self, items: Any, pointer: str, depth: int) -> Json:
        kind = tuple if isinstance(items, tuple) else frozenset if isinstance(items, frozenset) else set
        self._marks[pointer] = kind.__name__
        if kind is not tuple:  # a set has no order of its own: give it one, so that equal sets look equal
            ordered = sorted(cast("Any", items), key=lambda item: self._digest_of_item(item, depth))
            return self._encode_items(ordered, pointer, depth)
        return self._encode_items(items, pointer, depth)

    def _digest_of_item(self, item: Any, depth: int) -> str:
        return digest(Walk(self._address, depth + 1).encode(item))

    def refusal(self, pointer: str, problem: str) -> ValueNotStorable:
        """Return the error that refuses a value for a problem."""
        path = dotted(pointer) or "a value"
        shown = path if len(path) <= _MAX_PATH else f"{path[:_MAX_PATH]}…"
        return ValueNotStorable(f"Block '{self._address}' was not saved: {shown} {problem}.")


def fields_of(model: BaseModel) -> dict[str, Any]:
    """Return the values of a model's fields by their Python names, extra ones included."""
    values = model.__dict__  # which lacks what `model_construct` was not given
    fields = {name: values[name] for name in type(model).model_fields if name in values}
    return fields | (model.__pydantic_extra__ or {})


def digest(content: Encoded) -> str:
    """Return the digest of a stored form, secrets included."""
    text = json.dumps(content.to_json(), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()
