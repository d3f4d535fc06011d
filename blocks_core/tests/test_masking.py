"""Secrets are taken out of texts, in every form in which they are written."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from io import StringIO
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from blocks_core import Block
from blocks_core.library import Library
from blocks_core.masking import HIDDEN, SECRETS_IN_USE, Mask, MaskingFilter, without_secrets


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
