"""The seam to hvac: clients of Vault that a process keeps. Imported when a block is first used."""

# hvac comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from traceback import format_exception
from typing import Any, cast
from urllib.parse import urljoin

import hvac
import requests
from hvac.exceptions import VaultError
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.util import Retry

from blocks_core.masking import without
from blocks_core.unlogged import unlogged
from blocks_vault.settings import VaultSettings

MAX_KEPT = 32
"""Clients kept; the one not used for longest is let go."""

_VENDORS = ("hvac", "requests", "urllib3")
_AGAIN = Retry(
    total=2,
    backoff_factor=0.3,
    status_forcelist=(412, 429, 502, 504),  # 412: a standby has not seen yet what was written; 503: sealed
    allowed_methods=None,  # what is asked here may be asked again
    raise_on_status=False,
    retry_after_max=20,
)
_FAILURES = (VaultError, RequestException, LookupError, TypeError, ValueError, AttributeError)
"""What a call of hvac raises: its own errors, those of requests, and Python's where an answer is none of Vault's."""


class VaultRefused(Exception):
    """Vault did not do what was asked; the cause is shown where it repeats no secret."""

    def __init__(self, status: int | None, said: str, kind: str) -> None:
        self.status = status
        """Of HTTP; None where no answer came."""
        self.said = said
        """What Vault says, without secrets."""
        self.kind = kind
        """Name of the class of the error."""
        super().__init__(said)


def ask(settings: VaultSettings, secrets: tuple[str, ...], call: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the data that Vault answers to a call of hvac.

    Args:    secrets: texts, besides the token, that no error may repeat. call: takes hvac's client.
    Raises:  VaultRefused.
    """
    client = _open(os.getpid(), settings, _trust())
    try:
        with unlogged(*_VENDORS):
            data: object = call(client)["data"]
        if isinstance(data, dict):
            return cast("dict[str, Any]", data)
        raise TypeError
    except _FAILURES as error:
        hidden = (settings.token, *secrets)
        shown = "".join(format_exception(error)) + repr(vars(error))
        leaks = without(shown, hidden) != shown or not isinstance(error, (VaultError, RequestException))
        refused = VaultRefused(
            _status_of(error), without(_said_by(error), hidden)[:300], type(error).__name__
        )
        raise refused from (None if leaks else error)


class _Session(requests.Session):
    """Follows a standby to its leader, and never from https to http, where the token would be read by others."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and resp.url.startswith("https:") and urljoin(resp.url, target).startswith("http:"):
            return None
        return target


@lru_cache(maxsize=MAX_KEPT)
def _open(
    _process: int,  # a forked child opens its own, as connections cannot be shared
    settings: VaultSettings,
    trust: tuple[str | bool, str | None, str | None],
) -> Any:
    session = _Session()
    session.verify, certificate, key = trust
    session.cert = (certificate, key) if certificate and key else certificate
    session.mount("https://", HTTPAdapter(max_retries=_AGAIN))
    session.mount("http://", HTTPAdapter(max_retries=_AGAIN))
    return hvac.Client(
        url=settings.url,
        token=settings.token,
        namespace=settings.namespace,
        timeout=cast("int", settings.timeout_seconds),
        session=session,
    )


def _trust() -> tuple[str | bool, str | None, str | None]:
    """Return the certificates to trust and to show, from the variables of Vault's own command."""
    authorities = os.environ.get("VAULT_CACERT") or os.environ.get("VAULT_CAPATH") or True
    return authorities, os.environ.get("VAULT_CLIENT_CERT"), os.environ.get("VAULT_CLIENT_KEY")


_STATUS = {
    "InvalidRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "InvalidPath": 404,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "VaultNotInitialized": 501,
    "BadGateway": 502,
    "VaultDown": 503,
}


def _status_of(error: Exception) -> int | None:
    if isinstance(error, RequestException):
        return None
    return _STATUS.get(type(error).__name__, 200)


def _said_by(error: Exception) -> str:
    """Return what Vault says in words; it may say more than one thing."""
    errors: object = getattr(error, "errors", None)
    found = [str(item) for item in cast("list[object]", errors)] if isinstance(errors, list) else []
    content: object = getattr(error, "json", None)
    if not found and isinstance(content, dict) and content.get("data"):  # metadata of what was deleted
        found = ["the newest version is deleted"]
    return " ".join(" ".join(found).replace("*", " ").split())
