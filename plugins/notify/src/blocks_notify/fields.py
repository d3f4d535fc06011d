"""Fields that several of the blocks have, and what they refuse.

A refusal never repeats the value, which may be a secret or be pasted into the wrong field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from blocks_core.secret import is_reference

TimeoutSeconds = Annotated[float, Field(gt=0, le=300, description="How long to wait for each answer.")]

Retries = Annotated[
    int,
    Field(
        ge=0,
        le=10,
        description="Further attempts when the service asks to wait (429, 503); a connection that fails is tried "
        "once more.",
    ),
]

AllowPrivateAddresses = Annotated[
    bool,
    Field(
        description="Post to addresses of private networks and of this machine, too; switch it off where people "
        "who may not reach these can set the address."
    ),
]

SHORTEST_KEY = 4
"""A part of an address or a header that is shorter is no key: `v1`, `in`."""


def _refuse_unless_any(url: SecretStr) -> SecretStr:
    problem = None if is_reference(url) else problem_of(url.get_secret_value())
    if problem:
        raise ValueError(problem)
    return url


def _refuse_unless_safe(url: SecretStr) -> SecretStr:
    problem = None if is_reference(url) else problem_of(url.get_secret_value(), safe=True)
    if problem:
        raise ValueError(problem)
    return url


def _refuse_unless_endpoint(url: str) -> str:
    problem = problem_of(url, safe=True)
    if problem is None and (urlsplit(url).query or urlsplit(url).fragment):
        problem = "the address of an endpoint ends before any question mark."
    if problem:
        raise ValueError(problem)
    return url.rstrip("/")


def _refuse_unless_one_line(key: SecretStr) -> SecretStr:
    text = "" if is_reference(key) else key.get_secret_value()
    if not is_reference(key) and (not text or not text.isascii() or not text.isprintable() or " " in text):
        raise ValueError(
            "the key is empty or has characters that no key has, such as a line end: copy it again."
        )
    return key


AnyAddress = Annotated[SecretStr, AfterValidator(_refuse_unless_any)]
"""A secret address: http or https, of any host."""

SafeAddress = Annotated[SecretStr, AfterValidator(_refuse_unless_safe)]
"""A secret address: https, or http on this machine itself."""

Endpoint = Annotated[str, AfterValidator(_refuse_unless_endpoint)]
"""Where a service's API begins: https, or http on this machine itself; without a slash at its end."""

Key = Annotated[SecretStr, AfterValidator(_refuse_unless_one_line)]
"""A secret key of letters, digits and signs."""


def problem_of(url: str, *, safe: bool = False) -> str | None:
    """Return why an address is refused, without repeating it, or None.

    Args:    safe: refuse http, but for this machine itself.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        return "the address has characters that no address has, such as a space: copy it again."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is no address: copy it again."
    if parts.scheme not in ("http", "https") or not host:
        return "the address must start with https:// or http://, and name a host."
    if safe and parts.scheme == "http" and not is_loopback(host):
        return (
            "the address must start with https:// (http:// only for this machine itself, such as 127.0.0.1)."
        )
    if "@" in parts.netloc:
        return "the address has a user or a password before its host: leave them out, or give them as Authorization."
    return None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself, by its name or address alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def keys_in(url: str) -> Iterator[str]:
    """Yield the parts of an address that may be keys, the longer ones first."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    yield url
    for part in (path, *re.split(r"[/?&=;]", path)):
        if len(part) >= SHORTEST_KEY:
            yield part
            yield unquote(part)
