"""Keys wrapped by Google Cloud KMS, against a small one on loopback that really encrypts and checks."""

import base64
import json
import logging
import os
import subprocess
import sys
import traceback

import pytest

from blocks_core.errors import KeysInvalid
from blocks_core.keyring import KEY_BYTES
from blocks_core.testing.key_provider_suite import KeyProviderSuite
from blocks_gcp.kms import ATTEMPTS, ENDPOINT_SETTING, GcpKms, gcp_kms

KEY = bytes(range(100, 100 + KEY_BYTES))
NAME = "projects/test-project/locations/europe-west3/keyRings/blocks/cryptoKeys/registry"


@pytest.fixture
def settings(google, key_file, tmp_path, monkeypatch):
    """The settings of Google's own chain for the server, in this process's environment, too."""
    file = tmp_path / "service-account.json"
    file.write_text(key_file)
    found = {ENDPOINT_SETTING: google.url, "GOOGLE_APPLICATION_CREDENTIALS": str(file)}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def kms_key(google, settings):
    return google.make_key(NAME)


@pytest.fixture
def wrapper(kms_key):
    return GcpKms(NAME)


def test_a_key_is_wrapped_and_unwrapped(wrapper):
    wrapped = wrapper.wrap("k1", KEY)
    assert KEY not in wrapped
    assert wrapper.unwrap("k1", wrapped) == KEY
    assert wrapper.name == f"gcp-kms:{NAME}"


def test_one_request_is_sent_for_each_key_and_one_token_serves_all(google, wrapper):
    wrapped = wrapper.wrap("k1", KEY)
    wrapper.unwrap("k1", wrapped)
    assert google.requests == ["POST /token", f"POST /v1/{NAME}:encrypt", f"POST /v1/{NAME}:decrypt"]


def test_what_was_wrapped_for_another_id_or_was_altered_does_not_open(wrapper):
    wrapped = wrapper.wrap("k1", KEY)
    altered = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for key_id, found in (("k2", wrapped), ("k1", altered), ("k1", b"")):
        with pytest.raises(
            KeysInvalid, match=rf"unwrap the key '{key_id}'.*INVALID_ARGUMENT.*belongs to another"
        ):
            wrapper.unwrap(key_id, found)


def test_what_another_key_of_kms_wrapped_does_not_open(google, wrapper):
    google.make_key(f"{NAME}-other")
    with pytest.raises(KeysInvalid, match="another key of Cloud KMS has wrapped it"):
        wrapper.unwrap("k1", GcpKms(f"{NAME}-other").wrap("k1", KEY))


def test_what_was_wrapped_before_the_key_was_rotated_still_opens(kms_key, wrapper):
    old = wrapper.wrap("k1", KEY)
    kms_key.rotate()
    assert wrapper.unwrap("k1", old) == KEY
    assert wrapper.unwrap("k1", wrapper.wrap("k1", KEY)) == KEY


@pytest.mark.parametrize("state", ["DISABLED", "DESTROY_SCHEDULED", "DESTROYED"])
def test_a_version_that_is_disabled_or_destroyed_says_so(kms_key, wrapper, state):
    wrapped = wrapper.wrap("k1", KEY)
    kms_key.states[1] = state
    with pytest.raises(KeysInvalid, match=rf"FAILED_PRECONDITION.*{state}.*gcloud kms keys versions enable"):
        wrapper.unwrap("k1", wrapped)


def test_a_key_that_is_not_there_is_named(settings):
    with pytest.raises(KeysInvalid, match=r"NOT_FOUND.*Check the name in BLOCKS_KEYS"):
        GcpKms(f"{NAME}-missing").wrap("k1", KEY)


def test_an_account_without_the_role_is_told_which(google, wrapper):
    next(iter(google.accounts.values())).permissions.clear()
    with pytest.raises(KeysInvalid, match=r"useToEncrypt.*roles/cloudkms.cryptoKeyEncrypterDecrypter"):
        wrapper.wrap("k1", KEY)


def test_an_api_that_is_off_says_how_to_switch_it_on(google, wrapper):
    google.disabled_services.add("cloudkms")
    with pytest.raises(KeysInvalid, match=r"gcloud services enable cloudkms\.googleapis"):
        wrapper.wrap("k1", KEY)


def test_no_credentials_say_where_to_put_them(wrapper, monkeypatch):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    with pytest.raises(KeysInvalid, match=r"No credentials were found.*GOOGLE_APPLICATION_CREDENTIALS"):
        wrapper.wrap("k1", KEY)


def test_a_refused_account_says_why(google, wrapper):
    google.accounts.clear()
    with pytest.raises(KeysInvalid, match=r"did not wrap.*invalid_grant.*no such service account"):
        wrapper.wrap("k1", KEY)


def test_a_service_that_is_down_is_named(wrapper, monkeypatch, nobody_listens):
    wrapper.wrap("k1", KEY)
    monkeypatch.setenv(ENDPOINT_SETTING, nobody_listens)
    with pytest.raises(KeysInvalid, match="Google cannot be reached"):
        wrapper.wrap("k1", KEY)


def test_an_endpoint_that_would_show_the_token_is_not_asked(wrapper, monkeypatch):
    monkeypatch.setenv(ENDPOINT_SETTING, "http://kms.example.com")
    with pytest.raises(KeysInvalid, match=rf"{ENDPOINT_SETTING} leads nowhere.*https"):
        wrapper.wrap("k1", KEY)


@pytest.mark.parametrize(
    "name", ["", "registry", f"{NAME}/cryptoKeyVersions/1", f"{NAME}/../x", f"/{NAME}", f"{NAME}\n"]
)
def test_a_setting_that_is_no_key_says_how_to_write_one(name, tmp_path):
    with pytest.raises(KeysInvalid, match="BLOCKS_KEYS=gcp-kms:projects/PROJECT"):
        gcp_kms(name, tmp_path)


def unverified(answer):
    answer["verifiedPlaintextCrc32c"] = False


def unbound(answer):
    del answer["verifiedAdditionalAuthenticatedDataCrc32c"]


def altered(answer):
    for name in ("ciphertext", "plaintext"):
        if name in answer:
            answer[name] = base64.b64encode(b"something else").decode()


def by_another_key(answer):
    answer["name"] = answer["name"].replace("registry", "other")


CHECKSUM = (
    400,
    {"error": {"status": "INVALID_ARGUMENT", "message": "The checksum in field plaintext_crc32c …"}},
)


@pytest.mark.parametrize("fault", [unverified, unbound, altered, by_another_key, CHECKSUM, (200, b"<html>")])
def test_what_was_damaged_on_the_way_is_sent_again_a_few_times(google, wrapper, fault):
    wrapper.wrap("k0", KEY)
    google.faults = [fault] * (ATTEMPTS - 1)
    assert wrapper.unwrap("k1", wrapper.wrap("k1", KEY)) == KEY
    google.faults = [fault] * ATTEMPTS
    with pytest.raises(KeysInvalid, match="damaged on the way"):
        wrapper.wrap("k1", KEY)


@pytest.mark.parametrize("fault", [altered, (200, {}), (200, {"plaintext": 7, "plaintextCrc32c": "x"})])
def test_a_key_that_was_damaged_on_the_way_back_is_asked_for_again(google, wrapper, fault):
    wrapped = wrapper.wrap("k1", KEY)
    google.faults = [fault] * (ATTEMPTS - 1)
    assert wrapper.unwrap("k1", wrapped) == KEY
    google.faults = [fault] * ATTEMPTS
    with pytest.raises(KeysInvalid, match="damaged on the way"):
        wrapper.unwrap("k1", wrapped)


def test_what_a_server_repeats_is_not_shown(google, wrapper):
    wrapper.wrap("k0", KEY)
    token = next(iter(google.tokens))
    said = f"you sent {base64.b64encode(KEY).decode()} with {token}"
    google.faults = [(400, {"error": {"status": "INVALID_ARGUMENT", "message": said}})]
    with pytest.raises(KeysInvalid, match="you sent") as caught:
        wrapper.wrap("k1", KEY)
    shown = "".join(traceback.format_exception(caught.value))
    for form in (*forms_of(KEY), token):
        assert form not in shown


def test_no_key_is_in_the_log_even_where_everything_is(google, wrapper, caplog):
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
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    carried = "".join(repr(record.__dict__) for record in caplog.records)
    for form in (*forms_of(KEY), *google.tokens):
        assert form not in caplog.text + carried


def test_the_key_file_holds_no_key_in_clear_and_another_provider_opens_it(kms_key, tmp_path):
    provider = gcp_kms(NAME, tmp_path)
    first = provider.create()
    second = provider.add()
    provider.promote(second)
    text = (tmp_path / "keys.json").read_text()
    assert json.loads(text)["wrapped_by"] == f"gcp-kms:{NAME}"
    opened = gcp_kms(NAME, tmp_path).load()
    assert opened.primary == second
    assert opened.keys[first.primary] == first.keys[first.primary]
    for key in opened.keys.values():
        assert base64.b64encode(key).decode() not in text


class TestGcpKms(KeyProviderSuite):
    is_wrapped = True

    @pytest.fixture
    def setting(self, kms_key):
        return f"gcp-kms:{NAME}"


def test_the_setting_chooses_kms_for_the_whole_command(google, kms_key, settings, tmp_path):
    path = os.environ["PATH"]
    env = {**settings, "HOME": str(tmp_path), "PATH": path, "BLOCKS_KEYS": f"gcp-kms:{NAME}"}

    def python(code):
        command = [sys.executable, "-c", f"import sys\nfrom blocks_gcp import GcpCredentials as G\n{code}"]
        return subprocess.run(command, env=env, input=sealed, capture_output=True, text=True, check=False)

    sealed = google.make_account("sealed")
    saved = python("G(service_account=sys.stdin.read()).save('a')")
    assert saved.returncode == 0, saved.stderr
    loaded = python("print(G.load('a').service_account.get_secret_value() == sys.stdin.read())")
    assert loaded.stdout == "True\n", loaded.stderr
    next(iter(google.accounts.values())).permissions.clear()
    denied = python("G.load('a')")
    assert "Cloud KMS did not unwrap the key" in denied.stderr


def forms_of(key):
    return base64.b64encode(key).decode()[:-1], key.hex(), repr(key)[2:-1]
