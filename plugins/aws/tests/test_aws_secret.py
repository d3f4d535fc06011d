"""Secrets of AWS Secrets Manager, against moto over HTTP."""

import json
import logging
import subprocess
import sys
import traceback

import pytest
from pydantic import ValidationError

from blocks_aws import AwsCredentials, AwsSecret
from blocks_core.current import use_library
from blocks_core.errors import CredentialsRefused, SecretUnresolved
from blocks_core.secret import SecretRef
from blocks_core.testing import memory_library
from blocks_core.testing.secret_source_suite import SecretSourceSuite

WRONG = "p1anted-5ecret-key"
STORED = {
    "blocks/plain": {"SecretString": "canary-4711-plain"},
    "blocks/binary": {"SecretBinary": b"canary-4712-\xf0\x9f\x90\xa4"},
    "blocks/database": {"SecretString": json.dumps({"user": "etl", "password": "canary-4713-database"})},
}


@pytest.fixture(scope="session")
def secrets(aws):
    """Three secrets on the moto server: boto3's client for it."""
    client = aws.client("secretsmanager")
    for name, value in STORED.items():
        client.create_secret(Name=name, **value)
    return client


@pytest.fixture
def block(secrets, credentials):
    return AwsSecret(credentials=credentials)


class TestAwsSecret(SecretSourceSuite):
    stored = {
        "blocks/plain": b"canary-4711-plain",
        "blocks/binary": STORED["blocks/binary"]["SecretBinary"],
        "blocks/database#password": b"canary-4713-database",
    }

    @pytest.fixture
    def source(self, secrets, strict_aws):
        return AwsSecret(
            credentials=AwsCredentials(
                access_key_id=strict_aws.id,
                secret_access_key=strict_aws.secret,
                region="us-east-1",
                endpoint_url=strict_aws.url,
            )
        )

    @pytest.fixture
    def refused_source(self, strict_aws):
        wrong = AwsCredentials(
            access_key_id=strict_aws.id,
            secret_access_key=WRONG,
            region="us-east-1",
            endpoint_url=strict_aws.url,
        )
        return AwsSecret(credentials=wrong)


def test_a_prefix_stands_before_every_name_but_not_before_an_arn(block, secrets):
    prefixed = block.model_copy(update={"prefix": "blocks/"})
    arn = secrets.describe_secret(SecretId="blocks/plain")["ARN"]
    for key in ("plain", arn):
        assert prefixed.read_secret(key).get_secret_value() == b"canary-4711-plain"
    with pytest.raises(SecretUnresolved, match="blocks/blocks/plain"):
        prefixed.read_secret("blocks/plain")


def test_a_stage_chooses_the_version_and_a_new_value_is_seen_at_once(block, secrets):
    secrets.create_secret(Name="turning", SecretString="first")
    assert block.read_secret("turning").get_secret_value() == b"first"
    secrets.put_secret_value(SecretId="turning", SecretString="second")
    assert block.read_secret("turning").get_secret_value() == b"second"
    previous = block.model_copy(update={"version_stage": "AWSPREVIOUS"})
    assert previous.read_secret("turning").get_secret_value() == b"first"
    with pytest.raises(SecretUnresolved, match=r"ResourceNotFoundException.*stage"):
        block.model_copy(update={"version_stage": "NO-SUCH"}).read_secret("turning")


def test_a_secret_that_waits_for_its_deletion_says_how_to_have_it_back(block, secrets):
    secrets.create_secret(Name="leaving", SecretString="x")
    secrets.delete_secret(SecretId="leaving", RecoveryWindowInDays=7)
    with pytest.raises(SecretUnresolved, match=r"InvalidRequestException.*restore-secret"):
        block.read_secret("leaving")


def test_the_chain_of_aws_is_followed_without_credentials(secrets, aws, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AK",
        "AWS_SECRET_ACCESS_KEY": WRONG,
    }.items():
        monkeypatch.setenv(name, value)
    assert AwsSecret().read_secret("blocks/plain").get_secret_value() == b"canary-4711-plain"


def test_credentials_that_were_put_right_in_a_shared_file_are_read_anew(
    secrets, strict_aws, tmp_path, monkeypatch
):
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    lines = f"[default]\naws_access_key_id = {strict_aws.id}\naws_secret_access_key = "
    block = AwsSecret(credentials=AwsCredentials(region="us-east-1", endpoint_url=strict_aws.url))
    file.write_text(lines + WRONG)
    with pytest.raises(CredentialsRefused):
        block.read_secret("blocks/plain")
    file.write_text(lines + strict_aws.secret)
    assert block.read_secret("blocks/plain").get_secret_value() == b"canary-4711-plain"


def test_a_key_that_is_a_secret_reference_is_read_when_it_is_needed(secrets, strict_aws, monkeypatch):
    key = {"access_key_id": strict_aws.id, "secret_access_key": SecretRef("env:KEY_OF_ETL")}
    block = AwsSecret(credentials=AwsCredentials(**key, region="us-east-1", endpoint_url=strict_aws.url))
    monkeypatch.setenv("KEY_OF_ETL", WRONG)
    with pytest.raises(CredentialsRefused):
        block.read_secret("blocks/plain")
    monkeypatch.setenv("KEY_OF_ETL", strict_aws.secret)
    assert block.read_secret("blocks/plain").get_secret_value() == b"canary-4711-plain"


def test_a_saved_source_answers_the_references_of_other_blocks(block):
    with use_library(memory_library()):
        block.save("there")
        referring = SecretRef("aws-secret/there/blocks/database#password")
        AwsCredentials(access_key_id="AK", secret_access_key=referring).save("etl")
        found = AwsCredentials.load("etl").secret_access_key
        assert found.get_secret_value() == "canary-4713-database"


def test_no_credentials_anywhere_say_where_to_put_them(secrets, aws):
    nobody = AwsSecret(credentials=AwsCredentials(region="us-east-1", endpoint_url=aws.url))
    with pytest.raises(CredentialsRefused, match=r"NoCredentialsError.*AWS_ACCESS_KEY_ID"):
        nobody.read_secret("blocks/plain")


def test_a_service_that_is_down_is_no_refusal(block, nobody_listens):
    away = AwsSecret(credentials=block.credentials.model_copy(update={"endpoint_url": nobody_listens}))
    with pytest.raises(SecretUnresolved, match=r"EndpointConnectionError.*cannot be reached"):
        away.read_secret("blocks/plain")


ANSWERS = {
    "AccessDeniedException": (CredentialsRefused, "secretsmanager:GetSecretValue"),
    "DecryptionFailure": (CredentialsRefused, "kms:Decrypt"),
    "ExpiredTokenException": (CredentialsRefused, "Get a new one"),
    "InternalServiceError": (SecretUnresolved, "Try again later"),
    "ThrottlingException": (SecretUnresolved, "Try again later"),
    "SomethingQuiteNew": (SecretUnresolved, "Check endpoint_url"),
}


@pytest.mark.parametrize("code", ANSWERS)
def test_each_error_of_the_service_says_what_to_do(code, credentials, answering):
    error, remedy = ANSWERS[code]
    url = answering(400, {"__type": code, "Message": "that is why"})
    block = AwsSecret(credentials=credentials.model_copy(update={"endpoint_url": url}))
    with pytest.raises(error, match=rf"'blocks/plain'.*{code}.*{remedy}"):
        block.read_secret("blocks/plain")
    assert not block.check().ok


@pytest.mark.parametrize("body", ["{}", "[]", "null", "<html>", '{"SecretString": null}'])
def test_what_is_no_secrets_manager_is_a_typed_error(body, credentials, answering):
    block = AwsSecret(credentials=credentials.model_copy(update={"endpoint_url": answering(200, body)}))
    with pytest.raises(SecretUnresolved, match="no Secrets Manager"):
        block.read_secret("blocks/plain")


@pytest.mark.parametrize("status", [200, 400])
def test_what_a_server_repeats_is_not_shown(status, credentials, answering):
    keys = {"session_token": credentials.secret_access_key, "endpoint_url": answering(status, None)}
    block = AwsSecret(credentials=credentials.model_copy(update=keys))
    with pytest.raises(SecretUnresolved) as caught:
        block.read_secret("blocks/plain")
    assert WRONG not in "".join(traceback.format_exception(caught.value))


def test_the_check_reads_the_key_that_it_is_given(block):
    assert [result.detail for result in block.check().results] == ["Secrets may be read."]
    there = block.model_copy(update={"check_key": "blocks/database#password"})
    assert there.check().ok
    assert "canary" not in repr(there.check())
    missing = block.model_copy(update={"check_key": "no-such"}).check()
    assert not missing.ok
    assert "no-such" in missing.results[0].detail


@pytest.mark.parametrize("fields", [{"cache_seconds": -1}, {"version_stage": ""}, {"timeout_seconds": 0}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        AwsSecret(**fields)


def test_the_log_shows_that_the_service_was_asked_and_not_what_it_said(block, caplog):
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "botocore"):
        block.read_secret("blocks/plain")
    assert "withheld" in caplog.text
    assert "canary" not in caplog.text


def test_the_first_call_of_a_process_is_not_logged_either(secrets, aws):
    code = (
        "import logging\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "logging.getLogger('botocore').setLevel(logging.DEBUG)\n"
        "from blocks_aws import AwsCredentials as A, AwsSecret as S\n"
        f"a = A(access_key_id='AK', secret_access_key='x' * 9, region='us-east-1', endpoint_url='{aws.url}')\n"
        "print(len(S(credentials=a).read_secret('blocks/plain').get_secret_value()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "17\n"
    assert "withheld" in done.stderr
    assert "canary" not in done.stderr


def test_other_calls_of_botocore_are_logged_as_ever(credentials, caplog):
    AwsSecret(credentials=credentials).check()
    caplog.clear()
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "botocore"):
        credentials.client("s3").list_buckets()
    assert "ListBuckets" in caplog.text
    assert "withheld" not in caplog.text


def test_importing_the_package_imports_no_vendors_package():
    code = "import sys, blocks_aws, blocks_aws.kms; blocks_aws.kms.AwsKms('alias/a'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"boto3", "botocore", "urllib3"} & set(done.stdout.split())
