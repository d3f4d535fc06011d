import json
import logging
import subprocess
import sys
import traceback

import pytest
from pydantic import SecretStr, ValidationError

from blocks_core.errors import CredentialsRefused
from blocks_core.secret import SecretRef
from blocks_core.testing.credentials_suite import CredentialsSuite
from blocks_gcp import GcpCredentials, GcpSecret

EMAIL = "etl@test-project.iam.gserviceaccount.com"


def pieces_of(key_file):
    """Return what of a key file must not be shown anywhere: the lines of its private key."""
    return json.loads(key_file)["private_key"].splitlines()[1:-1]


class TestGcpCredentials(CredentialsSuite):
    @pytest.fixture
    def credentials(self, key_file):
        return GcpCredentials(service_account=SecretStr(key_file))

    @pytest.fixture
    def refused_credentials(self, google, key_file):
        other = json.loads(google.make_account("other"))
        stolen = json.loads(key_file) | {"private_key": other["private_key"]}
        return GcpCredentials(service_account=SecretStr(json.dumps(stolen)))

    @pytest.fixture
    def renewing(self, google, credentials, ending):
        google.add_version("projects/test-project/secrets/plain", b"1")
        source = GcpSecret(credentials=credentials, endpoint_url=google.url)
        return ending.renewing(lambda: source.read_secret("plain"), CredentialsRefused)

    def test_the_identity_is_the_account(self, credentials):
        assert credentials.identity() == EMAIL

    def test_each_identity_is_a_new_token(self, google, credentials):
        credentials.identity()
        credentials.identity()
        assert google.requests == ["POST /token"] * 2


class TestFields:
    @pytest.mark.parametrize(
        ("change", "remedy"),
        [
            (lambda _: "canary-4711 no json", "no JSON"),
            (lambda _: "[" * 100_000, "no JSON"),
            (lambda _: '["canary-4711"]', "type is another one"),
            (lambda key: json.dumps(key | {"type": "external_account"}), "GOOGLE_APPLICATION_CREDENTIALS"),
            (lambda key: json.dumps(key | {"private_key": ""}), "lacks private_key"),
            (
                lambda key: json.dumps({"type": "service_account"}),
                "lacks client_email, private_key, token_uri",
            ),
            (lambda key: json.dumps(key | {"token_uri": "http://evil.example.com/"}), "token_uri is none"),
            (lambda key: json.dumps(key | {"token_uri": "file:///etc/passwd"}), "token_uri is none"),
        ],
    )
    def test_what_is_no_key_file_is_refused_without_showing_it(self, change, remedy, key_file):
        with pytest.raises(ValidationError, match=remedy) as caught:
            GcpCredentials(service_account=change(json.loads(key_file)))
        shown = "".join(traceback.format_exception(caught.value))
        assert "canary" not in shown
        assert not any(piece in shown for piece in pieces_of(key_file))

    @pytest.mark.parametrize("project", ["", "a/b", "../x", "a b"])
    def test_what_is_no_project_is_refused(self, project):
        with pytest.raises(ValidationError, match="project"):
            GcpCredentials(project=project)


class TestChain:
    def test_a_file_that_the_environment_names_is_read(self, key_file, tmp_path, monkeypatch):
        (tmp_path / "key.json").write_text(key_file)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        assert GcpCredentials().identity() == EMAIL
        assert GcpCredentials().project_id() == "test-project"
        assert GcpCredentials(project="other").project_id() == "other"

    def test_a_machine_with_a_service_account_needs_nothing(self, google, key_file):
        code = "from blocks_gcp import GcpCredentials as G; print(G().identity(), G().project_id())"
        env = {"GCE_METADATA_HOST": google.host, "GCE_METADATA_IP": google.host, "HOME": "/nonexistent"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
        )
        assert done.stdout == f"{EMAIL} machine-project\n", done.stderr

    def test_no_credentials_anywhere_say_where_to_put_them(self):
        with pytest.raises(CredentialsRefused, match=r"No credentials were found.*application-default login"):
            GcpCredentials().identity()

    def test_a_file_that_was_put_right_is_read_anew(self, google, key_file, tmp_path, monkeypatch):
        file = tmp_path / "key.json"
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        account = google.accounts.pop(EMAIL)
        file.write_text(key_file)
        with pytest.raises(CredentialsRefused):
            GcpCredentials().identity()
        google.accounts[EMAIL] = account
        assert GcpCredentials().identity() == EMAIL

    def test_a_key_without_a_project_says_so(self, key_file):
        content = json.loads(key_file)
        del content["project_id"]
        with pytest.raises(CredentialsRefused, match=r"Give project, or set GOOGLE_CLOUD_PROJECT"):
            GcpCredentials(service_account=json.dumps(content)).project_id()


class TestReference:
    def test_what_a_reference_leads_to_is_read_when_it_is_needed(self, key_file, monkeypatch):
        credentials = GcpCredentials(service_account=SecretRef("env:KEY_FILE_OF_ETL"))
        monkeypatch.setenv("KEY_FILE_OF_ETL", "no key file")
        with pytest.raises(CredentialsRefused, match="This is no JSON"):
            credentials.identity()
        monkeypatch.setenv("KEY_FILE_OF_ETL", key_file)
        assert credentials.identity() == EMAIL


class TestFailures:
    @pytest.mark.parametrize(
        ("change", "remedy"),
        [
            (lambda google, account: google.accounts.clear(), "no such service account"),
            (lambda google, account: setattr(account, "disabled", True), "account is disabled"),
            (
                lambda google, account: setattr(account, "public_key", _key_of(google)),
                "Make a new key of the service account",
            ),
        ],
    )
    def test_a_refused_account_says_what_to_do(self, change, remedy, google, key_file):
        change(google, google.accounts[EMAIL])
        with pytest.raises(CredentialsRefused, match=rf"invalid_grant.*{remedy}"):
            GcpCredentials(service_account=key_file).identity()

    def test_a_damaged_key_says_to_give_it_whole(self, key_file):
        content = json.loads(key_file)
        content["private_key"] = content["private_key"].replace(pieces_of(key_file)[3], "")
        with pytest.raises(CredentialsRefused, match="key is damaged") as caught:
            GcpCredentials(service_account=json.dumps(content)).identity()
        shown = "".join(traceback.format_exception(caught.value))
        assert not any(piece in shown for piece in pieces_of(key_file))

    def test_a_service_that_is_down_is_no_wrong_key(self, key_file, nobody_listens):
        content = json.loads(key_file) | {"token_uri": f"{nobody_listens}/token"}
        with pytest.raises(CredentialsRefused, match="Google cannot be reached"):
            GcpCredentials(service_account=json.dumps(content)).identity()

    @pytest.mark.parametrize("answer", [(200, b"<html>"), (400, b"<html>"), (404, {}), (200, []), (200, {})])
    def test_what_is_no_token_endpoint_is_a_typed_error(self, answer, google, key_file):
        google.faults = [answer]
        with pytest.raises(CredentialsRefused, match="Check token_uri"):
            GcpCredentials(service_account=key_file).identity()


def test_the_clients_of_google_take_the_credentials(key_file):
    found = GcpCredentials(service_account=key_file).google_credentials()
    assert found.service_account_email == EMAIL


def test_neither_key_nor_token_is_in_the_log_even_where_everything_is(google, key_file, caplog):
    credentials = GcpCredentials(service_account=key_file)
    credentials.identity()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            credentials.identity()
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert "google.auth.transport.requests" in {record.name for record in caplog.records}
    shown = caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    assert "assertion" not in shown
    for secret in (*pieces_of(key_file), *google.tokens):
        assert secret not in shown


def _key_of(google):
    google.make_account("another")
    return google.accounts["another@test-project.iam.gserviceaccount.com"].public_key
