"""A drawing as the text of a Mermaid flowchart, which many places show: repositories, wikis, notebooks.

Source:  the syntax of flowcharts, Mermaid 11; texts stand in quotes, their special characters as `#code;`.
"""

from __future__ import annotations

import re
from typing import Final

from blocks_flows.drawing import Box, Drawing, Kind, Line
from blocks_flows.palette import LIGHT

_SHAPES: Final = {
    Kind.TASK: ("[", "]"),
    Kind.MAPPED: ("[[", "]]"),
    Kind.PARAMETER: ("([", "])"),
    Kind.BRANCH: ("{{", "}}"),
    Kind.STEP: ("(", ")"),
}
_ARROWS: Final = {Line.DATA: "-->", Line.MAPPED: "== \N{MULTIPLICATION SIGN} ==>", Line.ORDER: "-.->"}
_LEFT: Final = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
_RIGHT: Final = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
_SPECIAL: Final = re.compile(r"[\"#<>&`\\;{}|*~$]|^[-+=](?= )|(?<=\d)\.(?= )|:(?=/)|(?<=^w)w(?=w)")
"""What ends a text, is markup in one, or would be taken for a list or a link."""

_READ_DECODED: Final = re.compile(r"\\(?=n)|\$(?=\$)|\bfa[a-z]?(?=:fa-)")
"""What would be an end of line, a formula or an icon even if its characters were coded."""
_NOTHING: Final = "\N{ZERO WIDTH SPACE}"


def to_mermaid(drawing: Drawing) -> str:
    """Return a drawing as Mermaid text; the same for the same drawing."""
    lines = ["---", f"title: {_title(drawing.title)}", "---", "flowchart TD"]
    for place, box in enumerate(drawing.boxes):
        opening, closing = _SHAPES[box.kind]
        lines.append(f'    n{place}{opening}"{_text(box)}"{closing}')
    lines += [f"    n{edge.above} {_ARROWS[edge.line]} n{edge.below}" for edge in drawing.edges]
    for kind in drawing.state_types():
        numbers = [f"n{place}" for place, box in enumerate(drawing.boxes) if box.state_type is kind]
        if numbers:
            shade = LIGHT[kind]
            colours = f"fill:{shade.faint},stroke:{shade.strong},color:#1f2328"
            lines += [f"    classDef {kind} {colours}", f"    class {','.join(numbers)} {kind}"]
    return "\n".join(lines) + "\n"


def _text(box: Box) -> str:
    parts = [_escaped(box.label)]
    if box.counts:
        parts += [_escaped(f"{count} {name}") for _type, name, count in box.counts]
    elif box.state_name:
        parts.append(_escaped(box.state_name))
    return "<br/>".join(parts)


def _escaped(text: str) -> str:
    apart = _READ_DECODED.sub(lambda found: f"{found[0]}{_NOTHING}", text)
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", apart)


def _title(text: str) -> str:
    """Return a title as it stands at the top: YAML in double quotes, and what looks like a tag would be left out."""
    plain = text.translate({ord("<"): _LEFT, ord(">"): _RIGHT})
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
