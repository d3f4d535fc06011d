"""`AzureCredentials`: a key, a SAS token, a service principal, or what Azure's own chain finds."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import parse_qs

from pydantic import Field, SecretStr, field_validator, model_validator

from blocks_core.capabilities import Credentials
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import CredentialsRefused
from blocks_core.secret import is_reference

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobServiceClient

_ID = r"^[A-Za-z0-9._-]+$"
_URL = r"^https?://[^@\s?#]+$"


class AzureCredentials(Credentials, slug="azure-credentials", title="Azure Credentials"):
    """Who one is to Azure Storage, and which account is meant.

    Give a connection string; or the account's name with its key, with a SAS token or with a service
    principal; or the name alone, and Azure's own chain is followed: environment variables, workload identity,
    managed identity, the Azure CLI. Tokens are renewed before they end, and once where Azure refuses one.

    ```python
    from blocks_azure import AzureCredentials

    etl = AzureCredentials(
        account_name="rawdata",
        tenant_id="3f2b6b1e-0000-0000-0000-000000000000",
        client_id="8d1f7c52-0000-0000-0000-000000000000",
        client_secret="hunter2",
    )
    etl.save("etl")
    ```
    """

    connection_string: SecretStr | None = Field(
        default=None,
        description="Connection string of the account, whole; it holds the account's name and key.",
    )
    account_name: str | None = Field(
        default=None, pattern=r"^[a-z0-9]{3,24}$", description="Name of the storage account."
    )
    account_key: SecretStr | None = Field(default=None, description="One of the account's two keys.")
    sas_token: SecretStr | None = Field(
        default=None, description="A shared access signature, such as sv=…&sig=…, without an address."
    )
    tenant_id: str | None = Field(
        default=None, pattern=_ID, description="Id or domain of the service principal's tenant."
    )
    client_id: str | None = Field(
        default=None, pattern=_ID, description="Id of the service principal's application."
    )
    client_secret: SecretStr | None = Field(
        default=None, min_length=1, description="A secret of the service principal's application."
    )
    endpoint_url: str | None = Field(
        default=None,
        pattern=_URL,
        description="Address of the account's Blob Storage, for other clouds and emulators. Default: that of Azure's "
        "public cloud.",
    )
    authority_url: str | None = Field(
        default=None,
        pattern=r"^https://[^@\s?#]+$",
        description="Where tokens come from, for other clouds. Default: AZURE_AUTHORITY_HOST, else "
        "https://login.microsoftonline.com.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("connection_string")
    @classmethod
    def _is_a_connection_string(cls, connection_string: SecretStr | None) -> SecretStr | None:
        if connection_string is None or is_reference(connection_string):
            return connection_string
        if problem := problem_of_connection_string(connection_string.get_secret_value()):
            raise ValueError(problem)
        return connection_string

    @field_validator("account_key")
    @classmethod
    def _is_a_key(cls, account_key: SecretStr | None) -> SecretStr | None:
        if account_key is None or is_reference(account_key):
            return account_key
        if not _is_base64(account_key.get_secret_value()):
            raise ValueError("This is no key of a storage account: keys are base64. Copy it whole.")
        return account_key

    @field_validator("sas_token")
    @classmethod
    def _is_a_sas_token(cls, sas_token: SecretStr | None) -> SecretStr | None:
        if sas_token is None or is_reference(sas_token):
            return sas_token
        text = sas_token.get_secret_value()
        if "://" in text.partition("?")[0]:
            raise ValueError("This is an address with a SAS token: give what comes after the '?' alone.")
        if not parse_qs(text.lstrip("?")).get("sig"):
            raise ValueError("This is no SAS token: it has no sig=…. Copy it whole.")
        return sas_token

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        if self.connection_string and (self.account_name or self.endpoint_url):
            raise ValueError(
                "A connection string names the account and its address: leave account_name and endpoint_url empty."
            )
        if not self.connection_string and not self.account_name:
            raise ValueError("Which account is meant? Give account_name, or a connection_string.")
        principal = [self.tenant_id, self.client_id, self.client_secret]
        if any(principal) and not all(principal):
            raise ValueError(
                "A service principal has three parts: give tenant_id, client_id and client_secret."
            )
        ways = (self.connection_string, self.account_key, self.sas_token, self.client_secret)
        if sum(way is not None for way in ways) > 1:
            raise ValueError(
                "Give one of connection_string, account_key, sas_token and a service principal: each is an answer to "
                "the same question."
            )
        return self

    def service_client(self) -> BlobServiceClient:
        """Return the client of Azure's own library for the account's Blob Storage; threads may share it.

        Raises:  CredentialsRefused: a connection string or a key is none.
        """
        from blocks_azure.connection import service_for  # late: it imports Azure's packages

        return service_for(self, self.timeout_seconds)

    def token_credential(self) -> TokenCredential:
        """Return what clients of Azure's own libraries, of other services too, get their tokens from.

        Raises:  CredentialsRefused: these credentials are a key, and a key gets no token.
        """
        if self.uses_a_key():
            raise CredentialsRefused(
                "A connection string, an account key or a SAS token gets no token. Give a service principal, or the "
                "account's name alone."
            )
        from blocks_azure.connection import tokens_for  # late: it imports Azure's packages

        return tokens_for(self)

    def identity(self) -> str:
        """Return who Azure takes the bearer for.

        For a key or a SAS token that is the account, by an answer of Blob Storage; else the principal of a new token.

        Raises:  CredentialsRefused.
        Source:  https://learn.microsoft.com/rest/api/storageservices/get-account-information,
                 https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference.
        """
        from blocks_azure.identity import who_is  # late: it imports Azure's packages

        return who_is(self)

    def check(self) -> CheckReport:
        """Ask Azure who the bearer is."""
        checker = Checker()
        checker.step("identity", self.identity)
        return checker.report()

    def uses_a_key(self) -> bool:
        """Tell whether these are a key or a SAS token, and so no tokens are got."""
        return any(way is not None for way in (self.connection_string, self.account_key, self.sas_token))

    def place(self) -> str:
        """Return what is asked, for people; no secret."""
        return (
            f"The account '{self.account_name}'"
            if self.account_name
            else "The account of the connection string"
        )


def secrets_of(credentials: AzureCredentials) -> Iterator[str]:
    """Yield the secrets of credentials, and the parts of them that Azure's packages show without the rest."""
    for secret in (credentials.connection_string, credentials.account_key, credentials.client_secret):
        if secret is not None:
            yield secret.get_secret_value()
    signatures = [credentials.sas_token.get_secret_value()] if credentials.sas_token else []
    if credentials.connection_string:
        parts = parts_of(credentials.connection_string.get_secret_value())
        if key := parts.get("accountkey"):
            yield key
        signatures += [parts["sharedaccesssignature"]] if "sharedaccesssignature" in parts else []
    for signature in signatures:
        yield signature
        yield from parse_qs(signature.lstrip("?")).get("sig", ())


def parts_of(connection_string: str) -> dict[str, str]:
    """Return the parts of a connection string by their names in lower case."""
    parts = (part.partition("=") for part in connection_string.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def problem_of_connection_string(text: str) -> str | None:
    """Return why a text is no connection string, without repeating it, or None."""
    parts = parts_of(text)
    if "usedevelopmentstorage" in parts:
        return (
            "Azure's library for Python knows no UseDevelopmentStorage. Give the emulator's account_name, "
            "account_key and endpoint_url."
        )
    if not {"accountname", "blobendpoint"}.intersection(parts):
        return "This is no connection string of a storage account: it has no AccountName=…. Copy it whole."
    if not {"accountkey", "sharedaccesssignature"}.intersection(parts):
        return "The connection string has neither AccountKey=… nor SharedAccessSignature=…. Copy it whole."
    if "accountkey" in parts and not _is_base64(parts["accountkey"]):
        return "The connection string's AccountKey is none: keys are base64. Copy it whole."
    return None


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(cast("bytes | str", text), validate=True)) and not re.search(r"\s", text)
    except (Base64Error, ValueError):
        return False
