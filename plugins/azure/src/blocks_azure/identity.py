"""Who Azure takes a bearer for."""

from __future__ import annotations

from blocks_azure.connection import asking, hider_for, new_tokens, service_for
from blocks_azure.credentials import AzureCredentials
from blocks_azure.reasons import ACCEPTED, BlobsError, why_refused
from blocks_azure.tokens import claims_of
from blocks_core.errors import CredentialsRefused

SCOPE = "https://storage.azure.com/.default"


def who_is(credentials: AzureCredentials) -> str:
    """Do `AzureCredentials.identity`."""
    try:
        with asking(hider_for(credentials)):
            return _account(credentials) if credentials.uses_a_key() else _principal(credentials)
    except BlobsError as error:
        raise CredentialsRefused(why_refused(error, credentials.place())) from error.__cause__


def _account(credentials: AzureCredentials) -> str:
    client = service_for(credentials, credentials.timeout_seconds)
    try:
        client.get_account_information()
    except Exception as error:
        if getattr(error, "error_code", None) not in ACCEPTED:
            raise
    return f"account {client.account_name}"


def _principal(credentials: AzureCredentials) -> str:
    claims = claims_of(new_tokens(credentials).get_token_info(SCOPE).token)
    names = ("upn", "preferred_username", "unique_name", "app_displayname")
    name = next((str(claims[key]) for key in names if claims.get(key)), "")
    ids = [f"{key} {claims[key]}" for key in ("appid", "oid") if claims.get(key)]
    return " ".join([name, *ids]).strip() or "a principal that its token does not name"
