"""Stored content as plain data that an upgrade may rearrange, with placeholders for what it must not read.

What JSON lacks stays with the value that has it: a tuple is a list that knows its mark, a date a text that does. A
placeholder holds nothing but its place in a table, which the code that is run on the data never gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self, cast

from blocks_core.document import Encoded, Json, pointer_to

MAX_DEPTH = 100


class Placeholder:
    """Stands for a value that may be moved, renamed, put in a list or dropped, and never read."""

    __slots__ = ("_index",)
    _index: int
    what: ClassVar[str] = "a value"

    def __init__(self, index: int) -> None:
        object.__setattr__(self, "_index", index)

    def __repr__(self) -> str:
        return f"<{self.what}>"

    def __str__(self) -> NoReturn:
        """Refuse: a text with a placeholder in it would take the value's place."""
        raise TypeError(f"{self.what} cannot be read or made part of a text by an upgrade. Move it as it is")

    def __format__(self, format_spec: str) -> NoReturn:
        self.__str__()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(f"{self.what} cannot be changed by an upgrade. Move it as it is")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{self.what} cannot leave the upgrade. Move it as it is")


class SecretPlace(Placeholder):
    """Stands for a secret."""

    __slots__ = ()
    what = "a secret"


class SecretReferencePlace(Placeholder):
    """Stands for a reference to a secret that is kept elsewhere."""

    __slots__ = ()
    what = "a secret reference"


class BlockPlace(Placeholder):
    """Stands for a reference to a saved block."""

    __slots__ = ()
    what = "a saved block"


_PLACES: Mapping[str, type[Placeholder]] = {
    "secret": SecretPlace,
    "secretref": SecretReferencePlace,
    "block": BlockPlace,
}


class MarkedText(str):
    """A text that stands for what JSON lacks: a date, bytes, a path."""

    mark: str

    def __new__(cls, text: str, mark: str) -> Self:
        """Make one of its text and what it stands for."""
        found = super().__new__(cls, text)
        found.mark = mark
        return found

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class MarkedList(list[Any]):
    """A list that stands for a tuple or a set."""

    mark: str = ""

    def copy(self) -> Self:
        """Return a copy that stands for the same."""
        return copy(self)


class MarkedDict(dict[str, Any]):
    """A dict that stands for one with other keys than texts, or for a block stored inside."""

    mark: str = ""
    note: object = None
    """What the code that made it remembers of it."""

    def copy(self) -> Self:
        """Return a copy that stands for the same."""
        return copy(self)

    def __or__(self, other: Any) -> Any:
        found = copy(self)
        found.update(other)
        return found


@dataclass(frozen=True, repr=False)
class _Place:
    """What a placeholder stands for."""

    placeholder: Placeholder
    pointer: str
    mark: str
    data: Json
    secret: Encoded | None


class NotPlain(Exception):
    """A value is no plain data; the text says why and never has the value."""

    def __init__(self, pointer: str, problem: str) -> None:
        self.pointer, self.problem = pointer, problem
        super().__init__(problem)


@dataclass(frozen=True, repr=False)
class Restored:
    """Plain data in stored form again."""

    content: Encoded
    origins: Mapping[str, str]
    """Pointer of each secret and reference -> where it stood before."""
    notes: Mapping[str, object]
    """Pointer -> what `MarkedDict.note` had there."""


OnInline = Callable[[str, MarkedDict, str], MarkedDict]
"""(slug@version, fields, pointer) -> the dict to put in the place of a block stored inside."""


class PlainForm:
    """Content made plain. The table of what its placeholders stand for is here and nowhere else."""

    def __init__(self, content: Encoded, on_inline: OnInline) -> None:
        self._content = content
        self._on_inline = on_inline
        self._places: list[_Place] = []

    def open(self) -> Any:
        """Return the content as plain data; it shares nothing with the content.

        Raises:  NotPlain: a mark does not fit what it stands at.
        """
        return self._open(self._content.data, "")

    def _open(self, data: Json, pointer: str) -> Any:
        mark = self._content.marks.get(pointer, "")
        place = _PLACES.get(_kind(mark))
        if place is not None:
            secret = self._content.secrets.get(pointer)
            placeholder = place(len(self._places))
            self._places.append(_Place(placeholder, pointer, mark, data, secret))
            return placeholder
        if isinstance(data, dict):
            members = {name: self._open(value, pointer_to(pointer, name)) for name, value in data.items()}
            return self._opened_dict(members, mark, pointer)
        if isinstance(data, list):
            items = [self._open(value, pointer_to(pointer, index)) for index, value in enumerate(data)]
            return _marked(MarkedList(items), mark) if mark else items
        if mark and not isinstance(data, str):
            raise NotPlain(pointer, f"does not fit its mark '{mark}'")
        return MarkedText(data, mark) if mark and isinstance(data, str) else data

    def _opened_dict(self, members: dict[str, Any], mark: str, pointer: str) -> dict[str, Any]:
        if not mark:
            return members
        found = _marked(MarkedDict(members), mark)
        kind, _, rest = mark.partition(":")
        return self._on_inline(rest, found, pointer) if kind == "inline" else found

    def checked(self, value: object) -> Any:
        """Return a copy of plain data, so that nobody else has it.

        Raises:  NotPlain: something in it cannot be stored.
        """
        return self._checked(value, "", 0)

    def _checked(self, value: object, pointer: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise NotPlain(pointer, f"lies deeper than {MAX_DEPTH} levels, or holds itself")
        if isinstance(value, Placeholder):
            self._place_of(value, pointer)
            return value
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else MarkedText(str(value), "float")
        if isinstance(value, (MarkedText, MarkedList, MarkedDict)) and _kind(value.mark) in _PLACES:
            raise NotPlain(pointer, f"was marked '{value.mark}' by hand")
        if type(value) is MarkedText:
            return value
        if type(value) in (dict, MarkedDict):
            return self._checked_dict(cast("dict[object, object]", value), pointer, depth)
        if type(value) in (list, MarkedList):
            inner = cast("list[object]", value)
            items = [
                self._checked(item, pointer_to(pointer, index), depth + 1) for index, item in enumerate(inner)
            ]
            return _marked(MarkedList(items), inner.mark) if isinstance(inner, MarkedList) else items
        raise NotPlain(
            pointer, f"is a {type(value).__name__}. Give texts, numbers, true, false, None, lists and dicts"
        )

    def _checked_dict(self, value: dict[object, object], pointer: str, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotPlain(pointer, f"has a key that is a {type(key).__name__}. Give texts as keys")
            members[str(key)] = self._checked(item, pointer_to(pointer, key), depth + 1)
        if not isinstance(value, MarkedDict):
            return members
        found = _marked(MarkedDict(members), value.mark)
        found.note = value.note
        return found

    def restore(self, value: object) -> Restored:
        """Return plain data in stored form again.

        Args:    value: what `checked` gave.
        """
        marks: dict[str, str] = {}
        secrets: dict[str, Encoded] = {}
        origins: dict[str, str] = {}
        notes: dict[str, object] = {}

        def stored(value: object, pointer: str) -> Json:
            if isinstance(value, Placeholder):
                place = self._place_of(value, pointer)
                marks[pointer], origins[pointer] = place.mark, place.pointer
                if place.secret is not None:
                    secrets[pointer] = place.secret
                return place.data
            if isinstance(value, (MarkedText, MarkedList, MarkedDict)) and value.mark:
                marks[pointer] = value.mark
            if isinstance(value, MarkedDict) and value.note is not None:
                notes[pointer] = value.note
            if isinstance(value, dict):
                members = cast("dict[str, object]", value)
                return {name: stored(item, pointer_to(pointer, name)) for name, item in members.items()}
            if isinstance(value, list):
                items = cast("Iterable[object]", value)
                return [stored(item, pointer_to(pointer, index)) for index, item in enumerate(items)]
            return str(value) if isinstance(value, MarkedText) else cast("Json", value)

        return Restored(Encoded(stored(value, ""), marks, secrets), origins, notes)

    def _place_of(self, placeholder: Placeholder, pointer: str) -> _Place:
        index: int = getattr(placeholder, "_index", -1)
        place = self._places[index] if 0 <= index < len(self._places) else None
        if place is None or place.placeholder is not placeholder:
            raise NotPlain(pointer, f"is {placeholder.what} of another block, or made up")
        return place


def _kind(mark: str) -> str:
    return mark.partition(":")[0]


def _marked(found: Any, mark: str) -> Any:
    found.mark = mark
    return found
