"""What is known of one request while it is served: its id, and who sent it once that is known."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from random import getrandbits
from typing import Any, Final

_KEY: Final = "blocks.trail"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass
class Trail:
    """Notes on one request, for its log line."""

    request_id: str
    token: str = ""
    """The name of the token, never its text."""


def begin_trail(scope: MutableMapping[str, Any], given_id: str) -> Trail:
    """Return the notes on a request that begins.

    Args:    given_id: what the client calls the request; anything but a plain word is replaced.
    """
    # No secret, so it is not worth asking the system for bits, which takes longer than a token's check.
    request_id = given_id if _ID.fullmatch(given_id) else f"{getrandbits(128):032x}"
    trail = Trail(request_id)
    scope[_KEY] = trail
    return trail


def trail_of(scope: MutableMapping[str, Any]) -> Trail:
    """Return the notes on a request."""
    found: Trail = scope[_KEY]
    return found
