"""Airflow's connections, as its exports, its URIs and its environment variables have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from import_stage import Stage
from prefect_stand_in import MARKER, RECORDED

from blocks_registry.errors import SourceUnreadable
from blocks_registry.importing.airflow_connections import (
    parse_uri,
    read_environment,
    read_export,
    read_json,
    read_yaml,
)
from blocks_registry.importing.airflow_types import AIRFLOW
from blocks_registry.importing.found import Found, is_blank
from blocks_registry.importing.mapping import Mapped, Unmapped

JSON_EXPORT = RECORDED / "airflow_connections.json"
TRICKY = [
    "1e3",
    "0o7",
    "yes",
    "2020-01-01",
    "007",
    "a: b #x",
    "12:30:45",
    "null",
    '{"a": 1}',
    "pl4nted\nline two",
]
TRICKY += ["ü€😀/@:?#[]%"]
"""Passwords that a careless reader of YAML, URIs or lines would get wrong."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "home")


def plain(found: list[Found]) -> dict[str, dict[str, Any]]:
    """Return type and fields by name, without those that say nothing."""
    return {
        one.name: {"type": one.type}
        | {name: value for name, value in one.fields.items() if not is_blank(value)}
        for one in found
    }


@pytest.mark.parametrize("name", ["airflow_connections.yaml", "airflow_connections_as_json.env"])
def test_every_format_of_an_export_says_the_same(name: str) -> None:
    assert plain(read_export(RECORDED / name)) == plain(read_export(JSON_EXPORT))


def test_the_uris_of_an_export_say_the_same_as_far_as_uris_can() -> None:
    from_json, from_uris = (
        plain(read_export(JSON_EXPORT)),
        plain(read_export(RECORDED / "airflow_connections.env")),
    )
    del from_json["WareHouse"]["description"]  # which no URI of Airflow's has
    from_json["gcp"]["extra"]["keyfile_dict"] = json.loads(from_json["gcp"]["extra"]["keyfile_dict"])
    from_json["partner_key"]["extra"]["no_host_key_check"] = True  # Airflow reads its own URI so, too
    assert from_uris == from_json


def test_passwords_come_through_every_format_as_they_are() -> None:
    for file in ("connections.json", "connections.yaml", "connections.env", "connections_as_json.env"):
        found = {one.name: one.fields["password"] for one in read_export(RECORDED / f"airflow_{file}")}
        assert [found[f"tricky_{index}"] for index in range(len(TRICKY))] == TRICKY


@pytest.mark.parametrize("suffix", ["json", "yaml", "env"])
def test_an_export_is_imported_and_a_second_time_nothing_changes(stage: Stage, suffix: str) -> None:
    file = str(RECORDED / f"airflow_connections.{suffix}")
    words = ("airflow", "--export", file, "--yes", "--keep-unmapped", "--rename", "postgres/WareHouse=dwh")
    assert set(stage.states(*words).values()) == {"new"}
    credentials = stage.load("aws-credentials/aws_default")
    assert credentials.secret_access_key.get_secret_value() == "pl4nted/+aws"
    assert (credentials.region, credentials.external_id) == ("eu-central-1", "ext-1")
    assert (
        stage.load("slack-webhook/alerts").url.get_secret_value()
        == "https://hooks.slack.com/services/T0/B0/pl4nted"
    )
    assert stage.load("secret/tricky_10").get() == TRICKY[10]
    assert json.loads(stage.load("secret/postgres.warehouse").get())["fields"]["host"] == "db2"
    stage.assert_sealed()
    assert set(stage.states(*words).values()) == {"unchanged"}


def test_whoever_exports_is_told_to_delete_the_file(stage: Stage) -> None:
    said = "holds every password in clear. Delete it"
    assert said in stage.run("airflow", "--export", str(JSON_EXPORT), "--yes").stderr
    assert said not in stage.run("airflow", "--export", str(JSON_EXPORT), "--plan").stderr


def test_connections_are_imported_from_the_environment(stage: Stage) -> None:
    states = stage.states(
        "airflow",
        "--environment",
        "--yes",
        AIRFLOW_CONN_MY_AWS="aws://AK:pl4nted%2F@/?region_name=eu",
        AIRFLOW_CONN_TOKEN='{"conn_type": "generic", "password": "pl4nted"}',
        AIRFLOW_CONN_DB="postgresql://joe:pl4nted@h:5432/db",
        AIRFLOW__CORE__X="no connection",
    )
    assert states == {"aws/my_aws": "new", "generic/token": "new", "postgres/db": "unmapped"}
    assert stage.load("aws-credentials/my_aws").secret_access_key.get_secret_value() == "pl4nted/"


def test_connections_are_imported_from_lines_on_standard_input(stage: Stage) -> None:
    lines = "# mine\n\nAIRFLOW_CONN_TOKEN=generic://:pl4nted@\nother=generic://:pl4nted-2@\r\n"
    stage.run("airflow", "--uri-file", "-", "--yes", stdin=lines)
    assert [stage.load(f"secret/{name}").get() for name in ("token", "other")] == ["pl4nted", "pl4nted-2"]


def test_uris_are_read_as_airflow_reads_them() -> None:
    def fields(uri: str) -> dict[str, Any]:
        return plain([parse_uri("x", uri)])["x"]

    assert fields("postgres://joe:p%40ss%2F@db.example.com:5432/na%2Fme?sslmode=require&n=1") == {
        "type": "postgres",
        "login": "joe",
        "password": "p@ss/",
        "host": "db.example.com",
        "port": 5432,
        "schema": "na/me",
        "extra": {"sslmode": "require", "n": 1},
    }
    assert fields("http://https://u:p@api.Example.com:8443/v1") == {
        "type": "http", "login": "u", "password": "p", "host": "https://api.Example.com", "port": 8443, "schema": "v1",
    }  # fmt: skip
    assert fields("google-cloud-platform:///?__extra__=%7B%22a%22%3A+%5B1%5D%7D") == {
        "type": "google_cloud_platform", "extra": {"a": [1]},
    }  # fmt: skip
    assert fields("aws:///?extra__aws__x=1")["extra"] == {"x": 1}
    assert fields("redis://") == {"type": "redis"}
    assert fields("ssh://u@[2001:db8::1]:22") == {
        "type": "ssh",
        "login": "u",
        "host": "2001:db8::1",
        "port": 22,
    }


@pytest.mark.parametrize(
    "uri",
    ["", "pl4nted", "://pl4nted", "a://b://c://pl4nted", "a://pl4nted:x@y://h", "a://h:pl4nted", "a://[pl4nted", "a://h:99999"],
)  # fmt: skip
def test_what_is_no_uri_is_refused_without_repeating_it(stage: Stage, uri: str) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        read_environment({"AIRFLOW_CONN_X": uri})
    assert MARKER not in str(caught.value)
    if uri:
        result = stage.run("airflow", "--environment", "--yes", code=1, AIRFLOW_CONN_X=uri)
        assert "'x' is no URI of Airflow's" in result.stderr


@pytest.mark.parametrize(
    ("suffix", "text", "problem"),
    [
        ("json", '{"a": {"conn_type": "aws", "password": "pl4nted', "no JSON, or was cut off"),
        ("json", "", "no JSON"),
        ("json", '["pl4nted"]', "no object of name -> connection"),
        ("json", '{"a": 1}', "neither an object of its fields nor a URI"),
        ("json", '{"a": ["pl4nted"]}', "neither an object of its fields nor a URI"),
        ("json", '{"a": "pl4nted"}', "no URI of Airflow's"),
        ("json", '{"a": "{pl4nted"}', "neither an object of its fields nor a URI"),
        ("json", '{"a": {"password": "pl4nted"}}', "has no conn_type"),
        ("json", '{"a": {"conn_type": {"pl4nted": 1}}}', "has no conn_type"),
        ("json", '{"a": {"conn_type": "aws"}, "a": {"conn_type": "aws"}}', "two members of the same name"),
        (
            "json",
            '{"a": {"conn_type": "aws", "password": "pl4nted", "password": "x"}}',
            "two members of the same name",
        ),
        ("json", "[" * 100_000, "no JSON"),
        ("yaml", "a: {conn_type: aws, password: pl4nted", "no YAML, or was cut off (line"),
        ("yaml", "a:\n  conn_type: aws\n  password: 'pl4nted\n", "no YAML, or was cut off"),
        ("yaml", "a: &x {conn_type: aws}\nb: *x\n", "anchors or aliases"),
        ("yaml", "a: !!python/object/apply:os.system [pl4nted]\n", "tags"),
        ("yaml", "a: {conn_type: aws}\na: {conn_type: pl4nted}\n", "two members of the same name"),
        ("yaml", "? [pl4nted]\n: 1\n", "no YAML"),
        ("yaml", "[" * 200, "deeper than 100 levels"),
        ("yaml", "pl4nted\x00", "no YAML"),
        ("yaml", "a: 1\n---\nb: pl4nted\n", "no YAML"),
        ("yaml", "- pl4nted\n", "no object of name -> connection"),
        ("env", "pl4nted://without-a-name", "Line 1 of"),
        ("env", "\n# x\npostgres://u:pl4nted@h/?a=1\n", "Line 3 of"),
        ("env", "a=aws://\na=aws://\n", "has the connection 'a' twice"),
        ("env", 'a={"conn_type": "aws", "password": "pl4nted"', "neither an object of its fields nor a URI"),
        ("txt", "", "none of the suffixes"),
    ],
)
def test_a_file_that_is_no_export_is_refused_without_repeating_it(
    stage: Stage, tmp_path: Path, suffix: str, text: str, problem: str
) -> None:
    file = tmp_path / f"export.{suffix}"
    file.write_text(text, "utf-8")
    result = stage.run("airflow", "--export", str(file), "--yes", code=1)
    assert problem in " ".join(result.stderr.split())
    assert "not foreseen" not in result.stderr
    assert stage.addresses() == []


def test_a_file_that_is_no_text_is_refused(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(b'{"a": "\xff\xfepl4nted"}')
    assert "is not UTF-8" in stage.run("airflow", "--export", str(file), "--yes", code=1).stderr
    assert "is not UTF-8" in stage.run("airflow", "--uri-file", "-", "--yes", stdin=b"a=\xff", code=1).stderr


def test_numbers_and_dates_in_yaml_are_what_they_are_to_airflow() -> None:
    found = read_yaml("a: {conn_type: x, port: 5432, password: 2020-01-01, login: 1e3, host: '1'}\n", "it")
    assert plain(found)["a"] == {
        "type": "x", "port": 5432, "password": "2020-01-01", "login": "1e3", "host": "1",
    }  # fmt: skip


def test_an_extra_that_is_no_object_is_one_field() -> None:
    (found,) = read_json('{"a": {"conn_type": "aws", "extra": "pl4nted"}}', "it")
    mapped = AIRFLOW.map(found.type, found.fields)
    assert isinstance(mapped, Mapped)
    assert mapped.left_out == ("extra",)


def mapped(uri: str) -> Mapped:
    found = AIRFLOW.map(parse_uri("x", uri).type, parse_uri("x", uri).fields)
    assert isinstance(found, Mapped)
    return found


def test_an_access_key_is_found_where_airflow_finds_it() -> None:
    both = "aws://AK:s1@/?aws_access_key_id=AK2&aws_secret_access_key=s2"
    assert mapped(both).fields == {"access_key_id": "AK", "secret_access_key": "s1"}
    half = "aws://AK@/?aws_access_key_id=AK2&aws_secret_access_key=s2"
    assert mapped(half).fields == {"access_key_id": "AK2", "secret_access_key": "s2"}
    old = 'aws:///?__extra__={"session_kwargs": {"aws_access_key_id": "AK3", "aws_secret_access_key": "s3"}}'
    assert mapped(old.replace('"', "%22").replace(" ", "+")).fields == {
        "access_key_id": "AK3", "secret_access_key": "s3",
    }  # fmt: skip
    assert mapped("aws://AK@").fields == {"access_key_id": "AK"}  # which the block refuses, and says so


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("slackwebhook://:T0%2FB0%2FX@", "https://hooks.slack.com/services/T0/B0/X"),
        (
            "slackwebhook://:T0%2FB0%2FX@hooks.slack-gov.com%2Fservices",
            "https://hooks.slack-gov.com/services/T0/B0/X",
        ),
        (
            "slackwebhook://https://:T0%2FB0%2FX@hooks.slack.com%2Fservices",
            "https://hooks.slack.com/services/T0/B0/X",
        ),
        ("slackwebhook://:https%3A%2F%2Fhooks.slack.com%2FX@ignored", "https://hooks.slack.com/X"),
    ],
)
def test_the_address_of_a_slack_webhook_is_put_together_as_airflow_does_it(uri: str, url: str) -> None:
    assert mapped(uri).fields["url"] == url


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("aws:///?role_arn=arn:x&assume_role_method=assume_role_with_web_identity", "sign-in elsewhere"),
        ("sftp://u@h/?private_key=pl4nted", "private key as a text"),
        ("sftp://u@joe%3Apl4nted%40h", "more than a name"),
        ("ftp://joe%3Apl4nted%40h", "more than a name"),
        ("fs://", "it names no folder"),
        ("generic://u:pl4nted@", "other fields too"),
        ("generic://", "it has no password"),
        ("http://https://h", "requests of any kind"),
        ("ssh://h", "runs commands on other machines"),
        ("spark://h", "no block type does what Airflow's 'spark' does"),
    ],
)
def test_what_would_not_do_the_same_has_no_counterpart(uri: str, reason: str) -> None:
    found = parse_uri("x", uri)
    unmapped = AIRFLOW.map(found.type, found.fields)
    assert isinstance(unmapped, Unmapped)
    assert reason in unmapped.reason


def test_a_uri_is_no_argument(stage: Stage) -> None:
    assert "No such option" in stage.run("airflow", "--uri", "aws://x", code=2).stderr
