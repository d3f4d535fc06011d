"""What to do where somebody else saved a block while a form of it was open.

What was typed stays. The form says what the others changed, and saves on top of that when it is sent again. A secret
that is kept is then the one that stands there now: so where rows of a list were moved around, whoever sends the form
says anew which secret each row has, lest one gets into another row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blocks_core.document import Document, Encoded, Json, dotted, pointer_to
from blocks_core.errors import FieldProblem
from blocks_core.records import FieldChange
from blocks_registry.access import GuardedRegistry


@dataclass(frozen=True)
class Conflict:
    """A block that is at another version than the one that a form expects."""

    expected: int
    now: Document
    changes: tuple[FieldChange, ...]
    """From the version that the form expects to the one of now."""


def find_conflict(registry: GuardedRegistry, now: Document, expected: int) -> Conflict | None:
    """Return what became of a block since a form expected a version of it; None where it is at that."""
    if now.version == expected:
        return None
    changes = tuple(registry.diff(now.slug, now.name, expected, now.version)) if expected else ()
    return Conflict(expected, now, changes)


def unclear_secrets(kept: Mapping[str, str], began_with: Encoded, now: Encoded) -> list[FieldProblem]:
    """Return the secrets of which nobody can tell whether they are still those that a form keeps.

    Args:    kept: JSON pointer in what the form says -> in what it began with.
    """
    return [
        FieldProblem(
            dotted(new),
            "stands in a list that was changed meanwhile. Set it anew, or begin again from the block as it is",
        )
        for new, old in kept.items()
        if any(_part(began_with, place) != _part(now, place) for place in _lists_around(began_with.data, old))
    ]


def _lists_around(data: Json, pointer: str) -> list[str]:
    """Return the pointers of the lists that a place lies in."""
    found: list[str] = []
    here = ""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(data, list):
            found.append(here)
            data = data[int(name)]
        elif isinstance(data, dict):
            data = data.get(name)
        here = pointer_to(here, name)
    return found


def _part(content: Encoded, pointer: str) -> tuple[Json, dict[str, str]]:
    """Return what stands at a pointer, with the marks below it."""
    data = content.data
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(data, dict):
            data = data.get(name)
        elif isinstance(data, list) and name.isdecimal() and int(name) < len(data):
            data = data[int(name)]
        else:
            data = None
    begin = f"{pointer}/"
    return data, {place: mark for place, mark in content.marks.items() if place.startswith(begin)}
