"""Which of what was found is imported, and in which order: what others hold goes before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter

from blocks_registry.importing.found import Found


def chosen(found: Sequence[Found], patterns: Sequence[str]) -> dict[str, Found]:
    """Return what is to be imported, by key: what the patterns name, and whatever that holds.

    Args:    patterns: shell patterns of `type/name`, or of the name alone; none takes all that has a name.
    """
    known = {one.key: one for one in found}
    waiting = [one for one in found if not one.anonymous and _is_named(one, patterns)]
    taken: dict[str, Found] = {}
    while waiting:
        one = waiting.pop()
        if one.key not in taken:
            taken[one.key] = one
            waiting += [known[held] for held in one.links().values() if held in known]
    return taken


def in_order(taken: Mapping[str, Found]) -> tuple[list[Found], set[str]]:
    """Return what is to be imported, what others hold before them, and the keys of those that hold themselves."""
    graph = {
        key: {held for held in one.links().values() if held in taken} for key, one in sorted(taken.items())
    }
    circular: set[str] = set()
    while True:
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle = set[str](error.args[1])
            circular |= cycle
            graph = {key: (set[str]() if key in cycle else held) for key, held in graph.items()}
        else:
            return [taken[key] for key in order], circular


def by_source(rows: Iterable[Found]) -> list[Found]:
    """Return what was found in the order in which people look for it."""
    return sorted(rows, key=lambda one: (one.type, one.name))


def _is_named(one: Found, patterns: Sequence[str]) -> bool:
    return not patterns or any(
        fnmatchcase(one.source if "/" in pattern else one.name, pattern) for pattern in patterns
    )
