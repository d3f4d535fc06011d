"""Marks of calls: by what a restarted flow function sees that a call is not the one that was numbered so before.

A flow function numbers its calls as they come. One that comes to another order gives the number of one call to
another, and would take its value. The mark of a call holds its plain arguments, and of futures the marks of the calls
that they stand for; of other values it holds the type only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast
from zlib import crc32

from blocks_flows.arguments import PLAIN, Reference, unmapped

_MAX_CHARACTERS: Final = 1_000
"""Of a value that is looked at: comparing must not take longer than the task."""


def mark_of(args: Iterable[Any], kwargs: Mapping[str, Any], name_of: Callable[[Reference], str]) -> str:
    """Return the mark of a call: eight hexadecimal digits.

    Args:    name_of: a text for what a future stands for.
    """
    parts = [_part(value, name_of) for value in args]
    parts += [f"{name}={_part(kwargs[name], name_of)}" for name in sorted(kwargs)]
    return f"{crc32(repr(parts).encode(errors='backslashreplace')):08x}"


def _part(value: Any, name_of: Callable[[Reference], str]) -> str:
    kind = cast("type[object]", value.__class__)
    if kind in PLAIN:
        if kind in (str, bytes):
            return f"{len(value)} {value[:_MAX_CHARACTERS]!r}"
        return repr(value)
    if isinstance(value, Reference):
        return f"-> {name_of(value)}"
    if isinstance(value, unmapped):
        return _part(value.value, name_of)
    if kind in (list, tuple) and len(value) <= _MAX_CHARACTERS:
        return f"{kind.__name__} {[_part(each, name_of) for each in value]}"
    return f"{kind.__module__}.{kind.__qualname__}"
