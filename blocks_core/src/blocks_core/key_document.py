"""The text that a keyring is kept as, whatever the place: a file, an environment variable, the system's keyring.

{"format": 1, "primary": "k1f0…", "keys": [{"id": "k1f0…", "key": "<base64>", "created_at": "2026-…"}]}

A key that a service wraps stands as "wrapped_key" instead of "key", and "wrapped_by" beside "keys" names that
service.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field, replace
from typing import Any, Final

from blocks_core.errors import KeyInUse, KeysInvalid, KeyUnknown

_FORMAT: Final = 1
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class KeyEntry:
    """One key as it is kept."""

    id: str
    material: bytes = field(repr=False)
    """The key, or the key as the service wrapped it."""
    created_at: str = ""
    """ISO 8601."""
    is_wrapped: bool = False


@dataclass(frozen=True)
class KeyDocument:
    """Keys as they are kept, one of them primary; each change gives a new document."""

    primary: str
    entries: tuple[KeyEntry, ...]
    wrapped_by: str = ""
    """Name of the service that wrapped those that are wrapped."""

    def added(self, entry: KeyEntry, wrapped_by: str = "") -> KeyDocument:
        """Return it with one more key, which is not primary."""
        return replace(self, entries=(*self.entries, entry), wrapped_by=wrapped_by or self.wrapped_by)

    def promoted(self, key_id: str, origin: str) -> KeyDocument:
        """Return it with another primary key.

        Raises:  KeyUnknown.
        """
        self._require(key_id, origin)
        return replace(self, primary=key_id)

    def removed(self, key_id: str, origin: str) -> KeyDocument:
        """Return it without a key.

        Raises:  KeyUnknown; KeyInUse: it is the primary one.
        """
        self._require(key_id, origin)
        if key_id == self.primary:
            raise KeyInUse(
                f"The key '{key_id}' is the primary one of {origin}: it seals all that is saved now. "
                f'Promote another first: "block keys promote".'
            )
        left = tuple(entry for entry in self.entries if entry.id != key_id)
        return replace(
            self, entries=left, wrapped_by=self.wrapped_by if any(e.is_wrapped for e in left) else ""
        )

    def render(self) -> str:
        """Return the text to keep: it holds the keys."""
        content: dict[str, Any] = {"format": _FORMAT, "primary": self.primary}
        if self.wrapped_by:
            content["wrapped_by"] = self.wrapped_by
        content["keys"] = [_rendered(entry) for entry in self.entries]
        return json.dumps(content, indent=2) + "\n"

    def _require(self, key_id: str, origin: str) -> None:
        known = sorted(entry.id for entry in self.entries)
        if key_id not in known:
            raise KeyUnknown(f"There is no key '{key_id[:120]}' in {origin}: it has {', '.join(known)}.")


def parse_keys(text: str, origin: str) -> KeyDocument:
    """Return the keys of a text.

    Raises:  KeysInvalid: it is not what `render` writes; no piece of it is in the message.
    """
    try:
        content: dict[str, Any] = json.loads(text)
        version = content["format"]
        entries = tuple(_entry(key) for key in content["keys"]) if version == _FORMAT else ()
        document = KeyDocument(str(content["primary"]), entries, str(content.get("wrapped_by", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Base64Error):
        raise _damaged(
            origin, "it is not the JSON that Blocks writes"
        ) from None  # the cause shows a piece of it
    if version != _FORMAT:
        raise KeysInvalid(
            f"The keyring in {origin} was written by a newer version of Blocks. Upgrade blocks-core to use it."
        )
    ids = [entry.id for entry in entries]
    if len(set(ids)) < len(ids):
        raise _damaged(origin, "two of its keys have the same id")
    if document.primary not in ids:
        raise _damaged(origin, "its primary key is not among its keys")
    if any(entry.is_wrapped for entry in entries) and not document.wrapped_by:
        raise _damaged(origin, "it does not say what wrapped its keys")
    return document


def _entry(content: dict[str, Any]) -> KeyEntry:
    is_wrapped = "wrapped_key" in content
    if is_wrapped == ("key" in content) or not _ID.fullmatch(content["id"]):
        raise ValueError
    material = b64decode(content["wrapped_key" if is_wrapped else "key"], validate=True)
    return KeyEntry(content["id"], material, str(content.get("created_at", "")), is_wrapped)


def _rendered(entry: KeyEntry) -> dict[str, str]:
    material = b64encode(entry.material).decode()
    return {
        "id": entry.id,
        "wrapped_key" if entry.is_wrapped else "key": material,
        "created_at": entry.created_at,
    }


def _damaged(origin: str, problem: str) -> KeysInvalid:
    return KeysInvalid(f"The keyring in {origin} is damaged: {problem}. Restore it from a backup.")
