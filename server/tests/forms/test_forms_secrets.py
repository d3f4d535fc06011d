"""Secrets in forms: kept, set, cleared or named; never sent to a browser, not even those that were just typed."""

from __future__ import annotations

import traceback
from base64 import b64encode

import pytest
from form_stage import CANARY, FORM, Host, Visit, stored
from pydantic import Secret, SecretBytes, SecretStr

from blocks_core import SecretRef
from blocks_core.codec import encode_block
from blocks_server.forms import FormTooLarge


def whole() -> dict[str, object]:
    return {
        "secret": SecretStr(CANARY),
        "raw": SecretBytes(CANARY.encode()),
        "number": Secret(51067),
        "keys": {"a": SecretStr(CANARY)},
        "hosts": [Host(name="x", token=SecretStr(CANARY))],
    }


def test_secrets_are_not_shown_even_where_they_are_at_hand():
    from form_stage import Stage

    content = encode_block(Stage(title="a", **whole()), address="it")
    assert content.secrets
    visit = Visit(content)
    for secret in (CANARY, "51067", b64encode(CANARY.encode()).decode()):
        assert secret not in visit.html
        assert secret not in repr(visit.filled) + repr(visit.filled.root) + repr(visit.send().answer)
    assert not visit.filled.answer.content.secrets


def test_each_secret_is_kept_where_nobody_touches_it():
    answer = Visit(stored(**whole())).send().answer
    places = {"/secret", "/raw", "/number", "/keys/a", "/hosts/0/token"}
    assert answer.kept == {place: place for place in places}
    assert answer.cleared == ()


def test_a_secret_is_set():
    visit = Visit(stored(**whole()))
    answer = visit.send(
        {
            "secret": "lines",
            "secret~lines": f"-----BEGIN\n{CANARY}\n",
            "raw": "set",
            "raw~value": "ü",
            "number": "lines",
            "number~lines": " 7 ",
            "keys[0]": "set",
            "keys[0]~value": " spaces stay ",
        }
    ).answer
    assert answer.content.secrets["/secret"].data == f"-----BEGIN\n{CANARY}\n"
    assert answer.content.secrets["/raw"].to_json() == {"data": "w7w=", "marks": {"": "bytes"}, "secrets": {}}
    assert answer.content.secrets["/number"].data == 7
    assert answer.content.secrets["/keys/a"].data == " spaces stay "
    assert answer.content.marks["/number"] == "secret:value"
    assert answer.kept == {"/hosts/0/token": "/hosts/0/token"}


def test_secret_bytes_are_set_in_base64():
    visit = Visit(stored())
    assert visit.send({"raw": "base64", "raw~value": "AP8="}).answer.content.secrets["/raw"].data == "AP8="
    assert "base64" in visit.send({"raw": "base64", "raw~value": "no base64!"}).problems["raw"]


def test_a_secret_is_cleared():
    answer = Visit(stored(**whole())).send({"secret": "none"}).answer
    assert answer.content.data["secret"] is None
    assert "/secret" not in answer.content.marks
    assert answer.cleared == ("/secret",)


def test_a_secret_is_named_where_it_is_kept():
    visit = Visit(stored(secret=SecretRef("env:TOKEN")))
    assert visit.page.control("secret~ref").value == "env:TOKEN"
    answer = visit.send({"secret~ref": " file:/run/token "}).answer
    assert answer.content.data["secret"] == "file:/run/token"
    assert answer.content.marks["/secret"] == "secretref:str"
    answer = visit.send({"raw": "ref", "raw~ref": "aws-secret/prod/key"}).answer
    assert answer.content.marks["/raw"] == "secretref:bytes"


def test_what_is_no_reference_may_be_a_secret_and_is_not_shown_again():
    visit = Visit(stored())
    visit.send({"secret": "ref", "secret~ref": CANARY})
    assert "is no secret reference" in visit.filled.problems["secret"]
    assert CANARY not in visit.html
    assert visit.page.control("secret").value == "ref"


def test_a_typed_secret_does_not_come_back_with_the_errors_of_other_fields():
    visit = Visit(stored())
    visit.send(
        {"title": "", "secret": "set", "secret~value": CANARY, "number": "lines", "number~lines": CANARY}
    )
    assert set(visit.filled.problems) == {"title", "number"}
    assert CANARY not in visit.html
    assert "has no value yet" in visit.send({"title": "x", "number": "none"}).problems["secret"]


def test_there_is_nothing_to_keep_in_what_is_new():
    visit = Visit()
    pairs = [pair for pair in visit.page.sent({"title": "x"}) if pair[0] != "secret"]
    filled = FORM.read([*pairs, ("secret", "keep")])
    assert filled.problems == {"secret": "has no secret to keep. Set one"}


def test_a_secret_that_is_kept_in_another_place_than_a_secrets_gives_nothing_away():
    """What was sent names no place, so a sender cannot have a secret copied to a field that shows it."""
    content = stored(secret=SecretStr(CANARY), note="x")
    pairs = [
        ("~is", "given"),
        ("title", "a"),
        ("note", "keep"),
        ("secret", "keep"),
        ("secret~origin", "/note"),
    ]
    answer = FORM.read(pairs, content).answer
    assert answer.content.data["note"] == "keep"
    assert answer.kept == {"/secret": "/secret"}


def test_errors_and_their_traces_hold_no_secret():
    pairs = [("secret", "set"), ("secret~value", CANARY)] * 200_000
    with pytest.raises(FormTooLarge) as caught:
        FORM.read(pairs)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_secrets_inside_json_stay_with_what_was_not_changed():
    from typing import Any

    from blocks_core import Block
    from blocks_core.schema import describe
    from blocks_server.forms import Form

    class Free(Block, slug="stage-free"):
        value: Any = None

    block = Free(value={"a": SecretStr(CANARY), "b": [SecretStr(CANARY), 1], "c": (1, 2)})
    content = encode_block(block, address="it")
    visit = Visit(content, form=Form.of(describe(Free).schema))
    assert CANARY not in visit.html
    answer = visit.send({"value": '{"b": [null, 2], "c": [3], "d": 1}'}).answer
    assert answer.kept == {"/value/b/0": "/value/b/0"}
    assert answer.cleared == ("/value/a",)
    assert answer.content.marks["/value/c"] == "tuple"
