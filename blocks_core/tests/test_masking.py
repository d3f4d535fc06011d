"""Secrets are taken out of texts, in every form in which they are written."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from datetime import date
from io import StringIO
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from blocks_core import Block
from blocks_core.library import Library
from blocks_core.mask import texts_of_bytes
from blocks_core.masking import (
    HIDDEN,
    SECRETS_IN_USE,
    Mask,
    MaskingFilter,
    secret_texts,
    without,
    without_secrets,
)


class Holder(Block, slug="mask-holder"):
    """Holds secrets of all kinds."""

    text: SecretStr
    raw: SecretBytes = SecretBytes(b"")
    value: Secret[dict[str, list[str]]] = Secret({})
    inner: dict[str, Holder] = {}


secrets = st.text(min_size=4, max_size=30).filter(lambda text: HIDDEN not in text)


@given(secrets, st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_found_however_it_is_written(secret: str, before: str, after: str) -> None:
    mask = Mask([secret])
    for written in (
        secret,
        quote(secret, safe="", errors="replace"),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    ):
        shown = mask.hide(before + written + after)
        assert HIDDEN in shown
        assert written not in shown.replace(HIDDEN, "\x00") or written in before + after


@given(
    st.text("abcdefXYZ0123456789+/", min_size=9, max_size=30), st.binary(max_size=9), st.binary(max_size=9)
)
def test_a_secret_is_found_inside_of_base64(secret: str, before: bytes, after: bytes) -> None:
    assert HIDDEN in Mask([secret]).hide(b64encode(before + secret.encode() + after).decode())


@given(
    st.text("ab", min_size=1, max_size=6), st.text("ab", min_size=1, max_size=6), st.text("abc", max_size=20)
)
def test_overlapping_secrets_leave_nothing_of_either(one: str, other: str, text: str) -> None:
    shown = Mask([one, other]).hide(text)
    assert one not in shown
    assert other not in shown


def test_a_text_without_secrets_is_left_as_it_is() -> None:
    assert Mask(["planted"]).hide("nothing to see") == "nothing to see"
    assert Mask().hide("nothing to see") == "nothing to see"


def test_short_secrets_are_looked_for_only_where_asked() -> None:
    assert Mask(["ab"]).hide("cab") == f"c{HIDDEN}"
    assert Mask(["ab"], min_characters=4).hide("cab") == "cab"


def test_the_lines_of_a_key_are_found_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    assert "kqhkiG9w0BAQEF" not in Mask([key]).hide("at line kqhkiG9w0BAQEF of it")


@pytest.mark.parametrize("way", ["save", "load"])
def test_the_secrets_of_blocks_in_use_are_known(library: Library, way: str) -> None:
    planted = [f"{way}-planted-{kind}" for kind in ("text", "raw", "value", "inner")]
    holder = Holder(
        text=SecretStr(planted[0]),
        raw=SecretBytes(planted[1].encode()),
        value=Secret({"k": [planted[2]]}),
        inner={"i": Holder(text=SecretStr(planted[3]))},
    )
    holder.save("one")
    if way == "load":
        SECRETS_IN_USE.__init__(min_characters=4)  # as a new process begins
        Holder.load("one")
    shown = SECRETS_IN_USE.hide(" ".join(planted))
    assert not [secret for secret in planted if secret in shown]


def test_the_filter_masks_messages_arguments_and_tracebacks(library: Library) -> None:
    Holder(text=SecretStr("planted-in-a-log")).save("one")
    logger, stream = logging.Logger("masked"), StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(MaskingFilter())
    logger.addHandler(handler)
    logger.warning("connecting with %s", "planted-in-a-log")
    try:
        raise RuntimeError("refused: planted-in-a-log")
    except RuntimeError:
        logger.exception("it failed")
    logger.info("plain %d", 5)
    assert "planted-in-a-log" not in stream.getvalue()
    assert stream.getvalue().count(HIDDEN) == 3
    assert "plain 5" in stream.getvalue()
    assert "RuntimeError: refused" in stream.getvalue()


@dataclass
class Pair:
    secret: SecretStr


class Loose(BaseModel, extra="allow"):
    pass


class Hider(Block, slug="mask-hider"):
    """Holds secrets where they are easily overlooked."""

    pair: Pair
    loose: Loose
    pin: Secret[int]
    recent: deque[SecretStr]


def test_secrets_are_found_in_dataclasses_extra_fields_numbers_and_deques(library: Library) -> None:
    hider = Hider(
        pair=Pair(SecretStr("in-a-dataclass")),
        loose=Loose(x=SecretStr("in-an-extra")),  # pyright: ignore[reportCallIssue]
        pin=Secret[int](80127364),
        recent=deque([SecretStr("in-a-deque")]),
    )
    text = "in-a-dataclass in-an-extra 80127364 in-a-deque"
    assert without_secrets(hider, text) == " ".join([HIDDEN] * 4)
    hider.save("one")
    assert SECRETS_IN_USE.hide("pin 80127364") == f"pin {HIDDEN}"


def test_a_secret_that_is_no_valid_text_is_saved_and_found(library: Library) -> None:
    Holder(text=SecretStr("half\ud800planted")).save("one")
    assert Holder.load("one").text.get_secret_value() == "half\ud800planted"
    assert SECRETS_IN_USE.hide("half\ud800planted") == HIDDEN


def test_a_very_long_secret_is_found_whole_and_by_its_beginning() -> None:
    secret = "0123456789" * 100_000
    mask = Mask([secret])
    assert mask.hide(f"a {secret} b") == f"a {HIDDEN} b"
    assert sum(len(form) for forms in mask._forms.values() for form in forms) < 2_000_000


def ways_to_write(secret: str) -> dict[str, str]:
    """Return how programs write a secret: by the standard's own functions, not by those that are tested."""
    raw = secret.encode()
    ways = {
        "plain": secret,
        "JSON": json.dumps(secret)[1:-1],
        "JSON in UTF-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "JSON inside of JSON": json.dumps(json.dumps(secret))[3:-3],
        "URL": quote(secret, safe=""),
        "URL in small letters": re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
        "path of a URL": quote(secret),
        "query of a URL": urlencode({"q": secret})[2:],
        "Python": repr(secret)[1:-1],
    }
    if len(raw) >= 8:
        for shift in range(3):
            text = b64encode(b"x" * shift + raw + b"yy").decode()
            ways[f"base64, {shift} before it"] = text[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6]
            ways[f"URL base64, {shift} before it"] = (
                ways[f"base64, {shift} before it"].replace("+", "-").replace("/", "_")
            )
    return ways


letters = st.text(
    st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4, max_size=24
).filter(lambda text: text.strip() == text)
"""Secrets: with a `*` one could be what stands for it, and white space around one is looked for without it, too."""


@given(st.lists(letters, min_size=1, max_size=6), st.data())
def test_of_no_secret_is_any_form_left_in_any_text(planted: list[str], data: st.DataObject) -> None:
    mask = Mask(planted, min_characters=4)
    written = [way for secret in planted for way in ways_to_write(secret).values()]
    piece = (
        st.sampled_from(written) | st.text(max_size=6) | st.sampled_from(planted).map(lambda text: text[:3])
    )
    text = "".join(data.draw(st.lists(piece, max_size=10)))
    shown = mask.hide(text)
    left = [way for way in written if len(way) >= 4 and way in shown]
    assert left == []
    assert mask.hide(shown) == shown
    for place in shown.split(HIDDEN):  # what is left of the text was in it, in this order
        assert place in text
        text = text[text.index(place) + len(place) :]


@given(
    st.lists(st.text("abcdefgh", min_size=4, max_size=8), max_size=5), st.text("ijklmnop \n%=+/", max_size=60)
)
def test_a_text_that_has_no_secret_in_it_is_not_changed(planted: list[str], text: str) -> None:
    assert Mask(planted, min_characters=4).hide(text) is text


@given(st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=5), st.text("abc", max_size=20))
def test_a_short_secret_is_left_in_what_a_process_writes_and_never_a_longer_one(
    planted: list[str], text: str
) -> None:
    shown = Mask(planted, min_characters=4).hide(text)
    assert not [secret for secret in planted if len(secret) >= 4 and secret in shown]
    if all(len(secret) < 4 for secret in planted):
        assert shown == text


def test_the_forms_of_secrets_that_programs_write_in_odd_ways() -> None:
    mask = Mask(["pass word/+%", "  padded-by-spaces\n", "line-one-of-it\nshort\nline-three-of-it"])
    for text in (
        "https://h/pass%20word/+%25",
        "q=pass+word%2F%2B%25",
        "q=pass%20word%2f%2b%25",
        r"{\"a\": \"pass word/+%\"}",
        "padded-by-spaces",
        "at line-three-of-it",
    ):
        assert HIDDEN in mask.hide(text), text
    assert mask.hide("short") == "short"


@given(st.binary(min_size=6, max_size=30).filter(lambda raw: b"*" not in raw), st.binary(max_size=4))
def test_bytes_that_are_no_text_are_found_as_base64_and_python_write_them(raw: bytes, before: bytes) -> None:
    mask = Mask(texts_of_bytes(raw + b"\xff\xfe"), min_characters=4)
    whole = b64encode(before + raw + b"\xff\xfe").decode()
    assert HIDDEN in mask.hide(whole)
    assert HIDDEN in mask.hide(repr(raw + b"\xff\xfe"))
    assert mask.hide("\ufffd" * 20) == "\ufffd" * 20


def test_what_a_secret_holds_inside_is_found_too() -> None:
    inner = Secret({"a": [SecretStr("in-another-secret")], "b": UUID(int=5), "c": date(2026, 1, 2)})
    text = f"in-another-secret {UUID(int=5)} 2026-01-02"
    assert without(text, secret_texts({"x": inner})) == " ".join([HIDDEN] * 3)


def test_the_filter_masks_the_stack_too(library: Library) -> None:
    SECRETS_IN_USE.add(["planted_in_a_stack"])
    logger, stream = logging.Logger("stacked"), StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(MaskingFilter())
    logger.addHandler(handler)
    logger.warning("where %s", "planted_in_a_stack", stack_info=True)
    assert "planted_in_a_stack" not in stream.getvalue()
    assert "Stack (most recent call last)" in stream.getvalue()


@given(st.text(min_size=1), st.sampled_from([0, 20_000]))
def test_a_secret_is_found_in_a_text_exactly_where_it_would_be_hidden(text, length) -> None:
    mask = Mask(["ab", "x y"])
    text += "." * length
    assert mask.is_in(text) is (mask.hide(text) != text)
    for form in ("ab", "x%20y", json.dumps({"a": "x y"})):
        assert mask.is_in(text + form)
    assert not Mask().is_in(text)
