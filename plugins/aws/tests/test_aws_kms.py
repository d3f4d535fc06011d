"""Keys wrapped by AWS KMS, against moto over HTTP, which really encrypts and checks the context."""

import base64
import json
import logging
import os
import subprocess
import sys
import traceback

import pytest

from blocks_aws.kms import AwsKms, aws_kms
from blocks_core.errors import KeysInvalid
from blocks_core.keyring import KEY_BYTES
from blocks_core.testing.key_provider_suite import KeyProviderSuite

KEY = bytes(range(100, 100 + KEY_BYTES))


@pytest.fixture
def settings(aws, monkeypatch):
    """The settings of AWS's own chain for the moto server, in this process's environment, too."""
    found = {
        "AWS_ENDPOINT_URL_KMS": aws.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AK",
        "AWS_SECRET_ACCESS_KEY": "p1anted-5ecret-key",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def kms(aws, settings):
    return aws.client("kms")


@pytest.fixture
def kms_key(kms):
    return kms.create_key()["KeyMetadata"]


@pytest.fixture
def wrapper(kms_key):
    return AwsKms(kms_key["KeyId"])


@pytest.fixture
def asks(settings, monkeypatch):
    """Return a wrapper for a server at another address."""

    def at(url):
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", url)
        return AwsKms("alias/blocks")

    return at


def test_a_key_is_wrapped_and_unwrapped_by_id_arn_and_alias(kms, kms_key):
    kms.create_alias(AliasName="alias/blocks", TargetKeyId=kms_key["KeyId"])
    for name in (kms_key["KeyId"], kms_key["Arn"], "alias/blocks"):
        wrapper = AwsKms(name)
        wrapped = wrapper.wrap("k1", KEY)
        assert KEY not in wrapped
        assert wrapper.unwrap("k1", wrapped) == KEY
        assert wrapper.name == f"aws-kms:{name}"
    kms.delete_alias(AliasName="alias/blocks")


def test_the_region_of_an_arn_needs_no_setting(kms_key, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    wrapper = AwsKms(kms_key["Arn"])
    assert wrapper.unwrap("k1", wrapper.wrap("k1", KEY)) == KEY
    with pytest.raises(KeysInvalid, match=r"NoRegionError.*AWS_DEFAULT_REGION"):
        AwsKms("alias/blocks").wrap("k1", KEY)


def test_what_was_wrapped_for_another_id_or_was_altered_does_not_open(wrapper):
    wrapped = wrapper.wrap("k1", KEY)
    altered = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for key_id, found in (("k2", wrapped), ("k1", altered), ("k1", b"")):
        with pytest.raises(KeysInvalid, match=rf"did not unwrap the key '{key_id}'"):
            wrapper.unwrap(key_id, found)
    with pytest.raises(KeysInvalid, match=r"InvalidCiphertextException.*belongs to another key id"):
        wrapper.unwrap("k2", wrapped)


def test_what_another_key_of_kms_wrapped_does_not_open(kms, wrapper):
    other = AwsKms(kms.create_key()["KeyMetadata"]["KeyId"])
    with pytest.raises(KeysInvalid, match=r"AccessDeniedException.*what another key wrapped is refused"):
        wrapper.unwrap("k1", other.wrap("k1", KEY))


@pytest.mark.parametrize("name", ["00000000-0000-0000-0000-000000000000", "alias/no-such"])
def test_a_key_that_is_not_there_is_named(kms, name):
    with pytest.raises(KeysInvalid, match=rf"'{name}' \(NotFoundException\).*Check its id or alias"):
        AwsKms(name).wrap("k1", KEY)


@pytest.mark.parametrize("name", ["", " ", "alias/a\nb"])
def test_a_setting_without_a_key_says_how_to_write_one(name, tmp_path):
    with pytest.raises(KeysInvalid, match="BLOCKS_KEYS=aws-kms:alias/blocks"):
        aws_kms(name, tmp_path)


def test_no_credentials_say_where_to_put_them(wrapper, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(KeysInvalid, match=r"NoCredentialsError.*AWS_ACCESS_KEY_ID"):
        wrapper.wrap("k1", KEY)


def test_a_service_that_is_down_is_named(asks, nobody_listens):
    with pytest.raises(KeysInvalid, match=r"EndpointConnectionError.*cannot be reached"):
        asks(nobody_listens).unwrap("k1", b"wrapped")


REMEDIES = {
    "AccessDeniedException": "kms:Decrypt",
    "DisabledException": "enable-key",
    "KMSInvalidStateException": "cancel-key-deletion",
    "IncorrectKeyException": "Let the alias lead there",
    "InvalidKeyUsageException": "SYMMETRIC_DEFAULT",
    "KeyUnavailableException": "Try again later",
    "ExpiredTokenException": "Get a new one",
    "SomethingQuiteNew": "Check AWS_ENDPOINT_URL",
}


@pytest.mark.parametrize("code", REMEDIES)
def test_each_error_of_the_service_says_what_to_do(code, asks, answering):
    wrapper = asks(answering(400, {"__type": code, "message": "that is why"}))
    with pytest.raises(KeysInvalid, match=rf"unwrap the key 'k1'.*{code}.*{REMEDIES[code]}"):
        wrapper.unwrap("k1", b"wrapped")


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("body", [None, "{}", "[]", "<html>", {"CiphertextBlob": 7, "Plaintext": 7}])
def test_what_is_no_kms_is_a_typed_error_and_what_it_repeats_is_not_shown(status, body, asks, answering):
    wrapper = asks(answering(status, body))
    with pytest.raises(KeysInvalid) as caught:
        wrapper.wrap("k1", KEY)
    with pytest.raises(KeysInvalid):
        wrapper.unwrap("k1", KEY)
    shown = "".join(traceback.format_exception(caught.value))
    for form in forms_of(KEY):
        assert form not in shown


def test_no_key_is_in_the_log_even_where_botocore_logs_everything(wrapper, caplog):
    wrapped = wrapper.wrap("k0", KEY)
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            assert wrapper.unwrap("k0", wrapped) == KEY
            wrapper.wrap("k1", KEY)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert {"botocore.parsers", "botocore.endpoint"} <= {record.name for record in caplog.records}
    carried = "".join(repr(record.__dict__) for record in caplog.records)
    for form in forms_of(KEY):
        assert form not in caplog.text + carried


def test_the_first_call_of_a_process_is_not_logged_either(wrapper, settings):
    code = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "logging.getLogger('botocore').setLevel(logging.DEBUG)\n"
        "from blocks_aws.kms import AwsKms\n"
        f"print(AwsKms({wrapper.name.partition(':')[2]!r}).unwrap('k1', bytes.fromhex(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", code, wrapper.wrap("k1", KEY).hex()]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == KEY.hex()
    assert "withheld" in done.stderr
    for form in forms_of(KEY):
        assert form not in done.stderr


def test_the_key_file_holds_no_key_in_clear_and_another_provider_opens_it(kms_key, tmp_path):
    provider = aws_kms(kms_key["KeyId"], tmp_path)
    first = provider.create()
    second = provider.add()
    provider.promote(second)
    text = (tmp_path / "keys.json").read_text()
    assert json.loads(text)["wrapped_by"] == f"aws-kms:{kms_key['KeyId']}"
    opened = aws_kms(kms_key["KeyId"], tmp_path).load()
    assert opened.primary == second
    assert opened.keys[first.primary] == first.keys[first.primary]
    for key in opened.keys.values():
        assert len(key) == KEY_BYTES
        assert base64.b64encode(key).decode() not in text


class TestAwsKms(KeyProviderSuite):
    is_wrapped = True

    @pytest.fixture
    def setting(self, kms_key):
        return f"aws-kms:{kms_key['KeyId']}"


def test_the_setting_chooses_kms_for_the_whole_command(kms_key, settings, tmp_path):
    path = os.environ["PATH"]
    env = {**settings, "HOME": str(tmp_path), "PATH": path, "BLOCKS_KEYS": f"aws-kms:{kms_key['KeyId']}"}

    def python(code, **more):
        command = [sys.executable, "-c", f"from blocks_aws import AwsCredentials as A\n{code}"]
        return subprocess.run(command, env=env | more, capture_output=True, text=True, check=False)

    saved = python("A(access_key_id='AK', secret_access_key='sealed-by-kms').save('a')")
    assert saved.returncode == 0, saved.stderr
    loaded = python("print(A.load('a').secret_access_key.get_secret_value())")
    assert loaded.stdout == "sealed-by-kms\n", loaded.stderr
    denied = python("A.load('a')", AWS_ENDPOINT_URL_KMS="http://127.0.0.1:1", AWS_MAX_ATTEMPTS="1")
    assert "AWS KMS did not unwrap the key" in denied.stderr


def forms_of(key):
    return base64.b64encode(key).decode()[:-1], key.hex(), repr(key)[2:-1]
