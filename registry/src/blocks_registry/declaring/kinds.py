"""What plain YAML cannot say of a value, and how the place of the value is written.

A kind is the codec's mark of a value (`date`, `bytes`, `tuple`, `datetime@Asia/Seoul`, `keys:int`,
`inline:s3@1`, `secret:str`), or one of a declaration's own: `block` for the address of a saved block, `plain` for a
value that is what it looks like where the type's schema allows more, `json` for a text that holds the value as JSON
(`json+path`, where it is then of another kind).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import Any, Final

from blocks_core.decoding import decode
from blocks_core.document import Encoded, Json, pointer_to
from blocks_core.errors import DocumentDamaged, NameInvalid
from blocks_core.names import check_slug
from blocks_registry.declaring.yaml_writer import can_write

PLAIN: Final = "plain"
BLOCK: Final = "block"
JSON: Final = "json"
SECRET: Final = "secret:"  # noqa: S105 the beginning of a kind
SECRET_REFERENCE: Final = "secretref:"  # noqa: S105
INLINE: Final = "inline:"

_OF_TEXTS: Final = frozenset(
    {"bytes", "datetime", "date", "time", "timedelta", "decimal", "uuid", "path", "float"}
)
_OF_LISTS: Final = frozenset({"tuple", "set", "frozenset"})
FORMS_OF_SECRETS: Final = ({"secret"}, {"ref"}, {"value"}, {"value", "kinds"})
_OF_SECRETS: Final = frozenset({"str", "bytes", "value"})
_SIMPLE_STEP = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def is_kind(text: str) -> bool:
    """Tell whether a text names a kind."""
    if text.startswith(f"{JSON}+"):
        return is_kind(text.removeprefix(f"{JSON}+"))
    word, colon, rest = text.partition(":")
    if word == "inline":
        return _is_inline(rest)
    if colon:
        known = (
            _OF_TEXTS | {"int", "bool"}
            if word == "keys"
            else _OF_SECRETS
            if word == "secret"
            else frozenset[str]()
        )
        return rest in known
    word, at, zone = text.partition("@")
    return (
        word in ("datetime", "time") and bool(zone)
        if at
        else word in _OF_TEXTS | _OF_LISTS | {PLAIN, BLOCK, JSON}
    )


def is_form_of_secret(data: Json) -> bool:
    """Tell whether a mapping is a form of a secret: `{secret: …}`, `{ref: …}`, or `{value: …}` with its kinds."""
    return isinstance(data, dict) and set(data) in FORMS_OF_SECRETS


def known_kinds() -> list[str]:
    """Return the words for the kinds, for those who misspelt one."""
    return sorted(_OF_TEXTS | _OF_LISTS | {PLAIN, BLOCK, JSON, *(f"{SECRET}{kind}" for kind in _OF_SECRETS)})


def fits(kind: str, data: Json) -> bool:
    """Tell whether a value can be of a kind that the codec knows."""
    if kind in _OF_LISTS:
        return isinstance(data, list)
    if kind.startswith("keys:"):
        return isinstance(data, dict) and _decodes(kind, dict.fromkeys(data))
    return isinstance(data, str) and (_is_base64(data) if kind == "bytes" else _decodes(kind, data))


def read_path(text: str) -> str | None:
    """Return the pointer of a place: a dotted path, a JSON pointer, or a JSON pointer written as JSON text.

    >>> read_path("hosts.0.token")
    '/hosts/0/token'
    """
    if text.startswith('"'):
        try:
            found: Any = json.loads(text)
        except ValueError:
            return None
        return read_path(found) if isinstance(found, str) and found.startswith("/") else None
    if not text or text.startswith("/"):
        return text
    pointer = ""
    for step in text.split("."):
        pointer = pointer_to(pointer, step)
    return pointer


def write_path(pointer: str) -> str:
    """Return a place as `read_path` reads it, the plainest way that there is.

    >>> write_path("/hosts/0/token"), write_path("/headers/X.Y")
    ('hosts.0.token', '/headers/X.Y')
    """
    steps = pointer.split("/")[1:]
    if all(_SIMPLE_STEP.fullmatch(step) for step in steps):
        return ".".join(steps)
    return pointer if can_write(pointer) else json.dumps(pointer)


def _is_inline(rest: str) -> bool:
    slug, at, version = rest.partition("@")
    try:
        check_slug(slug)
    except NameInvalid:
        return False
    return version.isdecimal() and version.isascii() and len(version) < 10 if at else True


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _no_block(pointer: str, mark: str, members: Any) -> None:
    """Stand in for what makes blocks; no kind that is tried out here is one."""


def _decodes(kind: str, data: Json) -> bool:
    try:
        decode(Encoded(data, {"": kind}), _no_block, address="it")
    except DocumentDamaged:
        return False
    return True
