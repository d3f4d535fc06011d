"""What a logo of a block type may be: a square picture as SVG, and nothing that runs or comes from elsewhere."""

from __future__ import annotations

from xml.etree import ElementTree as ET

MAX_CHARACTERS = 32_768

_REFUSED = (
    "<script",
    "href",
    "<foreignobject",
    "<!entity",
    "<!doctype",
    "javascript:",
    "@import",
    "url(http",
)


def problem_of_logo(svg: str) -> str | None:
    """Return why a text cannot serve as a logo, or None.

    >>> problem_of_logo('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 4"/>')
    'its viewBox is not square'
    """
    if len(svg) > MAX_CHARACTERS:
        return f"it is longer than {MAX_CHARACTERS:,} characters"
    lower = svg.lower()
    refused = next((word for word in _REFUSED if word in lower), None)
    if refused:
        return f"it has {refused!r}: a logo runs nothing and takes nothing from elsewhere"
    try:
        root = ET.fromstring(svg)  # noqa: S314 without entities and documents of others, see above
    except ET.ParseError as error:
        return f"it is no XML: {error}"
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        return "its outermost element is not <svg> of http://www.w3.org/2000/svg"
    if any(name.lower().startswith("on") for element in root.iter() for name in element.attrib):
        return "it has an attribute that runs code (on…)"
    return _problem_of_box(root.get("viewBox", ""))


def _problem_of_box(box: str) -> str | None:
    try:
        left, top, width, height = (float(part) for part in box.replace(",", " ").split())
    except ValueError:
        return "it has no viewBox of four numbers, such as '0 0 64 64'"
    if (left, top) != (0, 0):
        return "its viewBox does not start at 0 0"
    return None if width == height > 0 else "its viewBox is not square"
