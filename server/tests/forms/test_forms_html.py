"""The HTML of forms: for keyboards and screen readers, without script or style in it, for every type that we ship."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from corpus import CORPUS, Key
from form_browser import FormPage
from form_stage import FORM, PAGE, Host, Visit, stored
from hypothesis import given
from hypothesis import strategies as st

from blocks_core import use_library
from blocks_core.schema import BlockType, describe
from blocks_core.testing import memory_library
from blocks_server.forms import Filled, Form, render_form
from blocks_server.forms.naming import id_of, member_name, row_name

PLUGINS = Path(__file__).parents[3] / "plugins"
TYPES = [
    BlockType.from_json(found)
    for path in sorted(PLUGINS.glob("*/src/*/blocks.json"))
    for found in json.loads(path.read_text("utf-8"))["types"]
]


def check(filled: Filled) -> None:
    html = str(render_form(filled, PAGE))
    page = FormPage(html)
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert [one for one, count in Counter(ids).items() if count > 1] == []
    labels = {attributes.get("for") for tag, attributes in page.tags if tag == "label"}
    inside_label = _inside_labels(html)
    for control in page.controls:
        attributes = control.attributes
        if control.tag == "button" or attributes.get("type") == "hidden":
            continue
        named = attributes.get("id") in labels or attributes.get("aria-label") or control.name in inside_label
        assert named, f"{control.name} has no label"
    for tag, attributes in page.tags:
        for target in (attributes.get("aria-describedby") or "").split():
            assert target in ids
        if tag == "a" and (attributes.get("href") or "").startswith("#"):
            assert attributes["href"].removeprefix("#") in ids
        assert tag not in ("script", "style")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert html.count("<fieldset") == html.count("<legend") == html.count("</fieldset>")


def _inside_labels(html: str) -> set[str]:
    found: set[str] = set()
    for part in html.split("<label")[1:]:
        page = FormPage("<label" + part.split("</label>")[0])
        found |= {control.name for control in page.controls}
    return found


@pytest.mark.parametrize("block_type", TYPES, ids=lambda found: found.slug)
def test_each_type_that_we_ship_has_a_sound_form(block_type):
    form = Form.of(block_type.schema, TYPES)
    check(form.show())
    page = FormPage(str(render_form(form.show(), PAGE)))
    check(form.read(page.sent()))
    for name in [one.name for one in page.controls if one.name.endswith("~is") and one.name != "~is"]:
        with_row = form.read(page.sent(press=f"add {name.removesuffix('~is')}"))
        check(with_row)
    for control in page.controls:
        for value, _ in control.options:
            if control.tag == "select":
                check(form.read([*page.sent({control.name: value}), ("~do", "show it")]))


def test_each_kind_of_field_has_a_sound_form():
    with use_library(memory_library()) as library:
        for makers in CORPUS.values():
            for make in makers:
                block = make()
                form = Form.of(describe(type(block)).schema, [describe(Key)])
                check(form.show(library.draft(block, "it").content))
                check(form.read([]))


def test_a_form_with_problems_is_sound():
    visit = Visit(stored(hosts=[Host(name="x")], labels={"a": "b"}))
    visit.send({"hosts[0].name": "", "title": "", "labels[0]~key": "", "secret": "set"})
    check(visit.filled)
    assert 'role="alert"' in visit.html


def test_enter_saves_and_does_not_press_the_first_button_of_a_row():
    buttons = [one for one in Visit(stored(hosts=[Host(name="x")])).page.controls if one.tag == "button"]
    assert "name" not in buttons[0].attributes
    assert "formaction" not in buttons[0].attributes


def test_help_says_what_the_schema_says():
    from pydantic import Field

    from blocks_core import Block

    class Help(Block, slug="html-help"):
        size: int = Field(3, ge=1, lt=10, description="How large.", examples=[4, 5], deprecated=True)

    text = FormPage(str(render_form(Form.of(describe(Help).schema).show(), PAGE))).text
    for said in (
        "Size",
        "How large.",
        "At least 1, less than 10.",
        "Default: 3.",
        "Such as 4, 5.",
        "deprecated",
    ):
        assert said in text


STEPS = st.lists(st.one_of(st.integers(0, 20), st.text(max_size=4)), min_size=1, max_size=4)


def _name(steps: list[int | str]) -> str:
    name = member_name("", "root")
    for step in steps:
        name = row_name(name, step) if isinstance(step, int) else member_name(name, step)
    return name


@given(STEPS, STEPS)
def test_two_places_never_have_one_name_nor_one_id(one, other):
    assert (_name(one) == _name(other)) == (one == other)
    assert (id_of(_name(one)) == id_of(_name(other))) == (one == other)
    assert id_of(_name(one)).replace("-", "").replace("_", "").isalnum()


def test_static_files_are_there_and_ask_nobody_else():
    static = files("blocks_server.forms") / "static"
    for name in ("forms.css", "forms.js", "htmx.min.js", "htmx.LICENSE", "htmx.txt"):
        assert (static / name).is_file()
    assert "//" not in (static / "forms.css").read_text("utf-8").replace("/*", "")
    assert "http" not in (static / "forms.js").read_text("utf-8")


def test_htmx_is_the_file_that_its_note_names():
    from hashlib import sha256

    static = files("blocks_server.forms") / "static"
    digest = sha256((static / "htmx.min.js").read_bytes()).hexdigest()
    assert digest in (static / "htmx.txt").read_text("utf-8")


def test_a_form_is_sent_where_its_page_says():
    html = str(render_form(FORM.show(), PAGE))
    assert 'action="/save"' in html
    assert 'hx-post="/change"' in html
