"""Secrets of Google Secret Manager, against a small one on loopback."""

import json
import logging
import subprocess
import sys
import traceback

import pytest
from fake_google import EVERYTHING, checksum
from pydantic import SecretStr, ValidationError

from blocks_core.current import use_library
from blocks_core.errors import CredentialsRefused, SecretUnresolved
from blocks_core.secret import SecretRef
from blocks_core.testing import memory_library
from blocks_core.testing.secret_source_suite import SecretSourceSuite
from blocks_gcp import GcpCredentials, GcpSecret
from blocks_gcp.crc32c import crc32c
from blocks_gcp.secret_manager import ENDPOINT_SETTING

PROJECT = "projects/test-project"
VALUES = {
    "plain": b"canary-4711-plain",
    "binary": b"canary-4712-\xf0\x9f\x90\xa4",
    "database": json.dumps({"user": "etl", "password": "canary-4713-database"}).encode(),
}


@pytest.fixture
def account(google, key_file):
    """The account of the key file, with three secrets that it may read."""
    for name, value in VALUES.items():
        google.add_version(f"{PROJECT}/secrets/{name}", value)
    return google.accounts[json.loads(key_file)["client_email"]]


@pytest.fixture
def block(google, account, key_file):
    return GcpSecret(credentials=GcpCredentials(service_account=SecretStr(key_file)), endpoint_url=google.url)


class TestGcpSecret(SecretSourceSuite):
    stored = {
        "plain": VALUES["plain"],
        "plain/versions/1": VALUES["plain"],
        "binary": VALUES["binary"],
        f"{PROJECT}/secrets/database#password": b"canary-4713-database",
    }

    @pytest.fixture
    def source(self, block):
        return block

    @pytest.fixture
    def refused_source(self, google, block):
        key_file = google.make_account("nobody")
        google.accounts[json.loads(key_file)["client_email"]].permissions.clear()
        credentials = GcpCredentials(service_account=SecretStr(key_file), project="test-project")
        return block.model_copy(update={"credentials": credentials})


def test_the_newest_version_is_read_unless_another_is_asked_for(google, block):
    google.add_version(f"{PROJECT}/secrets/plain", b"second")
    assert block.read_secret("plain").get_secret_value() == b"second"
    assert block.read_secret("plain/versions/1").get_secret_value() == VALUES["plain"]
    pinned = block.model_copy(update={"version": "1"})
    assert pinned.read_secret("plain").get_secret_value() == VALUES["plain"]
    assert pinned.read_secret("plain/versions/latest").get_secret_value() == b"second"
    with pytest.raises(SecretUnresolved, match=r"HTTP 404 NOT_FOUND.*Check the name"):
        block.read_secret("plain/versions/7")


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_version_that_is_disabled_or_destroyed_says_so(google, block, state):
    google.secrets[f"{PROJECT}/secrets/plain"][0][1] = state
    with pytest.raises(SecretUnresolved, match=rf"FAILED_PRECONDITION.*{state}.*Enable it"):
        block.read_secret("plain")


def test_a_prefix_stands_before_a_name_and_not_before_a_whole_one(google, block):
    google.add_version(f"{PROJECT}/secrets/prod-plain", b"of production")
    google.add_version("projects/other/secrets/plain", b"of another project")
    prefixed = block.model_copy(update={"prefix": "prod-"})
    assert prefixed.read_secret("plain").get_secret_value() == b"of production"
    assert prefixed.read_secret("projects/other/secrets/plain").get_secret_value() == b"of another project"


def test_regional_secrets_are_asked_for_in_their_location(google, block):
    google.add_version(f"{PROJECT}/locations/europe-west3/secrets/plain", b"of the region")
    regional = block.model_copy(update={"location": "europe-west3"})
    assert regional.read_secret("plain").get_secret_value() == b"of the region"
    whole = f"{PROJECT}/locations/europe-west3/secrets/plain"
    assert block.read_secret(whole).get_secret_value() == b"of the region"
    assert (
        GcpSecret()._url(whole, "x").startswith("https://secretmanager.europe-west3.rep.googleapis.com/v1/")
    )
    assert GcpSecret()._url(f"{PROJECT}/secrets/x", "x") == (
        f"https://secretmanager.googleapis.com/v1/{PROJECT}/secrets/x/versions/latest:access"
    )


def test_the_endpoint_may_come_from_gclouds_setting(google, block, monkeypatch):
    default = block.model_copy(update={"endpoint_url": None})
    monkeypatch.setenv(ENDPOINT_SETTING, f"{google.url}/")
    assert default.read_secret("plain").get_secret_value() == VALUES["plain"]
    monkeypatch.setenv(ENDPOINT_SETTING, "http://secretmanager.example.com")
    with pytest.raises(SecretUnresolved, match=rf"{ENDPOINT_SETTING} leads nowhere.*https"):
        default.read_secret("plain")


def test_a_saved_source_answers_the_references_of_other_blocks_and_is_asked_once(google, block, key_file):
    google.add_version(f"{PROJECT}/secrets/key-file", key_file.encode())
    with use_library(memory_library()):
        block.save("there")
        GcpCredentials(service_account=SecretRef("gcp-secret/there/key-file")).save("etl")
        for _ in range(3):
            assert GcpCredentials.load("etl").service_account.get_secret_value() == key_file
    assert google.requests.count(f"GET /v1/{PROJECT}/secrets/key-file/versions/latest:access") == 1


def test_one_token_serves_many_reads_and_is_renewed_before_it_expires(google, block):
    for _ in range(3):
        block.model_copy().read_secret("plain")
    assert google.requests.count("POST /token") == 1
    google.tokens.clear()  # as Google does when an account's tokens are revoked
    assert block.read_secret("plain").get_secret_value() == VALUES["plain"]
    assert google.requests.count("POST /token") == 2


def test_a_token_that_is_about_to_expire_is_renewed_first(google, block):
    google.token_seconds = (
        100  # less than google-auth leaves a token, so that none is sent in its last moments
    )
    for count in (1, 2):
        block.read_secret("plain")
        assert google.requests.count("POST /token") == count


def test_an_account_that_may_not_read_is_told_from_one_that_may_and_finds_nothing(account, block):
    assert block.check().ok
    account.permissions.clear()
    with pytest.raises(CredentialsRefused, match=r"PERMISSION_DENIED.*roles/secretmanager.secretAccessor"):
        block.read_secret("plain")
    identity, read = block.check().results
    assert identity.detail == account.email
    assert not read.ok
    account.permissions |= EVERYTHING


def test_the_check_reads_the_key_that_it_is_given(block):
    assert [result.name for result in block.check().results] == ["identity", "read"]
    there = block.model_copy(update={"check_key": "database#password"}).check()
    assert there.ok
    assert "canary" not in repr(there)
    assert not block.model_copy(update={"check_key": "no-such"}).check().ok


def test_an_api_that_is_off_says_how_to_switch_it_on(google, block):
    google.disabled_services.add("secretmanager")
    with pytest.raises(CredentialsRefused, match=r"gcloud services enable secretmanager\.googleapis"):
        block.read_secret("plain")


def test_a_token_that_is_not_accepted_is_a_refusal(google, block):
    google.faults = [None, *[(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}), None] * 3]
    with pytest.raises(CredentialsRefused, match=r"UNAUTHENTICATED.*clock"):
        block.read_secret("plain")


def test_a_service_that_is_busy_is_asked_again(google, block):
    block.read_secret("plain")
    google.faults = [(503, {"error": {"code": 503, "status": "UNAVAILABLE"}})]
    assert block.read_secret("plain").get_secret_value() == VALUES["plain"]


def test_a_service_that_is_down_is_no_refusal(block, nobody_listens):
    block.read_secret("plain")
    with pytest.raises(SecretUnresolved, match="Google cannot be reached"):
        block.model_copy(update={"endpoint_url": nobody_listens}).read_secret("plain")


def damage(answer):
    answer["payload"]["dataCrc32c"] = "7"


@pytest.mark.parametrize(
    "fault", [damage, (200, b"<html>"), (200, {}), (200, []), (200, {"payload": 1}), (302, b"")]
)
def test_what_was_damaged_or_is_no_secret_manager_is_a_typed_error(google, block, fault):
    block.read_secret("plain")
    google.faults = [fault]
    with pytest.raises(SecretUnresolved, match=r"no Secret Manager|no service of Google"):
        block.read_secret("plain")


@pytest.mark.parametrize("status", [400, 403])
def test_what_a_server_repeats_is_not_shown(google, block, key_file, status):
    block.read_secret("plain")
    token = next(iter(google.tokens))
    said = f"you sent Bearer {token} and {json.loads(key_file)['private_key']}\x1b[31m"
    google.faults = [(status, {"error": {"code": status, "status": "ODD", "message": said}})]
    with pytest.raises((SecretUnresolved, CredentialsRefused)) as caught:
        block.read_secret("plain")
    shown = "".join(traceback.format_exception(caught.value))
    assert "you sent Bearer" in shown
    assert token not in shown
    assert "\x1b" not in shown
    assert not any(line in shown for line in json.loads(key_file)["private_key"].splitlines()[1:-1])


@pytest.mark.parametrize("name", ["a b", "a.b", "projects/p/secrets", "a/versions/", "x/../y", "s\u00e9cret"])
def test_a_name_that_google_does_not_know_says_how_to_write_one(block, name):
    with pytest.raises(SecretUnresolved, match="letters, digits"):
        block.read_secret(name)


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint_url": "http://secretmanager.example.com"},
        {"endpoint_url": "https://user:word@secretmanager.example.com"},
        {"endpoint_url": "ftp://127.0.0.1"},
        {"endpoint_url": "https://[oops"},
        {"location": "../x"},
        {"prefix": "a/b"},
        {"version": "1/../2"},
        {"cache_seconds": -1},
    ],
)
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        GcpSecret(**fields)


def test_the_first_call_of_a_process_is_not_logged_either(google, account, key_file):
    code = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "logging.getLogger('google').setLevel(logging.DEBUG)\n"
        "from blocks_gcp import GcpCredentials as C, GcpSecret as S\n"
        f"s = S(credentials=C(service_account=sys.stdin.read()), endpoint_url='{google.url}')\n"
        "print(len(s.read_secret('plain').get_secret_value()))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=key_file, capture_output=True, text=True, check=True)
    assert done.stdout == "17\n"
    assert "withheld" in done.stderr
    assert "canary" not in done.stderr
    for secret in (*google.tokens, json.loads(key_file)["private_key"].splitlines()[3]):
        assert secret not in done.stderr


def test_the_log_of_others_is_as_ever(block, caplog):
    with caplog.at_level(logging.DEBUG):
        block.read_secret("plain")
        logging.getLogger("urllib3.connectionpool").debug("of somebody else entirely")
    assert "of somebody else entirely" in caplog.text


def test_the_checksum_is_that_of_the_standard():
    values = {
        b"": 0,
        bytes(32): 0x8A9136AA,
        b"\xff" * 32: 0x62A8AB43,
        bytes(range(32)): 0x46DD794E,
        bytes(reversed(range(32))): 0x113FDB5C,
    }
    assert {data: crc32c(data) for data in values} == values  # of RFC 3720, appendix B.4
    assert all(checksum(data) == value for data, value in values.items())
