"""A logo is a square picture, and runs nothing."""

from __future__ import annotations

import pytest

from blocks_core.logos import MAX_CHARACTERS, problem_of_logo

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">{}</svg>'


def test_plain_shapes_are_a_logo() -> None:
    assert problem_of_logo(SVG.format('<title>S3</title><rect width="9" height="9" fill="#fff"/>')) is None


@pytest.mark.parametrize(
    ("svg", "why"),
    [
        (SVG.format("<script>alert(1)</script>"), "<script"),
        (SVG.format('<a HREF="x"/>'), "href"),
        (SVG.format('<path onload="alert(1)"/>'), "runs code"),
        (SVG.format("<style>@import 'x'</style>"), "@import"),
        (SVG.format('<rect fill="url(http://x)"/>'), "url(http"),
        (SVG.format("<foreignObject/>"), "<foreignobject"),
        ('<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format("&a;"), "<!entity"),
        (SVG.format("<path>"), "no XML"),
        ("", "no XML"),
        ('<svg viewBox="0 0 8 8"/>', "outermost element"),
        (SVG.format("").replace("0 0 64 64", "0 0 64 32"), "not square"),
        (SVG.format("").replace("0 0 64 64", "1 0 64 64"), "start at 0 0"),
        (SVG.format("").replace("0 0 64 64", "0 0 0 0"), "not square"),
        (SVG.format("").replace("0 0 64 64", "a b c d"), "four numbers"),
        (SVG.format("").replace(' viewBox="0 0 64 64"', ""), "four numbers"),
        (SVG.format(" " * MAX_CHARACTERS), "longer than"),
    ],
)
def test_what_is_no_logo_is_told_why(svg: str, why: str) -> None:
    assert why in (problem_of_logo(svg) or "")
