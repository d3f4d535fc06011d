"""The seam to urllib3: connections to clusters that a process keeps. Imported when a cluster is first asked.

It is what the official client stands on. That one takes a second to import, cannot ask for a log from a moment on,
and leaves keys in temporary files until the process ends.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from traceback import format_exception
from typing import Any, cast
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util import make_headers, parse_url

from blocks_core.masking import SECRETS_IN_USE, without
from blocks_core.unlogged import unlogged
from blocks_kubernetes.access import Access
from blocks_kubernetes.errors import ClusterRefused, ClusterUnreachable, LoginRefused
from blocks_kubernetes.login_commands import Login
from blocks_kubernetes.private_files import private_file
from blocks_kubernetes.reasons import why_refused, why_unreachable

MAX_KEPT = 32
"""Connections kept; the one not used for longest is let go."""
_MAX_OPEN = 64
"""Requests at once that keep their connection open for the next one."""

_PAUSES_SECONDS = (0.1, 0.5)
"""Before what may be asked again is."""
_BUSY = frozenset({429, 500, 502, 503, 504})
_CHUNK_BYTES = 65536

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What a cluster answered."""

    body: Mapping[str, Any]
    date: datetime
    """By the clock of the cluster."""


def connect(access: Access, timeout_seconds: float) -> Connection:
    """Return this process's connection to a cluster; for any number of threads.

    Raises:  LoginRefused: the certificates cannot be used.
    """
    SECRETS_IN_USE.add(access.secrets())
    return _open(os.getpid(), access, timeout_seconds, access.proxy_url or _proxy_of_machine(access.server))


class Connection:
    """Asks one cluster as one bearer."""

    def __init__(self, access: Access, timeout_seconds: float, proxy_url: str | None = None) -> None:
        self._access = access
        self._timeout_seconds = timeout_seconds
        self._login = Login(access.login) if access.login and not access.token else None
        self._pool = _pool(access, proxy_url)

    def ask(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: object = None,
        *,
        hidden: Sequence[str] = (),
    ) -> Answer:
        """Send a request and return what is answered; what may be sent twice is, where no answer comes.

        Args:    body: PATCH merges it into what is there. hidden: texts that no error may repeat.
        Raises:  ClusterUnreachable, ClusterRefused, LoginRefused.
        Source:  RFC 7396 (merging).
        """
        for pause in _PAUSES_SECONDS:
            try:
                return self._ask_once(method, path, query, body, hidden)
            except ClusterUnreachable:
                if method == "POST":  # it may have been heard
                    raise
            time.sleep(pause)
        return self._ask_once(method, path, query, body, hidden)

    @contextmanager
    def stream(self, path: str, query: Query, silence_seconds: float) -> Generator[Iterator[bytes]]:
        """Send a GET and yield the bytes that come, as they come.

        Args:    silence_seconds: how long nothing may come before it counts as cut.
        Raises:  as `ask`; ClusterUnreachable also where the answer breaks off.
        """
        with self._failing("GET", path, ()):
            response = self._send("GET", path, query, None, silence_seconds)
        try:
            self._refuse(response, "GET", path, ())
            yield self._pieces(response, path)
        finally:
            response.close()
            response.release_conn()

    def _pieces(self, response: Any, path: str) -> Iterator[bytes]:
        with self._failing("GET", path, ()):
            yield from response.stream(_CHUNK_BYTES, decode_content=False)

    def _ask_once(self, method: str, path: str, query: Query, body: object, hidden: Sequence[str]) -> Answer:
        with self._failing(method, path, hidden), unlogged("urllib3"):
            response = self._send(method, path, query, body, self._timeout_seconds)
            if response.status == 401 and self._login:
                response.drain_conn()
                self._login.forget()
                response = self._send(method, path, query, body, self._timeout_seconds)
            content: bytes = response.data
        self._refuse(response, method, path, hidden)
        try:
            found: object = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ClusterUnreachable(
                f"What answers at {self._access.server} is no cluster of Kubernetes. Check the address and the proxy."
            )
        return Answer(cast("dict[str, Any]", found), _date_of(response.headers))

    def _send(self, method: str, path: str, query: Query, body: object, silence_seconds: float) -> Any:
        headers = {"Accept": "application/json"} if not path.endswith("/log") else {}
        if authorization := self._authorization():
            headers["Authorization"] = authorization
        if body is not None:
            headers["Content-Type"] = f"application/{'merge-patch+json' if method == 'PATCH' else 'json'}"
        url = f"{self._access.server}{path}" + (f"?{urlencode(query)}" if query else "")
        with unlogged("urllib3"):
            return self._pool.request(
                method,
                url,
                headers=headers,
                body=None if body is None else json.dumps(body),
                timeout=urllib3.Timeout(connect=self._timeout_seconds, read=silence_seconds),
                preload_content=False,
                redirect=False,
            )

    def _authorization(self) -> str | None:
        access = self._access
        if access.username is not None and access.password is not None:
            return make_headers(basic_auth=f"{access.username}:{access.password}")["authorization"]
        token = access.token or (self._login.token() if self._login else None)
        if access.token_file:
            token = _token_in(access.token_file)
        return f"Bearer {token}" if token else None

    def _refuse(self, response: Any, method: str, path: str, hidden: Sequence[str]) -> None:
        """Raise what an answer that is none of success means."""
        status: int = response.status
        if 200 <= status <= 299:
            return
        said, reason = _said_in(response)
        said = "" if status == 400 and hidden else without(said, (*self._access.secrets(), *hidden))
        message = why_refused(self._access.server, method, path, status, said, reason)
        if status in _BUSY:
            raise ClusterUnreachable(message)
        if status == 401:
            raise LoginRefused(message)
        raise ClusterRefused(message, status, reason, said)

    @contextmanager
    def _failing(self, method: str, path: str, hidden: Sequence[str]) -> Generator[None]:
        try:
            yield
        except (HTTPError, OSError) as error:
            secrets = (*self._access.secrets(), *hidden)
            shown = "".join(format_exception(error)) + repr(vars(error))
            leaks = without(shown, secrets) != shown
            said = without(str(error), secrets)
            reason = why_unreachable(self._access.server, type(error).__name__, said)
            raise ClusterUnreachable(reason) from (None if leaks else error)


@lru_cache(maxsize=MAX_KEPT)
def _open(
    _process: int,  # a forked child opens its own, as connections cannot be shared
    access: Access,
    timeout_seconds: float,
    proxy_url: str | None,
) -> Connection:
    return Connection(access, timeout_seconds, proxy_url)


def _pool(access: Access, proxy_url: str | None) -> urllib3.PoolManager:
    options: dict[str, Any] = {
        "maxsize": _MAX_OPEN,
        "retries": False,
    }  # what may be asked again is known here
    if access.server.startswith("https:"):
        options["ssl_context"] = _trust(access)
        options["cert_reqs"] = "CERT_REQUIRED" if access.verify else "CERT_NONE"
        if access.server_name:
            options["server_hostname"] = access.server_name
    if not proxy_url:
        return urllib3.PoolManager(**options)
    try:
        login = parse_url(proxy_url).auth
        headers = make_headers(proxy_basic_auth=unquote(login)) if login else None
        return urllib3.ProxyManager(proxy_url, proxy_headers=headers, **options)
    except LocationValueError:
        raise LoginRefused(
            "The proxy to the cluster has no address of the form http://HOST:PORT. Check proxy-url of the "
            "kubeconfig, and HTTPS_PROXY."
        ) from None


def _proxy_of_machine(server: str) -> str | None:
    parts = urlsplit(server)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _trust(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.authority)
        if not access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.certificate and access.key:
            with private_file(f"{access.certificate}\n{access.key}\n".encode()) as path:
                context.load_cert_chain(
                    path, password=""
                )  # of an encrypted key: else it is asked for on the terminal
    except (ssl.SSLError, ValueError):
        raise LoginRefused(
            "The certificates or the key of the kubeconfig cannot be read. They must be PEM, and the key not "
            "encrypted."
        ) from None
    return context


def _token_in(file: str) -> str:
    try:
        return Path(file).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LoginRefused(f"The token in {file} cannot be read ({type(error).__name__}).") from error


def _said_in(response: Any) -> tuple[str, str]:
    """Return what a `Status` of Kubernetes says, and its word for it."""
    try:
        found = json.loads(response.data)
        return " ".join(str(found["message"]).split())[:1000], str(found.get("reason", ""))
    except (ValueError, LookupError, TypeError, AttributeError, HTTPError, OSError):
        return "", ""


def _date_of(headers: Mapping[str, str]) -> datetime:
    try:
        return parsedate_to_datetime(headers["Date"])
    except (LookupError, ValueError):  # a proxy may leave it out
        return datetime.now(UTC)
