"""Places for boxes in layers, and ways for the lines between them, from top to bottom.

After Sugiyama, Tagawa and Toda (1981): each box below all that it comes behind; the order in each layer by the mean
of its neighbours' places; then places as close to those of their neighbours as widths allow, by regression with the
order kept. A layer that would be very wide is laid in several rows. A line that passes layers keeps a gap free in
each, and lines of one box, or to one, share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

GAP_ACROSS: Final = 28.0
"""Between boxes of a layer; lengths are in pixels."""
GAP_DOWN: Final = 56.0
_GAP_OF_A_WAY: Final = 14.0
_PORT: Final = 14.0
"""Between lines at one side of a box."""
_SWEEPS: Final = 12
_SETTLINGS: Final = 24
_LEAST_ROW: Final = 8
_MAX_WAYS: Final = 30_000
"""Places that lines keep free; further long lines go straight, maybe behind boxes."""


class Span(NamedTuple):
    """A line to be drawn: from a box to one further down; those of one group may share a way."""

    above: int
    below: int
    group: str


class Point(NamedTuple):
    """A place in the picture; y grows downwards."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where boxes and lines are."""

    corners: tuple[Point, ...]
    """Of each box the upper left one."""
    ways: tuple[tuple[Point, ...], ...]
    """Of each line, points to be joined; every second part of it, from the first on, is upright."""
    width: float
    height: float


@dataclass(slots=True, eq=False)
class _Spot:
    """A box, or the gap that a line keeps free in a layer."""

    number: int
    width: float
    height: float
    layer: int = 0
    is_box: bool = True
    up: list[_Spot] = field(default_factory=list["_Spot"])
    down: list[_Spot] = field(default_factory=list["_Spot"])
    place: int = 0
    """In its layer."""
    x: float = 0.0
    """Of its middle."""


def lay_out(sizes: Sequence[tuple[float, float]], spans: Sequence[Span]) -> Layout:
    """Find places for boxes.

    Args:    sizes: width and height of each box.
             spans: the lines; from a box they lead to later ones in no circle.
    """
    boxes = [_Spot(number, width, height) for number, (width, height) in enumerate(sizes)]
    for box, layer in zip(boxes, _layers(len(boxes), spans), strict=True):
        box.layer = layer
    passes = _make_ways(boxes, spans)
    spots = list(dict.fromkeys([*boxes, *(spot for way in passes for spot in way)]))
    rows = _rows(spots)
    for row in rows:
        _number(row)
    _reduce_crossings(rows)
    _place_across(rows)
    return _finish(boxes, rows, passes)


def _layers(count: int, spans: Sequence[Span]) -> list[int]:
    """Return each box's layer: the longest way down to it, but what nothing leads to is just above its first user."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for span in spans:
        above[span.below].append(span.above)
        below[span.above].append(span.below)
    order = _in_order(above, below)
    layers = [0] * count
    for number in order:
        layers[number] = max((layers[each] + 1 for each in above[number]), default=0)
    for number in order:
        if not above[number] and below[number]:
            layers[number] = min(layers[each] for each in below[number]) - 1
    return _narrowed(order, layers, above)


def _narrowed(order: list[int], layers: list[int], above: list[list[int]]) -> list[int]:
    """Return layers of which none holds very many boxes: about as many as there are rows."""
    most = max(_LEAST_ROW, round(len(layers) ** 0.5 * 1.1))
    by_layer: dict[int, list[int]] = {}
    for number in order:
        by_layer.setdefault(layers[number], []).append(number)
    narrowed = [0] * len(layers)
    row = 0
    for layer in sorted(by_layer):
        numbers = by_layer[layer]
        if len(numbers) > most:  # boxes below one box stay together
            numbers.sort(key=lambda number: (min(above[number], default=-1), number))
        parts = -(-len(numbers) // most)
        for place, number in enumerate(numbers):
            narrowed[number] = row + place * parts // len(numbers)
        row += parts
    return narrowed


def _in_order(above: list[list[int]], below: list[list[int]]) -> list[int]:
    """Return the boxes, each behind those that lead to it."""
    waiting = [len(each) for each in above]
    order = [number for number, count in enumerate(waiting) if count == 0]
    for number in order:
        for each in below[number]:
            waiting[each] -= 1
            if waiting[each] == 0:
                order.append(each)
    return order


def _make_ways(boxes: list[_Spot], spans: Sequence[Span]) -> list[list[_Spot]]:
    """Return for each line the spots that it goes by, its two boxes included, and join them."""
    out, into = _long_lines(boxes, spans)
    shared: dict[Any, _Spot] = {}
    joined: set[tuple[int, int]] = set()
    ways: list[list[_Spot]] = []
    left = _MAX_WAYS
    for span in spans:
        above, below = boxes[span.above], boxes[span.below]
        # A way belongs to the box at that end from which more lines pass layers, so that there are few.
        starts = out[span.above, span.group] >= into[span.below, span.group]
        owner = (span.above, 0) if starts else (span.below, 1)
        way = [above]
        for layer in range(above.layer + 1, below.layer if left > 0 else 0):
            key = (*owner, span.group, layer)
            spot = shared.get(key)
            if spot is None:
                left -= 1
                spot = shared[key] = _Spot(len(boxes) + len(shared), 0.0, 0.0, layer, is_box=False)
            way.append(spot)
        way.append(below)
        for one, other in pairwise(way):
            if (one.number, other.number) not in joined and other.layer == one.layer + 1:
                joined.add((one.number, other.number))
                one.down.append(other)
                other.up.append(one)
        ways.append(way)
    return ways


def _long_lines(boxes: list[_Spot], spans: Sequence[Span]) -> tuple[dict[Any, int], dict[Any, int]]:
    out: dict[Any, int] = {}
    into: dict[Any, int] = {}
    for span in spans:
        is_long = boxes[span.below].layer - boxes[span.above].layer > 1
        for counts, end in ((out, span.above), (into, span.below)):
            counts[end, span.group] = counts.get((end, span.group), 0) + is_long
    return out, into


def _rows(spots: list[_Spot]) -> list[list[_Spot]]:
    """Return the spots by layer, in the order in which a walk down from the first boxes meets them."""
    rows: list[list[_Spot]] = [[] for _ in range(max((spot.layer for spot in spots), default=-1) + 1)]
    seen: set[_Spot] = set()
    for start in sorted(spots, key=lambda spot: (spot.layer, spot.number)):
        open_spots = [start]
        while open_spots:
            spot = open_spots.pop()
            if spot not in seen:
                seen.add(spot)
                rows[spot.layer].append(spot)
                open_spots += reversed(spot.down)
    return rows


def _number(row: list[_Spot]) -> None:
    for place, spot in enumerate(row):
        spot.place = place


def _reduce_crossings(rows: list[list[_Spot]]) -> None:
    """Order each layer by its neighbours' mean place, there and back; the order with least crossings is kept."""
    best, least = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_SWEEPS):
        if least == 0:
            return
        down = sweep % 2 == 0
        for row in rows[1:] if down else reversed(rows[:-1]):
            row.sort(key=lambda spot: _mean_place(spot.up if down else spot.down, spot.place))
            _number(row)
        found = _crossings(rows)
        if found < least:
            best, least = [list(row) for row in rows], found
    for row, order in zip(rows, best, strict=True):
        row[:] = order
        _number(row)


def _mean_place(neighbours: list[_Spot], own: int) -> float:
    return sum(spot.place for spot in neighbours) / len(neighbours) if neighbours else float(own)


def _crossings(rows: list[list[_Spot]]) -> int:
    """Count the pairs of lines that cross, layer by layer (Barth, Mutzel and Jünger 2002)."""
    total = 0
    for row, following in pairwise(rows):
        counts = [0] * (len(following) + 1)  # a tree of sums, as of Fenwick
        seen = 0
        for spot in row:
            ends = sorted(each.place for each in spot.down)
            for end in ends:
                total += seen - _sum_up_to(counts, end + 1)
            for end in ends:
                _add_at(counts, end + 1)
            seen += len(ends)
    return total


def _sum_up_to(counts: list[int], place: int) -> int:
    total = 0
    while place > 0:
        total += counts[place]
        place &= place - 1
    return total


def _add_at(counts: list[int], place: int) -> None:
    while place < len(counts):
        counts[place] += 1
        place += place & -place


def _place_across(rows: list[list[_Spot]]) -> None:
    """Give each spot an x as near to its neighbours' as the order and the widths of its layer allow."""
    for row in rows:
        _settle(row, [0.0] * len(row))
    for sweep in range(_SETTLINGS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            _settle(row, [_wanted_x(spot) for spot in row])


def _wanted_x(spot: _Spot) -> float:
    neighbours = spot.up + spot.down
    if not neighbours:
        return spot.x
    gaps = [] if spot.is_box else [each for each in neighbours if not each.is_box]
    if not gaps or len(gaps) == len(neighbours):
        return _mean_x(neighbours)
    # A long line had better be straight: the more lines leave it or join it here, the less each of them counts.
    share = 0.3 / (len(neighbours) - len(gaps))
    return _mean_x(gaps) * (1 - share) + _mean_x(neighbours) * share


def _mean_x(spots: list[_Spot]) -> float:
    return sum(each.x for each in spots) / len(spots)


def _settle(row: list[_Spot], wanted: list[float]) -> None:
    """Move spots to where they want to be, least squares, none nearer to the next than they have to be.

    With what is to be between them taken off, it is a regression with rising values, which pooling solves: those
    that want to pass each other become a block at their common mean.
    """
    offsets: list[float] = []
    offset = 0.0
    for place, spot in enumerate(row):
        if place:
            offset += _distance(row[place - 1], spot)
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []
    """Of each block the sum of what is wanted, weighed; the weight; the number of spots."""
    for spot, want, offset in zip(row, wanted, offsets, strict=True):
        weight = 1.0 if spot.is_box else 4.0  # a long line had better be straight
        total, count = (want - offset) * weight, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / weight:
            before = blocks.pop()
            total, weight, count = total + before[0], weight + before[1], count + before[2]
        blocks.append((total, weight, count))
    place = 0
    for total, weight, count in blocks:
        for spot, offset in zip(row[place : place + count], offsets[place : place + count], strict=True):
            spot.x = total / weight + offset
        place += count


def _distance(left: _Spot, right: _Spot) -> float:
    gap = GAP_ACROSS if left.is_box and right.is_box else _GAP_OF_A_WAY
    return (left.width + right.width) / 2 + gap


def _finish(boxes: list[_Spot], rows: list[list[_Spot]], passes: list[list[_Spot]]) -> Layout:
    left = min((spot.x - spot.width / 2 for row in rows for spot in row), default=0.0)
    for row in rows:
        for spot in row:
            spot.x -= left
    tops: list[tuple[float, float]] = []
    y = 0.0
    for row in rows:
        height = max(spot.height for spot in row)
        tops.append((y, y + height))
        y += height + GAP_DOWN
    corners = tuple(Point(box.x - box.width / 2, (sum(tops[box.layer]) - box.height) / 2) for box in boxes)
    out, into = _ports(boxes)
    ways = tuple(_points(way, tops, corners, out, into) for way in passes)
    width = max((spot.x + spot.width / 2 for row in rows for spot in row), default=0.0)
    return Layout(corners, ways, width, max(0.0, y - GAP_DOWN))


_Ports = dict[tuple[int, int], float]
"""Of a box and a spot next to it, where on the box's side their line begins or ends."""


def _ports(boxes: Iterable[_Spot]) -> tuple[_Ports, _Ports]:
    """Spread the lines at each box, in the order of where they lead."""
    out: _Ports = {}
    into: _Ports = {}
    for box in boxes:
        for ports, neighbours in ((out, box.down), (into, box.up)):
            ordered = sorted(neighbours, key=lambda spot: spot.x)
            step = min(_PORT, box.width * 0.7 / max(1, len(ordered) - 1))
            for place, spot in enumerate(ordered):
                ports[box.number, spot.number] = box.x + (place - (len(ordered) - 1) / 2) * step
    return out, into


def _points(
    way: list[_Spot], tops: list[tuple[float, float]], corners: tuple[Point, ...], out: _Ports, into: _Ports
) -> tuple[Point, ...]:
    """Return a line's points: upright to the edge of each layer, then across to the next one."""
    first, last = way[0], way[-1]
    start = out.get((first.number, way[1].number), first.x)
    end = into.get((last.number, way[-2].number), last.x)
    points = [Point(start, corners[first.number].y + first.height), Point(start, tops[first.layer][1])]
    for spot in way[1:-1]:
        points += (Point(spot.x, tops[spot.layer][0]), Point(spot.x, tops[spot.layer][1]))
    return (*points, Point(end, tops[last.layer][0]), Point(end, corners[last.number].y))
