"""What is wrong is said at the field, what was typed stays, and nothing that is sent does harm."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from form_stage import CANARY, FORM, PAGE, Host, Visit, page_of, stored
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from blocks_core import Block
from blocks_core.errors import FieldProblem, LimitExceeded
from blocks_core.schema import describe
from blocks_server.forms import Form, FormTooLarge, render_form


def form_of(annotation: Any) -> Form:
    made = type(Block)(
        "Sample",
        (Block,),
        {"__annotations__": {"value": annotation}, "__module__": __name__},
        slug="problems-sample",
    )
    return Form.of(describe(made).schema)


WRONG = [
    (int, "1.5", "a whole number"),
    (int, "", "is required"),
    (int, "٣", "a whole number"),
    (int, "9" * 5000, "too many digits"),
    (float, "1,5", "a number"),
    (float, "1e999", "too large"),
    (Decimal, "x", "a number"),
    (Annotated[int, Field(ge=3)], "2", "3"),
    (Annotated[int, Field(multiple_of=3)], "4", "3"),
    (Annotated[str, Field(min_length=3)], "ab", "3"),
    (Annotated[str, Field(max_length=3)], "abcd", "3"),
    (Annotated[str, Field(pattern="^a+$")], "b", "a"),
    (bytes, "no base64!", "base64"),
    (dict, "", ""),
    (Any, "{", "is no JSON: line 1, column 2"),
    (Any, '{"a": 1, "a": 2}', "twice"),
    (Any, "NaN", "no number of JSON"),
    (Any, "[" * 200 + "]" * 200, "deeper than 100"),
    (Any, "[" * 200_000, "deeper than 100"),
    (Any, "9" * 5000, "too many digits"),
]


@pytest.mark.parametrize(("annotation", "text", "said"), WRONG)
def test_a_value_that_does_not_fit_is_said_at_the_field_and_stays(annotation, text, said):
    form = form_of(annotation)
    shown = page_of(form.show())
    if "value" not in shown.names():
        return
    filled = form.read(shown.sent({"value": text}))
    assert said in filled.problems["value"]
    assert filled.answer is None
    page = page_of(filled)
    assert page.control("value").value == text
    assert page.control("value").attributes["aria-invalid"] == "true"
    if len(text) > 10:
        assert text not in filled.problems["value"]


@pytest.mark.parametrize("kind", ["date", "datetime", "time", "timedelta", "UUID"])
def test_what_is_no_date_or_time_is_said_with_an_example(kind):
    annotation = {"date": date, "datetime": datetime, "time": time, "timedelta": timedelta, "UUID": UUID}[
        kind
    ]
    assert "such as" in form_of(annotation).read([("~is", "given"), ("value", "soon")]).problems["value"]


def test_null_is_told_from_the_empty_text():
    visit = Visit(stored(note=""))
    assert "checked" in visit.page.control("note~empty").attributes
    assert visit.send().answer.content.data["note"] == ""
    assert visit.send(without=("note~empty",)).answer.content.data["note"] is None
    assert visit.send({"note~empty": "yes"}).answer.content.data["note"] == ""


def test_a_required_text_is_asked_for_and_may_be_empty_where_that_is_meant():
    visit = Visit()
    assert visit.send().problems == {"title": "is required"}
    assert visit.send({"title~empty": "yes"}).answer.content.data["title"] == ""


def test_problems_stand_at_their_fields_and_in_a_summary_with_links():
    visit = Visit(stored(hosts=[Host(name="a")]))
    visit.send({"title": "", "hosts[0].port": "99999"})
    assert set(visit.filled.problems) == {"title"}  # what cannot be read comes before what does not fit
    visit.send({"title": "x"})
    assert set(visit.filled.problems) == {"hosts[0].port"}
    (link,) = [attributes["href"] for tag, attributes in visit.page.tags if tag == "a"]
    assert link == f"#{visit.page.control('hosts[0].port').attributes['id']}"
    assert "Hosts > Item 1 > Port" in visit.page.text


def test_what_a_registry_finds_lands_on_the_field_or_on_the_nearest_around_it():
    filled = Visit(stored(labels={"a.b": "x"}, hosts=[Host(name="a")])).send()
    found = filled.with_problems(
        [
            FieldProblem("hosts.0.name", "is taken"),
            FieldProblem("labels.a.b", "is odd"),
            FieldProblem("hosts.0.name.deeper", "too"),
            FieldProblem("", "is a whole that does not fit"),
            FieldProblem("nowhere", "is unknown"),
        ]
    )
    assert found.answer is None
    assert found.problems["hosts[0].name"] == "is taken; hosts.0.name.deeper: too"
    assert found.problems["labels[0]"] == "is odd"
    assert found.problems[""] == "is a whole that does not fit; nowhere: is unknown"
    assert "is a whole that does not fit" in page_of(found).text


def test_what_is_read_only_is_not_changed_by_what_is_sent():
    made = type(Block)(
        "Sample",
        (Block,),
        {
            "__annotations__": {"value": int},
            "value": Field(3, json_schema_extra={"readOnly": True}),
            "__module__": __name__,
        },
        slug="problems-sample",
    )
    form = Form.of(describe(made).schema)
    from blocks_core.codec import encode_block

    content = encode_block(made(value=5), address="it")
    assert (
        form.read([("~is", "given"), ("value", "9"), ("value~as", "json")], content).answer.content == content
    )


HOSTILE = (
    "</textarea></script><script>alert('1')</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}&lt;\0\ud800\x1b"
)


def test_hostile_words_around_fields_are_text():
    schema = {
        "type": "object",
        "title": HOSTILE,
        "properties": {
            HOSTILE: {
                "type": "string",
                "title": HOSTILE,
                "description": HOSTILE,
                "examples": [HOSTILE],
                "default": HOSTILE,
            },
            "choice": {"enum": [HOSTILE, "x"], "title": HOSTILE, "default": HOSTILE},
            "union": {"anyOf": [{"type": "integer", "title": HOSTILE}, {"type": "string", "title": HOSTILE}]},
            "map": {"type": "object", "additionalProperties": True, "default": {HOSTILE: HOSTILE}},
            "fixed": {"const": HOSTILE, "title": HOSTILE},
            "read": {"type": "string", "readOnly": True, "default": HOSTILE},
        },
    }
    form = Form.of(schema)
    filled = form.show()
    page = page_of(filled)
    assert {tag for tag, _ in page.tags} <= {
        *(
            "form",
            "button",
            "input",
            "div",
            "label",
            "p",
            "span",
            "select",
            "option",
            "fieldset",
            "legend",
            "ol",
        ),
        *("li", "textarea", "output", "optgroup"),
    }
    read = form.read(page.sent())
    assert not read.problems
    assert read.answer.content.data[HOSTILE] == HOSTILE
    assert read.answer.content.data["map"] == {HOSTILE: HOSTILE}
    wrong = read.with_problems([FieldProblem("choice", HOSTILE), FieldProblem("", HOSTILE)])
    assert not [tag for tag, _ in page_of(wrong).tags if tag in ("script", "img")]


NAMES = (
    "title note hosts~row hosts~is hosts[0].name hosts[0]~is labels~row labels[1]~key pet~branch pet~is secret "
    "secret~ref login login~is login.user ~do ~is keys~row keys~is title~as pet~as pet hosts~as hosts raw number "
    "labels[0]~key~as labels labels[0] login~address hosts~do"
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["given", "json", "0", "1", "-1", "99999999999999", "٣", "keep", "set", "ref", "inside:stage-login"]
    ),
    st.sampled_from(
        ["add hosts", "remove hosts[0]", "up hosts[x]", "down labels[0]", "open pet", "close ", "inside:"]
    ),
)


@given(st.lists(st.tuples(st.sampled_from(NAMES.split()), VALUES), max_size=40), st.booleans())
def test_whatever_is_sent_is_read_and_shown_again(pairs, is_new):
    content = None if is_new else stored(hosts=[Host(name="x")], labels={"a": "b"})
    filled = FORM.read([("~is", "given"), *pairs], content)
    page_of(filled)
    if filled.answer is not None:
        assert json.dumps(filled.answer.content.to_json())
        again = FORM.show(filled.answer.content)
        assert not again.problems


@given(st.text(max_size=200), st.text(max_size=200))
def test_texts_come_back_as_they_were_typed(title, key):
    content = stored(title=title, note=key, labels={key: title})
    visit = Visit(content)
    assert visit.send().answer.content == content


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = (
    "type properties items anyOf oneOf allOf $ref enum const default prefixItems title additionalProperties "
    "patternProperties required minItems writeOnly format x-block-type $defs propertyNames x-decimal readOnly "
    "examples description not contentEncoding discriminator"
)
SCHEMAS = st.dictionaries(
    st.sampled_from(WORDS.split()),
    st.one_of(
        JSON,
        st.sampled_from(["object", "array", "string", "integer", "null", "#/$defs/a", ["string", "null"]]),
    ),
    max_size=6,
)


@given(st.dictionaries(st.text(max_size=3), SCHEMAS, max_size=3), SCHEMAS)
def test_no_schema_breaks_a_form(properties, definition):
    schema = {"type": "object", "properties": properties, "$defs": {"a": definition}}
    form = Form.of(schema)
    page = page_of(form.show())
    page_of(form.read(page.sent()))


def test_a_schema_that_is_too_deep_is_an_error_of_its_own():
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    with pytest.raises(FormTooLarge, match="deeper than 60 levels"):
        Form.of(schema)
    assert issubclass(FormTooLarge, LimitExceeded)


def test_a_schema_that_doubles_at_each_level_is_an_error_of_its_own():
    definitions = {
        f"d{number}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/d{number + 1}"}] * 2}
        for number in range(40)
    }
    with pytest.raises(FormTooLarge):
        Form.of({"$ref": "#/$defs/d0", "$defs": definitions})


def test_too_many_inputs_are_an_error_of_their_own():
    with pytest.raises(FormTooLarge, match="200,000 inputs"):
        FORM.read(("title", "") for _ in range(300_000))
    with pytest.raises(FormTooLarge, match="characters"):
        FORM.read([("title", "x" * 17_000_000)])
    rows = [
        ("~is", "given"),
        ("hosts~is", "given"),
        *(("hosts~row", str(number)) for number in range(60_000)),
    ]
    with pytest.raises(FormTooLarge, match="100,000 values"):
        FORM.read(rows)


class Tree(Block, slug="problems-tree"):
    children: list[Tree] = []


def test_what_is_sent_too_deep_is_an_error_of_its_own():
    form = Form.of(describe(Tree).schema, [describe(Tree)])
    pairs, name = [("~is", "given")], ""
    for _ in range(150):
        name = f"{name}.children" if name else "children"
        pairs += [(f"{name}~is", "given"), (f"{name}~row", "0")]
        name = f"{name}[0]"
        pairs += [(name, "inside:problems-tree"), (f"{name}~is", "given")]
    with pytest.raises(FormTooLarge):
        form.read(pairs)
    with suppress(FormTooLarge):  # and what is just not too deep is shown
        assert render_form(form.read(pairs[:120]), PAGE)


def test_a_deep_document_is_shown_and_read():
    block = Tree()
    for _ in range(30):
        block = Tree(children=[block])
    from blocks_core.codec import encode_block

    content = encode_block(block, address="it")
    form = Form.of(describe(Tree).schema, [describe(Tree)])
    assert form.read(page_of(form.show(content)).sent(), content).answer.content == content


def test_a_canary_stands_in_no_repr():
    filled = FORM.read([("~is", "given"), ("title", CANARY)])
    assert CANARY not in repr(filled) + repr(filled.root) + repr(filled.answer)
