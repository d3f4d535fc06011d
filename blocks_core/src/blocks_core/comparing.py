"""How two stored forms of a block differ, field by field; secrets are compared and never shown."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Iterator, Mapping

from blocks_core.document import Encoded, Json, dotted, pointer_to
from blocks_core.records import FieldChange

_ABSENT = object()


def compare(old: Encoded, new: Encoded, addresses: Mapping[str, str] | None = None) -> list[FieldChange]:
    """Return how one stored form became another, sorted by path.

    Secrets are compared by digests under a key of this call: nothing is kept by which to guess them.

    Args:    addresses: document id -> address, to name the blocks that references lead to.
    """
    reader = _Reader(addresses or {}, os.urandom(32))
    before, after = dict(reader.leaves(old)), dict(reader.leaves(new))
    changes = [
        _change(pointer, before.get(pointer), after.get(pointer))
        for pointer in before.keys() | after.keys()
        if before.get(pointer) != after.get(pointer)
    ]
    return sorted(changes, key=lambda change: change.path)


class _Leaf:
    """What stands at a place: its kind and its value, of a secret the keyed digest."""

    def __init__(self, kind: str, value: Json, shown: Json) -> None:
        self.kind, self.value, self.shown = kind, value, shown

    @property
    def is_secret(self) -> bool:
        return self.kind.startswith("secret:")

    def __eq__(self, other: object) -> bool:
        mine = (self.kind, type(self.value), self.value)
        return isinstance(other, _Leaf) and mine == (other.kind, type(other.value), other.value)

    __hash__ = None  # pyright: ignore[reportAssignmentType] compared only


class _Reader:
    def __init__(self, addresses: Mapping[str, str], key: bytes) -> None:
        self._addresses = addresses
        self._key = key

    def leaves(self, content: Encoded) -> Iterator[tuple[str, _Leaf]]:
        """Yield pointer and leaf of each value that holds no others."""
        return self._leaves(content, content.data, "")

    def _leaves(self, content: Encoded, data: Json, pointer: str) -> Iterator[tuple[str, _Leaf]]:
        kind = content.marks.get(pointer, "")
        if kind.startswith("secret:"):
            yield pointer, _Leaf(kind, self._digest(content.secrets.get(pointer)), None)
        elif kind.startswith("block:"):
            target = kind.removeprefix("block:")
            yield pointer, _Leaf(kind, None, self._addresses.get(target, f"{target} (deleted)"))
        elif isinstance(data, dict) and (data or not pointer):
            if kind:
                yield pointer, _Leaf(kind, None, kind)
            for name, value in data.items():
                yield from self._leaves(content, value, pointer_to(pointer, name))
        elif isinstance(data, list) and data:
            if kind:
                yield pointer, _Leaf(kind, None, kind)
            for index, value in enumerate(data):
                yield from self._leaves(content, value, pointer_to(pointer, index))
        else:
            yield pointer, _Leaf(kind, data, data)

    def _digest(self, secret: Encoded | None) -> str:
        """Return what tells a secret's value from another under this reader's key."""
        if secret is None:
            return ""
        text = json.dumps(secret.to_json(), sort_keys=True, separators=(",", ":"))
        return hmac.digest(self._key, text.encode(), "sha256").hex()


def _change(pointer: str, before: _Leaf | None, after: _Leaf | None) -> FieldChange:
    secret = any(leaf is not None and leaf.is_secret for leaf in (before, after))
    return FieldChange(
        path=dotted(pointer),
        kind="added" if before is None else "removed" if after is None else "changed",
        before=None if before is None or secret else before.shown,
        after=None if after is None or secret else after.shown,
        secret=secret,
    )
