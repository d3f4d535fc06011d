"""How a server is, asked from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from blocks_core.errors import BlocksError
from blocks_registry.remote_token import find_token
from blocks_registry.remote_transport import Transport
from blocks_registry.settings import Settings

_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Status:
    """What was found out."""

    url: str
    state: str
    """`ready`, `not ready`, `away`; `refused`, where it is ready, and not for the token of this process."""
    problem: str = ""
    version: str = ""
    protocol: int = 0
    token: str = ""
    role: str = ""
    allow: tuple[str, ...] = ()


def ask_status(url: str, home: Path | None = None) -> Status:
    """Return how a server is, and whom it takes the token of this process for.

    Raises:  AddressInvalid.
    """
    home = home or Settings.from_environment().home
    transport = Transport(url, lambda: find_token(home))
    try:
        code = urllib3.request(
            "GET", f"{url.rstrip('/')}/readyz", timeout=_SECONDS, retries=False, redirect=False
        ).status
    except HTTPError:
        return Status(url, "away", "Nothing answers there. Start it: block server start")
    if code != 200:
        problem = (
            "It cannot use its database; its log says why."
            if code >= 500
            else "No server of blocks answers there."
        )
        return Status(url, "not ready", problem)
    try:
        found = transport.get("/server")
        holder = found["holder"]
        return Status(
            url,
            "ready",
            "",
            str(found["version"]),
            int(found["protocol"]),
            str(holder["token"]),
            str(holder["role"]),
            tuple(holder["allow"]),
        )
    except BlocksError as error:
        return Status(url, "refused", f"It answers, and not to this user. {error}")
    except (LookupError, TypeError, ValueError):
        return Status(url, "not ready", "No server of blocks answers there.")
    finally:
        transport.close()
