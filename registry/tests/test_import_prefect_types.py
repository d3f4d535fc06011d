"""What Prefect's types become here, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from blocks_registry.importing.mapping import Mapped, Unmapped
from blocks_registry.importing.prefect_types import PREFECT


def mapped(kind: str, **fields: Any) -> Mapped:
    found = PREFECT.map(kind, fields)
    assert isinstance(found, Mapped)
    return found


def reason(kind: str, **fields: Any) -> str:
    found = PREFECT.map(kind, fields)
    assert isinstance(found, Unmapped)
    assert "pl4nted" not in found.reason
    return found.reason


@pytest.mark.parametrize("value", ["123", "true", '{"a": 1}', " x ", "null"])
def test_a_secret_that_is_a_text_stays_that_text(value: str) -> None:
    assert mapped("secret", value=value).fields == {"value": value}
    assert mapped("secret", value=value).notes == ()


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), ({"b": 1, "a": None}, '{"a": null, "b": 1}'), ([1], "[1]")]
)
def test_a_secret_that_is_no_text_is_kept_as_json_and_that_is_said(value: Any, text: str) -> None:
    found = mapped("secret", value=value)
    assert found.fields == {"value": text}
    assert "json.loads(block.get())" in found.notes[0]


def test_options_of_a_file_system_are_split_into_shown_ones_and_secrets() -> None:
    settings = {
        "username": "etl",
        "port": 22,
        "key": "AK",
        "password": "pl4nted",
        "api_key": "pl4nted",
        "aws_secret_access_key": "pl4nted",
        "proxy": "http://joe:pl4nted@proxy:3128",
        "pem": "-----BEGIN PRIVATE KEY-----pl4nted",
        "client_kwargs": {"endpoint_url": "http://localhost:9000"},
    }
    found = mapped("remote-file-system", basepath="sftp://h/x", settings=settings).fields
    assert set(found["options"]) == {"username", "port", "key", "client_kwargs"}
    assert set(found["secret_options"]) == {"password", "api_key", "aws_secret_access_key", "proxy", "pem"}
    assert "pl4nted" not in str(found["options"])
    assert mapped("remote-file-system", basepath="sftp://h/x", settings={}).fields == {"url": "sftp://h/x"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"client_kwargs": {"aws_secret_access_key": "pl4nted"}},
            "'client_kwargs' looks as if it held a secret",
        ),
        ({"hosts": [{"x": {"token": "pl4nted"}}]}, "'hosts' looks as if it held a secret"),
        ({"kwargs": {"url": "http://a:pl4nted@h"}}, "'kwargs' looks as if it held a secret"),
        ({"urls": ["http://a:pl4nted@h"]}, "'urls' looks as if it held a secret"),
        ({"token": {"value": "pl4nted"}}, "'token' looks like a secret and is no text"),
        ({"password": 123}, "'password' looks like a secret and is no text"),
    ],
)
def test_a_secret_that_would_be_shown_leaves_a_file_system_unmapped(settings: Any, said: str) -> None:
    assert said in reason("remote-file-system", basepath="s3://x", settings=settings)


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("webhook", {"method": "GET", "url": "pl4nted"}, "another method"),
        ("webhook", {"method": "DELETE", "url": "pl4nted"}, "another method"),
        ("local-file-system", {"basepath": None}, "names no folder"),
        ("local-file-system", {"basepath": ""}, "names no folder"),
        ("gcp-credentials", {"service_account_file": "/x.json"}, "key file of another machine"),
        (
            "docker-registry",
            {"password": "pl4nted"},
            "no block type does what Prefect's 'docker-registry' does",
        ),
        (
            "pl4nted type with spaces",
            {},
            "no block type does what Prefect's '(a name that is not shown)' does",
        ),
    ],
)
def test_what_would_not_do_the_same_has_no_counterpart(kind: str, fields: Any, said: str) -> None:
    assert said in reason(kind, **fields)


def test_what_has_no_field_here_is_named() -> None:
    found = mapped(
        "aws-credentials",
        aws_access_key_id="AK",
        aws_secret_access_key="pl4nted",
        aws_client_parameters={
            "use_ssl": False,
            "verify": None,
            "endpoint_url": "http://h",
            "config": {"a": 1},
        },
        assume_role_kwargs={"ExternalId": "e", "DurationSeconds": 900, "Tags": []},
        assume_role_arn="arn:x",
    )
    assert found.left_out == (
        "aws_client_parameters.use_ssl",
        "aws_client_parameters.config",
        "assume_role_kwargs.DurationSeconds",
    )
    assert found.fields["external_id"] == "e"
    assert mapped("webhook", url="u", verify=True, allow_private_urls=False).left_out == ()
    assert mapped("webhook", url="u", verify=False).left_out == ("verify",)
    assert mapped("slack-webhook", url="u", notify_type="info").left_out == ()
