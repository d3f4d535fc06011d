"""The seam to google-auth: connections that carry a token and renew it, shared by those with the same credentials.

Imported when a block is first used. Google's REST services are asked over google-auth's own session instead of
through a client library for each: those stand on gRPC, whose threads do not live through a fork.
"""

# google-auth and requests come without types for what is used here.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from threading import Lock
from traceback import format_exception
from typing import Any, NoReturn, cast

import google.auth
import requests
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.util import Retry

from blocks_core.errors import CredentialsRefused
from blocks_core.masking import SECRETS_IN_USE, without
from blocks_core.unlogged import unlogged
from blocks_gcp.credentials import GcpCredentials, problem_of_key_file
from blocks_gcp.reasons import Answer, why_refused, why_unreachable

SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
)
MAX_KEPT = 32
"""Connections kept; the one not used for longest is let go."""

_VENDORS = ("google", "requests", "urllib3")
_SETTINGS = ("GOOGLE_", "GCLOUD_", "CLOUDSDK_", "GCE_METADATA_")
_AGAIN = Retry(
    total=3,
    backoff_factor=0.3,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=None,  # what is asked here may be asked again
    raise_on_status=False,
    retry_after_max=20,
)


class Unreachable(Exception):
    """No answer came; the text says why, and what to do."""


class Connection:
    """Credentials of Google with their token, and a session to send it with.

    A token is renewed before it ends, and once where a service refuses it; many threads that need that renew it once.
    """

    def __init__(
        self, credentials: Any, project: str | None, secrets: tuple[str, ...], timeout: float
    ) -> None:
        self.credentials = credentials
        self.project = project
        self._secrets = secrets
        self._timeout = timeout
        self._lock = Lock()
        self._request = Request(_TokenSession())
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(max_retries=_AGAIN))
        self._session.mount("http://", HTTPAdapter(max_retries=_AGAIN))

    def secrets(self) -> Iterator[str]:
        """Yield what an answer must not repeat into a message: the key, its lines, and the token."""
        yield from self._secrets
        if token := cast("str | None", self.credentials.token):
            yield token

    def identity(self) -> str:
        """Get a new token, and return whose it is.

        Raises:  CredentialsRefused.
        """
        with self._lock:
            self._renew()
        names = (getattr(self.credentials, name, None) for name in ("service_account_email", "account"))
        return next((str(name) for name in names if name), "an account that Google does not name")

    def is_fresh(self) -> bool:
        """Tell whether there is a token that lasts for some minutes yet."""
        return bool(self.credentials.valid)

    def headers(self, refused: str | None = None) -> dict[str, str]:
        """Return the headers that carry the token, renewed where it is about to end.

        Args:    refused: the token that a service did not accept; any other one is taken for newer.
        Raises:  CredentialsRefused: there is none.
        """
        with self._lock:
            if not self.is_fresh() or self.credentials.token == refused:
                self._renew()
            found: dict[str, str] = {}
            self.credentials.apply(found)
            return found

    def ask(self, method: str, url: str, content: Mapping[str, Any] | None = None) -> Answer:
        """Send a request with the token, and return the answer whatever it is.

        Raises:  CredentialsRefused: there is no token. Unreachable.
        """
        token = self.headers()
        answer = self._send(method, url, content, token)
        if answer.status == 401:
            token = self.headers(refused=token["authorization"].partition(" ")[2])
            answer = self._send(method, url, content, token)
        return answer

    def _send(
        self, method: str, url: str, content: Mapping[str, Any] | None, token: Mapping[str, str]
    ) -> Answer:
        body = None if content is None else json.dumps(content).encode()
        kind = {"Content-Type": "application/json"} if body else {}
        try:
            with unlogged(*_VENDORS):
                response = self._session.request(
                    method,
                    url,
                    data=body,
                    headers={**kind, **token},
                    timeout=self._timeout,
                    allow_redirects=False,
                )
                return Answer(response.status_code, _json_of(response))
        except RequestException as error:
            shown = "".join(format_exception(error))
            leaks = without(shown, (*self.secrets(), *_texts_in(content))) != shown
            raise Unreachable(why_unreachable(error)) from (None if leaks else error)

    def _renew(self) -> None:
        with _getting_tokens(), unlogged(*_VENDORS):
            self.credentials.refresh(partial(self._request, timeout=cast("int", self._timeout)))


def open_connection(credentials: GcpCredentials | None) -> Connection:
    """Return the connection for credentials; None follows Google's own chain, and its settings as they are now.

    Raises:  CredentialsRefused: none were found, or the key is damaged.
    """
    credentials = credentials or GcpCredentials()
    key = credentials.service_account
    settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_SETTINGS)))
    return _open(os.getpid(), settings, key.get_secret_value() if key else None, credentials.timeout_seconds)


def refuse(error: Exception) -> NoReturn:
    """Raise the error for a token that was not got, without its cause: that may repeat what was sent.

    Raises:  CredentialsRefused: always.
    """
    _open.cache_clear()  # so that what is put right in a file is read
    raise CredentialsRefused(why_refused(error)) from None


@lru_cache(maxsize=MAX_KEPT)
def _open(
    _process: int,  # a forked child opens its own, as connections cannot be shared
    _settings: tuple[tuple[str, str], ...],
    key: str | None,
    timeout: float,
) -> Connection:
    try:
        if key is None:
            with unlogged(*_VENDORS):
                found, project = google.auth.default(scopes=SCOPES)
            return Connection(found, project, (), timeout)
        if problem := problem_of_key_file(key):  # of a secret reference, which is not looked at before
            raise CredentialsRefused(problem)
        content: dict[str, Any] = json.loads(key)
        private = str(content["private_key"])
        SECRETS_IN_USE.add([key, private])
        account = service_account.Credentials.from_service_account_info(content, scopes=SCOPES)
        return Connection(account, content.get("project_id"), (key, private), timeout)
    except (GoogleAuthError, RequestException, ValueError) as error:
        refuse(error)


@contextmanager
def _getting_tokens() -> Generator[None]:
    """Turn what google-auth raises, for a refusal or for an answer that is none of Google's, into our error."""
    try:
        yield
    except (GoogleAuthError, RequestException) as error:
        refuse(error)
    except (LookupError, TypeError, ValueError, AttributeError):
        refuse(RefreshError())


class _TokenSession(requests.Session):
    """Gets tokens. It refuses to be copied, which google-auth does to ask, in a thread, for regional boundaries.

    That would be a request to another service for each process. Requests go out without them, as the first one
    always does. 2026-11-21, google/auth/_regional_access_boundary_utils.py of google-auth 2.62; may go when it can be
    switched off.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mount("https://", HTTPAdapter(max_retries=2))
        self.mount("http://", HTTPAdapter(max_retries=2))

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("this session is not copied")


def _json_of(response: Any) -> Mapping[str, Any]:
    try:
        found: object = response.json()
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _texts_in(content: Mapping[str, Any] | None) -> Iterator[str]:
    return (value for value in (content or {}).values() if isinstance(value, str) and len(value) > 3)
