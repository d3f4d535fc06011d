import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

import blocks_standard
from blocks_standard import JSON, DateTime, Secret, String


@pytest.mark.parametrize(
    "text", ["123", "true", "null", "", "1.0", '{"a": 1}', "env:HOME", " with spaces ", "가"]
)
def test_a_secret_is_the_text_that_was_given(text):
    assert Secret(value=text).get() == text


@pytest.mark.parametrize("value", [123, None, True, ["a"]])
def test_a_secret_is_a_text_and_nothing_is_made_one(value):
    with pytest.raises(ValidationError):
        Secret(value=value)


def test_a_secret_shows_its_value_nowhere():
    secret = Secret(value="p1anted-5ecret")
    shown = f"{secret!r} {secret} {secret.model_dump()} {secret.model_dump_json()} {secret.check()}"
    assert "p1anted" not in shown


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "x"]}, [], "text", 0, None, False, {"": {}}])
def test_json_is_the_value_that_was_given(value):
    block = JSON(value=value)
    assert block.value == value
    assert type(block.value) is type(value)
    assert JSON.model_validate_json(block.model_dump_json()) == block


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {"b": [-float("inf")]}}])
def test_json_refuses_numbers_that_json_lacks(value):
    with pytest.raises(ValidationError, match="write null or a text"):
        JSON(value=value)


@pytest.mark.parametrize("value", [{1: "a"}, {"a": object()}, {"a": b"x"}, datetime(2026, 1, 1, tzinfo=UTC)])
def test_json_refuses_what_json_cannot_say(value):
    with pytest.raises(ValidationError):
        JSON(value=value)


def test_a_string_is_the_text_that_was_given():
    assert String(value="123").value == "123"
    with pytest.raises(ValidationError):
        String(value=123)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-31T09:00:00+09:00", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T00:00:00Z", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31 00:00:00.5+00:00", datetime(2026, 1, 31, 0, 0, 0, 500_000, tzinfo=UTC)),
        (datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=9))), datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_a_moment_keeps_its_offset(value, moment):
    block = DateTime(value=value)
    assert block.value == moment
    assert DateTime.model_validate_json(block.model_dump_json()).value.utcoffset() == block.value.utcoffset()


@pytest.mark.parametrize("value", ["2026-01-31T09:00:00", "2026-01-31", datetime(2026, 1, 31, 9)])
def test_a_moment_without_a_time_zone_is_refused_with_the_remedy(value):
    with pytest.raises(ValidationError, match=r"no time zone.*\+09:00"):
        DateTime(value=value)


@pytest.mark.parametrize("value", [0, 1_700_000_000, "1700000000", 1.5, None, "yesterday", "", "31.01.2026"])
def test_a_moment_is_never_guessed(value):
    with pytest.raises(ValidationError, match="Write it such as"):
        DateTime(value=value)


def test_every_public_name_is_there_and_no_other():
    assert dir(blocks_standard) == sorted(blocks_standard.__all__)
    for name in blocks_standard.__all__:
        assert getattr(blocks_standard, name).__name__ == name
    with pytest.raises(AttributeError, match="Secrit"):
        _ = blocks_standard.Secrit


def test_a_value_costs_neither_a_file_system_nor_a_client():
    code = "import sys, json; from blocks_standard import Secret; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "blocks_standard.values" in loaded
    assert not {"blocks_standard.file_systems", "fsspec"} & loaded


def test_blocks_are_made_without_importing_what_they_will_need():
    code = (
        "import sys, json; from blocks_standard import *;"
        "LocalFileSystem(), RemoteFileSystem(url='memory://x');"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"fsspec"} & set(json.loads(done.stdout))
