"""Clients of boto3 that a process keeps, and what their calls raise."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from traceback import format_exception
from typing import Any

from blocks_aws.credentials import AwsCredentials, bearer_key

VENDORS = ("boto3", "botocore", "urllib3")
"""Packages that log what is sent and got."""

MAX_KEPT = 32
"""Clients kept; the one not used for longest is let go."""


def client_for(
    credentials: AwsCredentials | None, service: str, timeout_seconds: float, **options: Any
) -> Any:
    """Return the client for a service that all who have the same credentials share; boto3's may be used by threads.

    Args:    options: of `AwsCredentials.client`; None follows AWS's own chain, and its settings as they are now.
    Raises:  CredentialsRefused: there is no such profile.
    """
    given = tuple(sorted(options.items()))
    return _open(bearer_key(credentials), service, timeout_seconds, given)


def forget_clients() -> None:
    """Let all clients go, so that what has changed since in AWS's shared files is read."""
    _open.cache_clear()


def vendor_errors() -> tuple[type[Exception], ...]:
    """Return what a call of botocore raises: its own errors, and Python's where an answer is none."""
    from botocore.exceptions import BotoCoreError, ClientError  # late, like the next: a vendor's package
    from botocore.parsers import ResponseParserError

    return BotoCoreError, ClientError, ResponseParserError, LookupError, TypeError, AttributeError


def cause_without(error: Exception, hide: Callable[[str], str]) -> Exception | None:
    """Return an error as a cause to show, or None where it repeats a secret, or may, as an answer that is none does.

    Args:    hide: takes the secrets out of a text.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # late: a vendor's package

    shown = "".join(format_exception(error))
    return error if isinstance(error, (BotoCoreError, ClientError)) and hide(shown) == shown else None


@lru_cache(maxsize=MAX_KEPT)
def _open(
    key: tuple[Any, ...],
    service: str,
    timeout_seconds: float,
    options: tuple[tuple[str, Any], ...],
) -> Any:
    from botocore.config import Config  # late: a vendor's package

    config = Config(
        connect_timeout=timeout_seconds, read_timeout=timeout_seconds, retries={"mode": "standard"}
    )
    return AwsCredentials.model_validate(dict(key[-1])).client(service, config=config, **dict(options))
