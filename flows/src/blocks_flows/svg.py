"""A drawing as SVG: one file that needs no other, light or dark as the viewer is, with tooltips.

Colours are plain rules and a media query, without variables and without scripts: whoever shows it may know no more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

from blocks_flows.drawing import Box, Drawing, Edge, Kind, Line
from blocks_flows.layering import Layout, Point, Span, lay_out
from blocks_flows.palette import DARK, LIGHT, Shade
from blocks_flows.states import StateType

_MARGIN: Final = 24.0
_TITLE_HEIGHT: Final = 34.0
_LEGEND_ROW: Final = 22.0
_FONT: Final = 13.0
_SMALL: Final = 11.0
_STACK: Final = 5.0
"""How far the sheets behind a mapped task look out."""
_MAX_LABEL: Final = 36
"""Characters; the tooltip has them all."""
_MAX_COUNTS: Final = 3
_DOT: Final = "\N{BLACK CIRCLE}"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_HEIGHTS: Final = {
    Kind.TASK: 36.0,
    Kind.MAPPED: 41.0,
    Kind.PARAMETER: 30.0,
    Kind.BRANCH: 34.0,
    Kind.STEP: 28.0,
}
_STATE_HEIGHT: Final = 17.0
_NARROW: Final = frozenset("iIljtfr.,:;'|!()[]{} -/\\\"`")
_WIDE: Final = frozenset("mwMW@%—…")

_STYLE: Final = """\
.flow text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;font-size:13px}
.flow .title{font-size:16px;font-weight:600}
.flow .small{font-size:11px}
.flow .line{fill:none;stroke-width:1.4}
.flow .order{stroke-dasharray:5 4}
.flow .mapped{stroke-width:4}
.flow .inner{fill:none;stroke-width:1.4}
.flow .shape{stroke-width:1.3}"""
_PLAIN: Final = {
    "light": ("#ffffff", "#1f2328", "#59636e", "#ffffff", "#9aa4af", "#7d8894"),
    "dark": ("#14181d", "#e6edf3", "#9aa5b1", "#1f252c", "#5b6672", "#7f8a96"),
}
"""Of paper, text, faint text, boxes without a state, their edges, lines."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What is written in a box, and how large that makes it."""

    label: str
    badge: str
    """How often a mapped task runs."""
    below: str
    """Its state, or those of its runs."""
    width: float
    height: float


def to_svg(drawing: Drawing) -> str:
    """Return a drawing as the text of an SVG file; the same for the same drawing."""
    has_states = any(box.state_type is not None for box in drawing.boxes)
    looks = [_look(box, has_states) for box in drawing.boxes]
    spans = [Span(edge.above, edge.below, edge.line) for edge in drawing.edges]
    layout = lay_out([(look.width, look.height) for look in looks], spans)
    title = f"Flow '{drawing.title}'"
    width = max(layout.width, _text_width(title, 16.0), 240.0) + 2 * _MARGIN
    legend, legend_height = _legend(drawing, width, _MARGIN + _TITLE_HEIGHT + layout.height + _MARGIN)
    height = _MARGIN + _TITLE_HEIGHT + layout.height + _MARGIN + legend_height
    across = (width - layout.width) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="flow" role="img" width="{_n(width)}" '
        f'height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style(drawing.state_types())}</style>",
        f'<rect class="paper" width="{_n(width)}" height="{_n(height)}"/>',
        f'<text class="title" x="{_n(_MARGIN)}" y="{_n(_MARGIN + 14)}">{escape(title)}</text>',
        f'<g transform="translate({_n(across)} {_n(_MARGIN + _TITLE_HEIGHT)})">',
        *_lines(drawing, layout),
        *(
            _box(box, look, corner)
            for box, look, corner in zip(drawing.boxes, looks, layout.corners, strict=True)
        ),
        "</g>",
        *legend,
        "</svg>\n",
    ]
    return "\n".join(parts)


def _look(box: Box, has_states: bool) -> _Look:
    label = box.label if len(box.label) <= _MAX_LABEL else f"{box.label[: _MAX_LABEL - 1]}…"
    badge = ""
    if box.kind is Kind.MAPPED:
        badge = f" {_TIMES} {sum(count for *_state, count in box.counts)}" if box.counts else f" {_TIMES}"
    below = box.state_name
    if box.counts:
        shown = [f"{count} {name}" for _type, name, count in box.counts[:_MAX_COUNTS]]
        below = ", ".join([*shown, *(["…"] if len(box.counts) > _MAX_COUNTS else [])])
    width = max(_text_width(label + badge, _FONT), _text_width(below, _SMALL) + 14.0) + 26.0
    if box.kind is Kind.BRANCH:
        width += 16.0
    if box.kind is Kind.MAPPED:
        width += _STACK
    height = _HEIGHTS[box.kind] + (_STATE_HEIGHT if has_states else 0.0)
    return _Look(label, badge, below, max(64.0, width), height)


def _text_width(text: str, size: float) -> float:
    """Return about how wide a text is: with a wide font, as nobody knows which one there will be."""
    ems = 0.0
    for character in text:
        if character in _NARROW:
            ems += 0.42
        elif unicodedata.east_asian_width(character) in "WF" or character in _WIDE:
            ems += 1.02
        elif not unicodedata.combining(character):
            ems += 0.7 if character.isupper() else 0.635
    return ems * size


def _lines(drawing: Drawing, layout: Layout) -> Iterator[str]:
    """Yield the lines; what several share is drawn once, or the dashes of one would fill the gaps of another."""
    drawn: set[tuple[Line, Point, Point]] = set()
    for edge, way in zip(drawing.edges, layout.ways, strict=True):
        path = ""
        for place, (start, end) in enumerate(pairwise(way)):
            if (edge.line, start, end) not in drawn and start != end:
                drawn.add((edge.line, start, end))
                path += _piece(start, end, is_upright=place % 2 == 0)
        tip = way[-1]
        half = 5.5 if edge.line is Line.MAPPED else 4.0
        head = (
            f"M{_n(tip.x - half)} {_n(tip.y - 7)}L{_n(tip.x)} {_n(tip.y)}L{_n(tip.x + half)} {_n(tip.y - 7)}z"
        )
        line = f'<path class="line {edge.line}" d="{path}"/>' if path else ""
        if path and edge.line is Line.MAPPED:
            line += f'<path class="inner" d="{path}"/>'
        title = escape(_edge_text(drawing, edge))
        yield f'<g><title>{title}</title>{line}<path class="head" d="{head}"/></g>'


def _piece(start: Point, end: Point, *, is_upright: bool) -> str:
    if is_upright or start.x == end.x:
        return f"M{_n(start.x)} {_n(start.y)}L{_n(end.x)} {_n(end.y)}"
    middle = _n((start.y + end.y) / 2)
    return f"M{_n(start.x)} {_n(start.y)}C{_n(start.x)} {middle} {_n(end.x)} {middle} {_n(end.x)} {_n(end.y)}"


def _edge_text(drawing: Drawing, edge: Edge) -> str:
    words = {Line.DATA: "takes the value of", Line.MAPPED: "is mapped over", Line.ORDER: "waits for"}
    return f"{drawing.boxes[edge.below].label} {words[edge.line]} {drawing.boxes[edge.above].label}"


def _box(box: Box, look: _Look, corner: Point) -> str:
    x, y, width, height = corner.x, corner.y, look.width, look.height
    state = f" s-{box.state_type}" if box.state_type is not None else ""
    shapes = ""
    if box.kind is Kind.MAPPED:
        width, height, y = width - _STACK, height - _STACK, y + _STACK
        for step in (_STACK, _STACK / 2):
            shapes += _rectangle(x + step, y - step, width, height, 6.0)
    shapes += _outline(box.kind, x, y, width, height)
    middle = x + width / 2
    first = y + height / 2 + 4.5 - (8.5 if look.below else 0.0)
    badge = f'<tspan class="faint">{escape(look.badge)}</tspan>' if look.badge else ""
    texts = f'<text x="{_n(middle)}" y="{_n(first)}" text-anchor="middle">{escape(look.label)}{badge}</text>'
    if look.below:
        texts += (
            f'<text class="small faint" x="{_n(middle)}" y="{_n(first + 17.0)}" text-anchor="middle">'
            f'<tspan class="dot">{_DOT}</tspan> {escape(look.below)}</text>'
        )
    title, bar = escape(_box_text(box)), _bar(box, x, y, width, height)
    return f'<g class="box{state}"><title>{title}</title>{shapes}{texts}{bar}</g>'


def _outline(kind: Kind, x: float, y: float, width: float, height: float) -> str:
    if kind is Kind.BRANCH:
        cut, right, bottom, middle = 10.0, x + width, y + height, y + height / 2
        points = (
            *((x, middle), (x + cut, y), (right - cut, y)),
            *((right, middle), (right - cut, bottom), (x + cut, bottom)),
        )
        return f'<polygon class="shape" points="{" ".join(f"{_n(a)},{_n(b)}" for a, b in points)}"/>'
    radius = {Kind.PARAMETER: height / 2, Kind.STEP: 12.0}.get(kind, 6.0)
    return _rectangle(x, y, width, height, radius)


def _rectangle(x: float, y: float, width: float, height: float, radius: float) -> str:
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
    return f'<rect class="shape" {place} rx="{_n(radius)}"/>'


def _bar(box: Box, x: float, y: float, width: float, height: float) -> str:
    """Return the shares of a mapped task's states, at the bottom of its box."""
    total = sum(count for *_state, count in box.counts)
    bar, left = "", x + 6.0
    for kind, _name, count in box.counts:
        share = (width - 12.0) * count / total
        bar += (
            f'<rect class="share s-{kind}" x="{_n(left)}" y="{_n(y + height - 5.0)}" '
            f'width="{_n(share)}" height="3"/>'
        )
        left += share
    return bar


def _box_text(box: Box) -> str:
    lines = [f"{box.label} ({box.kind})"]
    if box.state_name:
        lines.append(f"{box.state_name}: {box.message}" if box.message else box.state_name)
    lines += [f"{count} {name}" for _type, name, count in box.counts]
    return "\n".join(lines)


def _legend(drawing: Drawing, width: float, top: float) -> tuple[list[str], float]:
    """Return what explains colours and lines, and how high it is."""
    parts: list[str] = []
    x, y = _MARGIN, top + 4.0
    words = {Line.DATA: "value", Line.MAPPED: "mapped over", Line.ORDER: "waits for"}
    entries: list[tuple[str, StateType | Line]] = [(str(kind), kind) for kind in drawing.state_types()]
    entries += [(words[line], line) for line in drawing.lines()]
    for text, what in entries:
        length = (14.0 if isinstance(what, StateType) else 34.0) + _text_width(text, _SMALL) + 18.0
        if x > _MARGIN and x + length > width - _MARGIN:
            x, y = _MARGIN, y + _LEGEND_ROW
        if isinstance(what, StateType):
            mark = f'<circle class="dot" cx="{_n(x + 5)}" cy="{_n(y)}" r="5"/>'
            parts.append(f'<g class="s-{what}">{mark}{_legend_text(x + 14, y, text)}</g>')
        else:
            path = f'd="M{_n(x)} {_n(y)}L{_n(x + 28)} {_n(y)}"'
            inner = f'<path class="inner" {path}/>' if what is Line.MAPPED else ""
            parts.append(f'<g><path class="line {what}" {path}/>{inner}{_legend_text(x + 34, y, text)}</g>')
        x += length
    return parts, (y - top + _MARGIN if parts else 0.0)


def _legend_text(x: float, y: float, text: str) -> str:
    return f'<text class="small faint" x="{_n(x)}" y="{_n(y + 4)}">{escape(text)}</text>'


def _style(types: list[StateType]) -> str:
    dark = _colours(_PLAIN["dark"], DARK, types)
    return f"{_STYLE}\n{_colours(_PLAIN['light'], LIGHT, types)}\n@media (prefers-color-scheme:dark){{\n{dark}\n}}"


def _colours(plain: tuple[str, ...], shades: dict[StateType, Shade], types: list[StateType]) -> str:
    paper, text, faint, box, edge, line = plain
    rules = [
        f".flow .paper{{fill:{paper}}}",
        f".flow text{{fill:{text}}}",
        f".flow .faint{{fill:{faint}}}",
        f".flow .shape{{fill:{box};stroke:{edge}}}",
        f".flow .line{{stroke:{line}}}",
        f".flow .head{{fill:{line}}}",
        f".flow .inner{{stroke:{paper}}}",
    ]
    for kind in types:
        shade = shades[kind]
        rules.append(f".flow .s-{kind} .shape{{fill:{shade.faint};stroke:{shade.strong}}}")
        rules.append(f".flow .s-{kind} .dot,.flow .share.s-{kind}{{fill:{shade.strong}}}")
    return "\n".join(rules)


def _n(number: float) -> str:
    """Return a number as SVG is written: a tenth of a pixel is enough."""
    return f"{number:.1f}".rstrip("0").rstrip(".")
