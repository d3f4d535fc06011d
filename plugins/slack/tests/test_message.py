import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_core.messages import Message
from blocks_slack.message import escaped, render

TEXTS = st.text(max_size=40) | st.sampled_from(["&<>" * 2_000, "x" * 9_000, " ", "가" * 4_000])
LINKS = st.none() | st.sampled_from(["https://x.test/1", "file:///a", "https://x.test/" + "y" * 4_000])
MESSAGES = st.builds(
    Message,
    title=TEXTS,
    text=TEXTS,
    level=st.sampled_from(["info", "warning", "error"]),
    facts=st.dictionaries(TEXTS, TEXTS, max_size=3)
    | st.just({f"fact {number}": "v" * 3_000 for number in range(130)}),
    detail=TEXTS,
    link=LINKS,
)


def all_blocks(body):
    return [*body["blocks"], *(block for attached in body["attachments"] for block in attached["blocks"])]


def lengths_and_limits(block):
    match block["type"]:
        case "header":
            yield len(block["text"]["text"]), 150
        case "section" if "fields" in block:
            yield len(block["fields"]), 10
            yield from ((len(field["text"]), 2000) for field in block["fields"])
        case "section":
            yield len(block["text"]["text"]), 3000
        case "actions":
            yield len(block["elements"][0]["url"]), 3000
        case "rich_text":
            yield len(block["elements"][0]["elements"][0]["text"]), 3000
        case "context":
            yield len(block["elements"]), 10
            yield from ((len(element["text"]), 2000) for element in block["elements"])
        case other:
            raise AssertionError(other)


@given(MESSAGES)
def test_any_message_keeps_to_slacks_limits(message):
    body = render(message)
    blocks = all_blocks(body)
    assert body["blocks"]
    assert len(blocks) <= 50
    assert body["text"].strip()
    for block in blocks:
        for length, limit in lengths_and_limits(block):
            assert 0 < length <= limit
    json.dumps(body)


@given(st.text(alphabet="&<>a;", max_size=60), st.integers(5, 40))
def test_escaping_never_leaves_a_control_character_or_half_a_sequence(text, limit):
    found = escaped(text, limit)
    assert len(found) <= limit
    assert not set("<>") & set(found)
    plain = found.replace("&amp;", "+").replace("&lt;", "+").replace("&gt;", "+")
    assert "&" not in plain
    assert found.endswith("…") or found == escaped(text, 10_000)


def test_a_cut_text_shows_an_ellipsis():
    body = render(Message(title="t" * 200, text="x" * 4_000))
    header, section = body["blocks"]
    assert header["text"]["text"] == "t" * 149 + "…"
    assert section["text"]["text"] == "x" * 2_999 + "…"


def test_of_a_long_detail_the_end_is_shown():
    body = render(Message(title="t", detail="first line\n" + "x" * 4_000 + "\nlast line"))
    shown = body["attachments"][0]["blocks"][0]["elements"][0]["elements"][0]["text"]
    assert shown.startswith("…x")
    assert shown.endswith("\nlast line")


def test_more_facts_than_fit_are_counted():
    body = render(Message(title="t", facts={f"f{number}": "v" for number in range(112)}))
    *sections, context = body["attachments"][0]["blocks"]
    assert len(sections) == 10
    assert context["elements"][-1]["text"] == "… and 12 more facts"


def test_nobody_is_called_by_a_text_from_elsewhere():
    body = render(Message(title="<!channel>", text="<!channel> <@U1>", facts={"<!here>": "<!here>"}))
    shown = [
        body["text"],
        body["blocks"][1]["text"]["text"],
        body["attachments"][0]["blocks"][0]["fields"][0]["text"],
    ]
    assert all("<" not in text for text in shown)
    assert body["blocks"][0]["text"]["type"] == "plain_text"  # which calls nobody, whatever it says


@pytest.mark.parametrize("link", ["file:///tmp/log", "javascript:alert(1)", "https://x.test/" + "y" * 3_000])
def test_a_link_that_no_button_takes_is_shown_as_text(link):
    body = render(Message(title="t", link=link))
    assert all(block["type"] != "actions" for block in all_blocks(body))
    assert body["attachments"][0]["blocks"][-1]["elements"][1]["text"].startswith(link[:1_999])


@pytest.mark.parametrize(
    ("level", "colour"), [("info", "#3b7dd8"), ("warning", "#d9a400"), ("error", "#c9302c")]
)
def test_each_level_has_its_colour(level, colour):
    assert render(Message(title="t", level=level))["attachments"][0]["color"] == colour
