"""Secret references through a service that keeps secrets: AWS Secrets Manager, played by moto on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from blocks_aws import AwsCredentials, AwsSecret
from blocks_core import SecretRef, use_library
from blocks_core.errors import SecretUnresolved
from blocks_core.library import Library
from blocks_core.source_values import SOURCE_VALUES
from blocks_notify import Webhook
from blocks_registry.opening import open_library
from blocks_standard import Secret

BLOCK = str(Path(sys.executable).parent / "block")
PLANTED = "hooks-planted-7391"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "secretsmanager",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AK",
        aws_secret_access_key="SK",
    )
    client.create_secret(
        Name="prod/hooks", SecretString=json.dumps({"ops": f"https://127.0.0.1:1/{PLANTED}", "pin": 7})
    )
    client.create_secret(Name="prod/plain", SecretString=PLANTED)
    yield url
    server.stop()


@pytest.fixture
def library(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("BLOCKS_HOME", str(tmp_path))
    monkeypatch.setenv("PLANTED_AWS_KEY", "SK")
    monkeypatch.delenv("BLOCKS_URL", raising=False)
    SOURCE_VALUES.forget()
    library = open_library()
    with use_library(library):
        credentials = AwsCredentials(
            access_key_id="AK",
            secret_access_key=SecretRef("env:PLANTED_AWS_KEY"),
            region="us-east-1",
            endpoint_url=endpoint,
        )
        credentials.save("prod")
        AwsSecret(credentials=credentials, prefix="prod/").save("prod")
        yield library
    library.close()


def test_a_block_gets_its_secret_from_the_service_with_credentials_that_are_references_too(
    library: Library,
) -> None:
    Webhook(url=SecretRef("aws-secret/prod/hooks#ops")).save("ops")
    Secret(value=SecretRef("aws-secret/prod/plain")).save("plain")
    hook = Webhook.load("ops")
    assert hook.url.get_secret_value() == f"https://127.0.0.1:1/{PLANTED}"
    assert Secret.load("plain").get() == PLANTED
    assert PLANTED not in repr(hook)
    usages = library.registry.usages("aws-secret", "prod")
    assert sum(usage.uses for usage in usages) == 2  # once for each key, then its value was kept


def test_the_type_judges_what_the_service_has(library: Library) -> None:
    Webhook(url=SecretRef("aws-secret/prod/hooks#pin")).save("odd")
    with pytest.raises(ValueError, match=r"url: .*\(the value is that of aws-secret/prod/hooks#pin\)"):
        Webhook.load("odd")


@pytest.mark.parametrize("key", ["no-such", "hooks#no-such"])
def test_what_the_service_does_not_have_is_said_with_the_field(library: Library, key: str) -> None:
    Secret(value=SecretRef(f"aws-secret/prod/{key}")).save("x")
    with pytest.raises(
        SecretUnresolved, match=r"Block 'secret/x' was not loaded, for its field 'value'.*no-such"
    ):
        Secret.load("x")


def test_credentials_that_lead_to_nothing_are_named(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    Secret(value=SecretRef("aws-secret/prod/plain")).save("x")
    monkeypatch.delenv("PLANTED_AWS_KEY")
    with pytest.raises(SecretUnresolved) as caught:
        Secret.load("x")
    for part in (
        "'secret/x'",
        "aws-secret/prod/plain",
        "'aws-credentials/prod'",
        "'secret_access_key'",
        "PLANTED_AWS_KEY",
    ):
        assert part in str(caught.value)


def test_a_circle_through_held_credentials_is_refused(library: Library, endpoint: str) -> None:
    credentials = AwsCredentials(
        access_key_id="AK", secret_access_key=SecretRef("aws-secret/round/plain"), endpoint_url=endpoint
    )
    credentials.save("round")
    AwsSecret(credentials=credentials).save("round")
    with pytest.raises(SecretUnresolved, match=r"\(aws-secret/round -> aws-secret/round\)"):
        AwsSecret.load("round")


def test_the_command_tells_where_it_comes_from_and_shows_no_secret(library: Library, tmp_path: Path) -> None:
    Secret(value=SecretRef("aws-secret/prod/plain")).save("x")
    Secret(value=SecretStr(PLANTED)).save("own")

    def block(*words: str) -> str:
        done = subprocess.run(
            [BLOCK, *words], capture_output=True, text=True, env=os.environ.copy(), check=True
        )
        assert PLANTED not in done.stdout + done.stderr
        return done.stdout

    assert "found, by the key 'plain' of the block 'aws-secret/prod', version 1, kept for 300 s" in block(
        "explain", "secret/x"
    )
    assert "aws-secret/prod/plain (secret reference)" in block("inspect", "secret/x")
    assert "a secret, sealed with the key '" in block("explain", "secret/own")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in files if PLANTED.encode() in file.read_bytes()]
