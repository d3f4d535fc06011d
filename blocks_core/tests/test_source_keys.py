import json
import logging
import traceback

import pytest

from blocks_core.errors import SecretUnresolved
from blocks_core.masking import MaskingFilter
from blocks_core.source_keys import SourceKey

PLACE = "Secret 'db' of a source"


def member(key, value):
    return SourceKey.parse(key).pick(value, PLACE).get_secret_value()


@pytest.mark.parametrize("value", [b"hunter2", b"", b"\x00\xff", b'{"a": 1}', b"  spaces "])
def test_a_name_alone_is_the_whole_secret_as_it_is(value):
    assert member("db", value) == value


def test_a_member_that_is_a_text_is_that_text_and_any_other_its_json():
    stored = json.dumps(
        {"user": "etl", "port": 5432, "on": True, "hosts": ["ä"], "a#b": "x", "": "y"}
    ).encode()
    assert member("db#user", stored) == b"etl"
    assert member("db#port", stored) == b"5432"
    assert member("db#on", stored) == b"true"
    assert member("db#hosts", stored) == '["ä"]'.encode()
    assert member("db#a#b", stored) == b"x"


@pytest.mark.parametrize("key", ["", " ", "#", "#user", "db#", "db\n", "db#us\x00er", "\u202edb"])
def test_a_key_with_an_empty_part_or_hidden_characters_is_refused(key):
    with pytest.raises(SecretUnresolved, match="NAME#MEMBER"):
        SourceKey.parse(key)


@pytest.mark.parametrize(
    "value", [b'["hunter2"]', b'"hunter2"', b"hunter2", b"\xffhunter2", b'{"a": "hunter2"', b"[" * 200_000]
)
def test_a_secret_that_is_no_object_has_no_member_and_the_error_does_not_show_it(value):
    with pytest.raises(SecretUnresolved, match="no JSON object") as caught:
        member("db#user", value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("stored", [{"password": "hunter2"}, {"user": None, "password": "hunter2"}])
def test_a_member_that_is_not_there_or_null_is_refused_without_showing_the_others(stored):
    with pytest.raises(SecretUnresolved, match=r"'user'.*Check the part after") as caught:
        member("db#user", json.dumps(stored).encode())
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_what_was_picked_is_taken_out_of_log_lines(caplog):
    caplog.handler.addFilter(MaskingFilter())
    picked = member("db#password", b'{"password": "a-picked-p4ssword"}')
    logging.getLogger("user").warning("it is %s", picked.decode())
    assert "**********" in caplog.text
    assert "a-picked" not in caplog.text
