"""Asking a registry of images whether it takes a login, without an engine. Imported at first use: it needs requests.

Source:  https://distribution.github.io/distribution/spec/auth/token/ (the challenge, and how a token is got),
         https://distribution.github.io/distribution/spec/api/ (version check), RFC 9110 section 11 (challenges).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from traceback import format_exception
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.exceptions import RequestException, SSLError

from blocks_core.errors import CredentialsRefused
from blocks_core.masking import without
from blocks_core.unlogged import unlogged
from blocks_docker.images import DOCKER_HUB

_HUB_SERVER = "registry-1.docker.io"
_VENDORS = ("requests", "urllib3")
_PARAMETER = re.compile(r'([A-Za-z_]+)="([^"]*)"')
_FAILURES = (RequestException, LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Registry:
    """A registry that answers."""

    url: str
    """Of its API, such as https://registry.example.com/v2/ ."""
    challenge: str | None
    """How it wants to be asked; None where it asks for no login."""
    timeout_seconds: float

    def log_in(self, username: str, password: str) -> str:
        """Log in, and return what was found out, in a sentence.

        Raises:  CredentialsRefused.
        """
        if self.challenge is None:
            return "The registry asks for no login, so this one was not tried."
        scheme, _, rest = self.challenge.partition(" ")
        with _refusing(self.url, password), _session() as session:
            if scheme.lower() == "bearer":
                token = self._token(session, dict(_PARAMETER.findall(rest)), username, password)
                answer = self._get(session, self.url, headers={"Authorization": f"Bearer {token}"})
            elif scheme.lower() == "basic":
                answer = self._get(session, self.url, auth=(username.encode(), password.encode()))
            else:
                raise CredentialsRefused(
                    f"The registry at {self.url} asks for a login in a way that is not known here. Check the server."
                )
        if answer.status_code != 200:
            raise CredentialsRefused(_refusal(self.url, username, answer.status_code))
        return f"The registry takes the login of '{username}'."

    def _token(
        self, session: requests.Session, parameters: Mapping[str, str], username: str, password: str
    ) -> str:
        realm = parameters.get("realm", "")
        schemes = ("https", "http") if self.url.startswith("http:") else ("https",)
        if urlsplit(realm).scheme not in schemes:
            raise CredentialsRefused(
                f"The registry at {self.url} sends logins to an address without encryption, so nothing was sent. "
                f"Check the server, or tell who runs it."
            )
        answer = self._get(
            session,
            realm,
            params={"service": parameters.get("service", ""), "account": username},
            auth=(username.encode(), password.encode()),
        )
        if answer.status_code != 200:
            raise CredentialsRefused(_refusal(self.url, username, answer.status_code))
        said = answer.json()
        return str(said.get("token") or said["access_token"])

    def _get(self, session: requests.Session, url: str, **options: Any) -> requests.Response:
        # A redirect is not followed: it would take the login to where nobody named.
        return session.get(url, timeout=self.timeout_seconds, allow_redirects=False, **options)


def reach(server: str, timeout_seconds: float, *, allow_http: bool) -> Registry:
    """Find a registry, by HTTPS, and by HTTP where that is allowed and the other is not spoken.

    Raises:  CredentialsRefused: none answers there.
    """
    host = _HUB_SERVER if server == DOCKER_HUB else server
    with _refusing(f"https://{host}/v2/"), _session() as session:
        try:
            return _ask(session, f"https://{host}/v2/", timeout_seconds)
        except SSLError:
            if not allow_http:
                raise
        return _ask(session, f"http://{host}/v2/", timeout_seconds)


def is_loopback(server: str) -> bool:
    """Tell whether a server is this machine.

    >>> is_loopback("localhost:5000"), is_loopback("[::1]:5000"), is_loopback("registry.example.com")
    (True, True, False)
    """
    host = urlsplit(f"//{server}").hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _ask(session: requests.Session, url: str, timeout_seconds: float) -> Registry:
    answer = session.get(url, timeout=timeout_seconds)
    if answer.status_code == 200:
        return Registry(url, None, timeout_seconds)
    if answer.status_code == 401:
        return Registry(url, answer.headers.get("WWW-Authenticate", ""), timeout_seconds)
    raise CredentialsRefused(
        f"What answers at {url} is no registry of images (HTTP {answer.status_code}). Check the server and the proxy."
    )


@contextmanager
def _session() -> Generator[requests.Session]:
    with requests.Session() as session, unlogged(*_VENDORS):
        session.auth = lambda request: request  # else requests takes logins from ~/.netrc
        yield session


@contextmanager
def _refusing(url: str, password: str = "") -> Generator[None]:
    """Turn what requests raises into our error, without the password."""
    try:
        yield
    except _FAILURES as error:
        shown = "".join(format_exception(error))
        leaks = bool(password) and without(shown, [password]) != shown
        raise CredentialsRefused(f"{_why(error, url)}") from (None if leaks else error)


def _why(error: Exception, url: str) -> str:
    if isinstance(error, SSLError):
        return (
            f"The registry at {url} is not trusted: its certificate is wrong, or it speaks plain HTTP. "
            f"REQUESTS_CA_BUNDLE names a file of certificates to trust; insecure lets it be asked over HTTP."
        )
    if isinstance(error, requests.exceptions.Timeout):
        return f"The registry at {url} did not answer in time. Check the network, or raise timeout_seconds."
    if isinstance(error, OSError):
        return f"The registry at {url} cannot be reached ({type(error).__name__}). Check the server and the network."
    return f"What answers at {url} is no registry of images ({type(error).__name__}). Check the server and the proxy."


def _refusal(url: str, username: str, status: int) -> str:
    if status in (401, 403):
        return (
            f"The registry at {url} did not take the login of '{username}' (HTTP {status}). Check username and "
            f"password; where it wants a token in place of the password, make one that may pull."
        )
    if status == 429:
        return f"The registry at {url} asks for fewer requests (HTTP 429). Try again later."
    return f"The registry at {url} did not say whether it takes the login (HTTP {status}). Try again later."
