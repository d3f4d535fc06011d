"""Tokens of Microsoft Entra: renewed before they end, and once where a service refuses one, by one thread at a time.

Azure's own library renews what it knows to end soon. It does not know that a service may end a token early: asked
again, it gives the same one.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, cast

from azure.core.credentials import AccessToken, AccessTokenInfo, SupportsTokenInfo, TokenRequestOptions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from blocks_core.errors import CredentialsRefused
from blocks_core.masking import SECRETS_IN_USE
from blocks_core.unlogged import unlogged

RENEW_BEFORE_SECONDS = 300
"""A token that ends sooner is renewed; Azure's library asks for a new one at that time, too."""

VENDORS = ("azure", "msal", "requests", "urllib3")
"""Packages that log what is sent and got."""


class Tokens:
    """Gives the tokens of one bearer: what Azure's clients take for a credential."""

    def __init__(self, make: Callable[[], SupportsTokenInfo]) -> None:
        """Get tokens from what `make` returns; of a new one it is known that it keeps no token."""
        self._make = make
        self._source: SupportsTokenInfo | None = None
        self._given: dict[tuple[str, ...], AccessTokenInfo] = {}
        self._lock = Lock()

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return a token for scopes.

        Args:    options: which tenant a service names is not looked at: the bearer is of one tenant.
        Raises:  CredentialsRefused: none of Azure's own errors, or each request would be tried again for it.
        """
        with self._lock:
            given = self._given.get(scopes)
            if given is not None and given.expires_on - time.time() > RENEW_BEFORE_SECONDS:
                return given
            with _refusing(), unlogged(*VENDORS):
                self._source = self._source or self._make()
                found = self._source.get_token_info(*scopes)
            SECRETS_IN_USE.add([found.token])
            self._given[scopes] = found
            return found

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Do `get_token_info` for older clients."""
        found = self.get_token_info(*scopes)
        return AccessToken(found.token, found.expires_on)

    def give_up(self, token: str) -> None:
        """Get a new token at the next use, if this is still the one; another thread may have been first."""
        with self._lock:
            for scopes, given in list(self._given.items()):
                if given.token == token:
                    del self._given[scopes]
                    self._source = None  # it would give the same one, by its own word still good

    def secrets(self) -> list[str]:
        """Return the tokens that are in use."""
        return [given.token for given in list(self._given.values())]


@contextmanager
def _refusing() -> Generator[None]:
    try:
        yield
    except ClientAuthenticationError as error:
        raise CredentialsRefused(_why_none(error)) from None
    except AzureError as error:
        raise CredentialsRefused(_unreachable(error)) from None
    except ValueError:  # its text may hold what it could not read
        raise CredentialsRefused(
            "No token was got: a part of the credentials is not of the right form. Check tenant_id, client_id and "
            "authority_url."
        ) from None


def _unreachable(error: BaseException) -> str:
    return (
        f"No token was got: where tokens come from cannot be reached, or is not that ({type(error).__name__}). Check "
        f"authority_url, the network and the proxy."
    )


def _why_none(error: ClientAuthenticationError) -> str:
    if isinstance(error.__cause__, (ServiceRequestError, ServiceResponseError)):
        return _unreachable(error.__cause__)
    lines = [line.strip().rstrip(".") for line in str(error.message or error).splitlines() if line.strip()]
    told = [
        line for line in lines if "AADSTS" in line or "uthentication failed" in line
    ]  # of all that were tried
    if not told and (
        isinstance(error, CredentialUnavailableError) or "DefaultAzureCredential" in "".join(lines)
    ):
        return (
            "No token was got: Azure's own chain found nothing. Set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
            "AZURE_CLIENT_SECRET, run where there is a managed identity, or run 'az login'."
        )
    said = (told or lines or ["no reason was given"])[0][:500]
    return f"No token was got: {said}. Check tenant_id, client_id and client_secret, or what Azure's own chain found."


def claims_of(token: str) -> Mapping[str, Any]:
    """Return what a token says of its bearer, unverified: it is what was just got for the credentials.

    Source:  RFC 7519 section 7.2; Microsoft says that a token may have any other form, which is no error.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found: object = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
