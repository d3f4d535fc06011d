"""Which documents somebody looks for, found by the database: a page costs much the same however many are saved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any, Final

from blocks_core.names import join_address
from blocks_core.records import Summary
from blocks_registry.database import Connection
from blocks_registry.rows import summary_of
from blocks_registry.statements import FIND, OUTDATED, USED

ALL: Final = 2**31 - 1
"""A limit for who wants every line."""

_MAX_LABELS: Final = 10
_MAX_LABEL: Final = 200
"""Labels that the database looks for, and the characters of one; the rest is seen in what it finds."""

_OF_PATTERN: Final = "(slug LIKE ? ESCAPE '!' AND name LIKE ? ESCAPE '!')"


class Order(Enum):
    """In which order blocks come."""

    ADDRESS = "d.slug, d.name"
    NEWEST = "d.saved_at DESC, d.slug DESC, d.name DESC"

    def place_of(self, line: Summary) -> str:
        """Return the place of a line, behind which others are asked for."""
        address = join_address(line.slug, line.name)
        return address if self is Order.ADDRESS else f"{line.saved_at.timestamp()!r}/{address}"

    def behind(self, place: str) -> tuple[str, list[Any]]:
        """Return the condition of lines behind a place, and its values; what is no place is before all."""
        if self is Order.ADDRESS:
            slug, _, name = place.partition("/")
            return "(slug, name) > (?, ?)", [slug, name]
        saved_at, _, address = place.partition("/")
        slug, _, name = address.partition("/")
        return "(saved_at, slug, name) < (?, ?, ?)", [_moment(saved_at), slug, name]


@dataclass(frozen=True)
class Wanted:
    """Which blocks are asked for."""

    slug: str | None = None
    capability: str | None = None
    text: str = ""
    """Part of the address."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    described: Set[str] = frozenset()
    """Types whose blocks are asked for by the text, too, whatever their addresses are."""
    outdated: bool = False
    """Only what is stored as of an older version of its type than the registry has."""
    used: bool = False
    """Only what somebody resolved."""
    order: Order = Order.ADDRESS

    def fits(self, line: Summary) -> bool:
        """Tell whether a line is asked for."""
        if self.slug not in (None, line.slug) or not self.labels.items() <= line.labels.items():
            return False
        if self.capability is not None and self.capability not in line.capabilities:
            return False
        return line.slug in self.described or self.text in join_address(line.slug, line.name)


def search(
    connection: Connection, wanted: Wanted, patterns: Sequence[str], after: str | None, limit: int
) -> list[Summary]:
    """Return lines behind a place, in the order that is asked for.

    Args:    patterns: of addresses, of which one must fit; a star stands for any characters on its side of the slash.
    """
    found: list[Summary] = []
    while len(found) < limit:
        conditions, values = _conditions(wanted, patterns, after)
        statement = FIND.format(conditions=" AND ".join(conditions), order=wanted.order.value)
        count = limit - len(found)
        rows = connection.execute(statement, (*values, count)).fetchall()
        lines = [summary_of(row) for row in rows]
        # The database compares roughly: letters in both cases, and what any version of a type can do.
        found += [line for line in lines if wanted.fits(line)]
        if len(lines) < count:
            break
        after = wanted.order.place_of(lines[-1])
    return found


def _conditions(wanted: Wanted, patterns: Sequence[str], after: str | None) -> tuple[list[str], list[Any]]:
    """Return conditions and their values; no text of anybody's is in the conditions."""
    behind, values = wanted.order.behind(after or "")
    conditions = [behind]
    for condition, found in _parts(wanted):
        conditions.append(condition)
        values += found
    if "*/*" not in patterns:
        conditions.append(f"({' OR '.join([_OF_PATTERN] * len(patterns))})")
        for pattern in patterns:
            values += [_like(each) for each in pattern.split("/", 1)]
    return conditions, values


def _parts(wanted: Wanted) -> Iterator[tuple[str, list[Any]]]:
    if wanted.slug is not None:
        yield "slug = ?", [wanted.slug]
    if wanted.text:
        others = sorted(wanted.described)
        described = f" OR slug IN ({', '.join('?' * len(others))})" if others else ""
        yield f"(slug || '/' || name LIKE ? ESCAPE '!'{described})", [f"%{_escaped(wanted.text)}%", *others]
    if wanted.capability is not None:
        of_types = "slug IN (SELECT t.slug FROM block_types AS t WHERE t.capabilities LIKE ? ESCAPE '!')"
        yield of_types, [f'%"{_escaped(wanted.capability)}"%']
    if wanted.outdated:
        yield OUTDATED, []
    if wanted.used:
        yield USED, []
    for key, value in islice(wanted.labels.items(), _MAX_LABELS):
        if not (key + value).isascii() or len(key + value) > _MAX_LABEL:
            continue  # no block has such a label
        yield "labels LIKE ? ESCAPE '!'", [f'%"{_escaped(key)}": "{_escaped(value)}"%']


def _moment(text: str) -> float:
    """Return seconds since 1970; of what are none, later than all."""
    try:
        moment = float(text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(moment) else moment


def _like(pattern: str) -> str:
    return _escaped(pattern).replace("*", "%")


def _escaped(text: str) -> str:
    """Return a text that LIKE takes for itself; PostgreSQL takes no zero character, which nothing stored has."""
    return text.replace("\0", "\ufffd").replace("!", "!!").replace("%", "!%").replace("_", "!_")
