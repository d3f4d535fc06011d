import json
import logging
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from azurite_server import ACCOUNT, KEY
from fake_entra import BEARER, CLIENT, TENANT
from pydantic import ValidationError

from blocks_azure import Azure, AzureCredentials
from blocks_core.errors import CredentialsRefused, StorageFailed
from blocks_core.testing.credentials_suite import CredentialsSuite
from blocks_core.testing.renewing_suite import Renewing

SECRET = "cDFhbnRlZC01ZWNyZXQtb2Ytbm9ib2R5"
PRINCIPAL = {"tenant_id": "t", "client_id": "c", "client_secret": SECRET}


class TestAccountKey(CredentialsSuite):
    @pytest.fixture
    def credentials(self, azurite):
        return AzureCredentials(account_name=ACCOUNT, account_key=KEY, endpoint_url=azurite.url)

    @pytest.fixture
    def refused_credentials(self, azurite):
        return AzureCredentials(account_name=ACCOUNT, account_key=SECRET, endpoint_url=azurite.url)

    def test_the_identity_is_the_account(self, credentials):
        assert credentials.identity() == f"account {ACCOUNT}"


class TestConnectionString(CredentialsSuite):
    @pytest.fixture
    def credentials(self, azurite):
        return AzureCredentials(connection_string=azurite.connection_string)

    @pytest.fixture
    def refused_credentials(self, azurite):
        return AzureCredentials(connection_string=azurite.connection_string.replace(KEY, SECRET))

    def test_its_key_alone_is_shown_no_more_than_the_whole(self, refused_credentials, caplog):
        with caplog.at_level(logging.DEBUG), pytest.raises(CredentialsRefused) as caught:
            refused_credentials.identity()
        for text in (caplog.text, "".join(traceback.format_exception(caught.value))):
            assert SECRET not in text


class TestSasToken(CredentialsSuite):
    @pytest.fixture
    def credentials(self, azurite):
        token = generate_account_sas(
            ACCOUNT,
            KEY,
            ResourceTypes(service=True, container=True, object=True),
            AccountSasPermissions(read=True, list=True),
            datetime.now(UTC) + timedelta(hours=1),
        )
        return AzureCredentials(account_name=ACCOUNT, sas_token=f"?{token}", endpoint_url=azurite.url)

    @pytest.fixture
    def refused_credentials(self, azurite, credentials):
        token = credentials.sas_token.get_secret_value()
        return AzureCredentials(
            account_name=ACCOUNT, sas_token=token[:-8] + "AAAAA%3D", endpoint_url=azurite.url
        )

    def test_its_signature_is_not_logged_though_urllib3_logs_each_address(self, credentials, azurite, caplog):
        for name in (None, "azure", "urllib3"):
            caplog.set_level(logging.DEBUG, name)
        credentials.identity()
        signature = credentials.sas_token.get_secret_value().partition("sig=")[2].partition("&")[0]
        assert "comp=properties" in caplog.text
        assert signature not in caplog.text


class TestServicePrincipal(CredentialsSuite):
    @pytest.fixture
    def credentials(self, principal):
        return principal()

    @pytest.fixture
    def refused_credentials(self, principal):
        return principal(client_secret=SECRET)

    @pytest.fixture
    def renewing(self, entra, principal):
        storage = Azure(container="raw", credentials=principal())
        return Renewing(
            use=lambda: storage.read("a"),
            issued=lambda: len(entra.tokens),
            refused=lambda: entra.refused,
            secrets=lambda: list(entra.tokens),
            give_for=lambda seconds: entra.give_for(int(seconds)),
            expire=entra.expire,
            expire_always=entra.expire_always,
            refusal=StorageFailed,
        )

    def test_the_identity_is_that_of_a_new_token(self, credentials, entra):
        assert credentials.identity() == f"appid {CLIENT} oid {BEARER}"
        assert credentials.identity()
        assert len(entra.tokens) == 2

    def test_a_wrong_secret_is_told_in_the_words_of_entra_and_tried_once(self, refused_credentials, entra):
        storage = Azure(container="raw", credentials=refused_credentials)
        for call, kind in (
            (refused_credentials.identity, CredentialsRefused),
            (lambda: storage.read("a"), StorageFailed),
        ):
            with pytest.raises(kind, match=r"AADSTS7000215: Invalid client secret.*Check tenant_id"):
                call()
        assert entra.refused == 0

    def test_tokens_serve_other_clients_of_azure(self, credentials, entra):
        assert (
            credentials.token_credential().get_token("https://storage.azure.com/.default").token
            in entra.tokens
        )

    def test_a_place_of_tokens_that_is_down_is_told(self, principal, nobody_listens):
        away = principal(authority_url=nobody_listens.replace("http:", "https:").rpartition("/")[0])
        with pytest.raises(
            CredentialsRefused, match=r"where tokens come from cannot be reached.*Check authority_url"
        ):
            away.identity()

    def test_a_place_of_tokens_that_errs_is_told(self, credentials, entra):
        entra.fault = (400, {"error": "unauthorized_client", "error_description": "AADSTS700016: Not found."})
        with pytest.raises(CredentialsRefused, match="AADSTS700016"):
            credentials.identity()
        entra.fault = (200, {"no": "token"})
        with pytest.raises(CredentialsRefused, match="No token was got"):
            credentials.identity()


def test_a_token_is_taken_by_azurite(azurite_with_tokens, principal):
    """Which looks at its issuer, its audience and its times."""
    credentials = principal(endpoint_url=azurite_with_tokens.url)
    storage = Azure(container=azurite_with_tokens.make_container(), credentials=credentials)
    assert storage.check().ok


class TestChain:
    @pytest.fixture
    def in_environment(self, monkeypatch, entra):
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", entra.url)
        monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
        monkeypatch.setenv("AZURE_CLIENT_SECRET", entra.secret)

    def test_the_environment_says_who_asks(self, in_environment, entra):
        credentials = AzureCredentials(account_name=ACCOUNT, endpoint_url=f"{entra.url}/{ACCOUNT}")
        assert credentials.identity() == f"appid {CLIENT} oid {BEARER}"
        assert Azure(container="raw", credentials=credentials).read("a") == b"12345"

    def test_an_environment_that_changes_is_followed(self, in_environment, entra, monkeypatch):
        credentials = AzureCredentials(account_name=ACCOUNT, endpoint_url=f"{entra.url}/{ACCOUNT}")
        monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
        with pytest.raises(StorageFailed, match="AADSTS7000215"):
            Azure(container="raw", credentials=credentials).read("a")
        monkeypatch.setenv("AZURE_CLIENT_SECRET", entra.secret)
        assert Azure(container="raw", credentials=credentials).read("a") == b"12345"

    def test_nothing_found_says_where_to_put_it(self, monkeypatch):
        monkeypatch.setenv(
            "AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential"
        )  # or a machine's address is waited for
        with pytest.raises(CredentialsRefused, match=r"chain found nothing. Set AZURE_TENANT_ID"):
            AzureCredentials(account_name=ACCOUNT).identity()

    def test_storage_settings_of_the_environment_do_not_take_the_place_of_the_fields(
        self, monkeypatch, azurite, container
    ):
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=other;AccountKey=b3RoZXI=")
        monkeypatch.setenv("AZURE_STORAGE_KEY", SECRET)
        credentials = AzureCredentials(account_name=ACCOUNT, account_key=KEY, endpoint_url=azurite.url)
        assert Azure(container=container, credentials=credentials).check().ok


class TestFields:
    @pytest.mark.parametrize(
        ("fields", "remedy"),
        [
            ({}, "Give account_name"),
            ({"account_key": SECRET}, "Give account_name"),
            ({"account_name": "Raw_Data"}, "pattern"),
            ({"account_name": "rawdata", "account_key": SECRET, "sas_token": f"sig={SECRET}"}, "Give one of"),
            ({"account_name": "rawdata", "account_key": SECRET, **PRINCIPAL}, "Give one of"),
            ({"account_name": "rawdata", "tenant_id": "t", "client_secret": SECRET}, "three parts"),
            ({"account_name": "rawdata", "account_key": f"{SECRET}!"}, "keys are base64"),
            (
                {
                    "account_name": "rawdata",
                    "sas_token": f"https://rawdata.blob.core.windows.net/?sig={SECRET}",
                },
                "alone",
            ),
            ({"account_name": "rawdata", "sas_token": f"sv=2026&{SECRET}"}, "no sig="),
            (
                {"connection_string": f"AccountName=rawdata;AccountKey={SECRET}", "account_name": "rawdata"},
                "empty",
            ),
            ({"connection_string": f"AccountKey={SECRET}"}, "no AccountName="),
            ({"connection_string": f"AccountName=rawdata;{SECRET}"}, "neither AccountKey"),
            ({"connection_string": f"AccountName=rawdata;AccountKey={SECRET}!"}, "base64"),
            ({"connection_string": "UseDevelopmentStorage=true"}, "emulator's account_name"),
            ({"account_name": "rawdata", "endpoint_url": f"https://etl:{SECRET}@azure"}, "pattern"),
            ({"account_name": "rawdata", "endpoint_url": f"https://azure/?sig={SECRET}"}, "pattern"),
            ({"account_name": "rawdata", "authority_url": "http://login"}, "pattern"),
        ],
    )
    def test_fields_that_do_not_fit_together_are_refused_with_the_remedy(self, fields, remedy):
        with pytest.raises(ValidationError, match=remedy) as caught:
            AzureCredentials(**fields)
        assert SECRET not in "".join(traceback.format_exception(caught.value))

    def test_a_key_gets_no_token(self):
        credentials = AzureCredentials(account_name="rawdata", account_key=SECRET)
        with pytest.raises(CredentialsRefused, match=r"gets no token. Give a service principal"):
            credentials.token_credential()

    def test_tokens_are_not_sent_in_clear(self, principal):
        with pytest.raises(CredentialsRefused, match="https:// for tokens"):
            principal(endpoint_url="http://127.0.0.1:10000/x").service_client()


def test_a_service_that_is_none_is_told(entra):
    """The words of whoever answers are not repeated."""
    credentials = AzureCredentials(
        account_name=ACCOUNT,
        account_key=KEY,
        endpoint_url=f"{entra.url}/x/.well-known/openid-configuration/..",
    )
    with pytest.raises(CredentialsRefused, match="did not accept the credentials"):
        credentials.identity()


def test_an_account_that_is_not_there_is_named():
    credentials = AzureCredentials(
        account_name=ACCOUNT, account_key=SECRET, endpoint_url="https://no-such-account.invalid"
    )
    with pytest.raises(
        CredentialsRefused, match=rf"'{ACCOUNT}'.*no such account.*Check account_name"
    ) as caught:
        credentials.identity()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_importing_the_package_does_not_import_a_vendors_package():
    code = (
        "import sys, json, blocks_azure, blocks_azure.reasons;"
        "who = blocks_azure.AzureCredentials(account_name='rawdata', account_key='a2V5');"
        "blocks_azure.Azure(container='raw', credentials=who).location('x');"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    vendors = {
        "azure",
        "azure.core",
        "azure.storage.blob",
        "azure.identity",
        "msal",
        "requests",
        "adlfs",
        "fsspec",
    }
    assert not vendors & set(json.loads(done.stdout))
