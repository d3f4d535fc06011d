"""The seam to httpx2: one request with its retries. Imported when the first message is sent.

httpx2 writes addresses into its log, and the path of a webhook's address is a secret: the client is given the
address without it, and the path as the request's target. httpcore2 writes the answer's headers into its own log,
and some services repeat the address there, as in a redirect: `quiet` takes the secrets out.

Source:  https://www.python-httpx.org/advanced/extensions/ (target, sni_hostname),
         RFC 9110 sections 10.2.3 (Retry-After) and 15.4 (redirection).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import sleep
from urllib.parse import urlsplit, urlunsplit

import httpx2

from blocks_notify.addresses import is_public, resolve
from blocks_notify.quiet import Call, hidden_in_logs

MAX_WAIT_SECONDS = 60
"""How long one message may wait for `Retry-After`, all its attempts together."""

SECONDS_AFTER_FAILURE = 0.5

MAX_ANSWER_BYTES = 64 * 1024

_PORTS = {"http": 80, "https": 443}
_RETRIED = frozenset({429, 503})
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout)

UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""Stands in the error about a certificate that nobody vouches for."""

DELIVERY_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, OSError)
"""What is raised where no answer came."""


class AddressRefused(OSError):
    """The host leads to an address that is not public, where that was asked for."""


@dataclass(frozen=True)
class Order:
    """A request to send, and how."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout_seconds: float
    retries: int
    public_only: bool
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no log may show, whatever the service answers."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str
    """The first part of it, in Unicode."""
    retry_after: str | None = None
    """The header, as it was sent."""


def send(order: Order) -> Answer:
    """Send a request and return the answer, whatever its status.

    Tried again are 429 and 503 that say when, and once a connection that failed; not a request that may have
    been taken, such as one without an answer in time.

    Raises:  one of DELIVERY_ERRORS.
    """
    waited = 0.0
    with (
        hidden_in_logs(Call(order.secrets), _LOGGERS),
        httpx2.Client(
            timeout=order.timeout_seconds, follow_redirects=False, verify=_trust(*map(os.environ.get, _FILES))
        ) as client,
    ):
        for attempt in range(order.retries):
            try:
                answer = _ask(client, order, attempt)
            except _NOT_SENT as error:
                if attempt or UNTRUSTED in str(error):  # which it will be the next time, too
                    raise
                wait = SECONDS_AFTER_FAILURE
            else:
                wait = seconds_to_wait(answer, datetime.now(UTC))
                if wait is None or waited + wait > MAX_WAIT_SECONDS:
                    return answer
            sleep(wait)
            waited += wait
        return _ask(client, order, order.retries)


_FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@lru_cache(maxsize=4)
def _trust(*files: str | None) -> ssl.SSLContext:
    """Return whom a client trusts, as these variables say; to read all authorities takes longer than a request."""
    del files  # read by what is called
    return httpx2.create_ssl_context()


_LOGGERS = tuple(f"httpcore2.{name}" for name in ("connection", "http11", "http2", "proxy", "socks"))


def seconds_to_wait(answer: Answer, now: datetime) -> float | None:
    """Return how long a service asks to wait before the next attempt; None where it does not say.

    >>> seconds_to_wait(Answer(429, "", "120"), datetime.now(UTC))
    120.0
    """
    if answer.status not in _RETRIED or answer.retry_after is None:
        return None
    text = answer.retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    with suppress(ValueError):
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is not None:
            return max(0.0, (moment - now).total_seconds())
    return None


def _ask(client: httpx2.Client, order: Order, attempt: int) -> Answer:
    parts = urlsplit(order.url)
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    netloc, headers, extensions = parts.netloc, dict(order.headers), {"target": target.encode()}
    if order.public_only:
        netloc = _public_address(parts.hostname or "", parts.port or _PORTS[parts.scheme], attempt)
        headers["Host"] = parts.netloc
        extensions["sni_hostname"] = (parts.hostname or "").encode()
    with client.stream(
        order.method,
        f"{parts.scheme}://{netloc}/",
        content=order.body,
        headers={"Accept-Encoding": "identity", **headers},
        extensions=extensions,
    ) as response:
        return Answer(response.status_code, _beginning(response), response.headers.get("Retry-After"))


def _public_address(host: str, port: int, attempt: int) -> str:
    """Return an address of a host to connect to: the one that was looked at, as the next look-up may differ."""
    found = resolve(host, port)
    for address in found:
        if not is_public(address):
            raise AddressRefused(f"{host} leads to {address}, which is no public address")
    address = found[attempt % len(found)]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _beginning(response: httpx2.Response) -> str:
    """Return the first part of an answer; one that breaks off is an answer all the same."""
    found = b""
    with suppress(httpx2.TransportError, httpx2.DecodingError):
        for piece in response.iter_bytes():
            found += piece
            if len(found) >= MAX_ANSWER_BYTES:
                break
    return found[:MAX_ANSWER_BYTES].decode(response.encoding or "utf-8", errors="replace")
