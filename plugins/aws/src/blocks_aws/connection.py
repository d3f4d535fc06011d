"""The seam to s3fs: one filesystem for all S3 blocks of a process that have the same credentials.

Imported when an S3 block is first used: with aiobotocore it takes longer to import than all the rest.
"""

# s3fs and aiobotocore come without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from functools import cache
from threading import Lock
from typing import Any

from aiobotocore.credentials import AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.loaders import Loader, create_loader

from blocks_aws.credentials import AwsCredentials, bearer_key, guard_logs, revealed
from blocks_aws.filesystem import READ_AHEAD_BYTES, Filesystem
from blocks_aws.renewal import RoleKey, renew_on_refusal_async, role_key
from blocks_core.errors import CredentialsRefused

MAX_OPEN = 32
"""Filesystems kept open; the one not used for longest is let go, and closes when no block holds it."""

_open: OrderedDict[tuple[object, ...], Filesystem] = OrderedDict()
_lock = Lock()


class RoleRefused(PermissionError):
    """The role was not assumed; to s3fs, an error as any other. The cause says why."""


def open_filesystem(credentials: AwsCredentials | None, timeout_seconds: float) -> Filesystem:
    """Return the filesystem for credentials; None follows AWS's own chain.

    It may be used by several threads at once: fsspec runs all requests in one event loop of its own.
    """
    credentials = credentials or AwsCredentials()
    key = (*bearer_key(credentials), timeout_seconds)
    with _lock:
        found = (
            _open[key] if key in _open else _open.setdefault(key, _filesystem(credentials, timeout_seconds))
        )
        _open.move_to_end(key)
        while len(_open) > MAX_OPEN:
            _open.popitem(last=False)
    return found


def _filesystem(credentials: AwsCredentials, timeout_seconds: float) -> Filesystem:
    guard_logs(credentials)
    endpoint = credentials.endpoint_url
    config: dict[str, Any] = {
        "connect_timeout": timeout_seconds,
        "read_timeout": timeout_seconds,
        "retries": {"mode": "standard"},
        "max_pool_connections": 50,
    }
    if endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        # Few other stores have a host name for each bucket, or know the checksums that came in 2025.
        config["s3"] = {"addressing_style": "path"}
        config["request_checksum_calculation"] = "when_required"
        config["response_checksum_validation"] = "when_required"
    keys: dict[str, Any] = {}
    session = AioSession(profile=credentials.profile)
    session.register("before-call.s3", _send_at_once)
    session.register_component("data_loader", _service_descriptions())
    if credentials.role_arn:
        key = role_key(credentials)
        # As in AwsCredentials.session(): there is no public way to set credentials that renew themselves.
        session._credentials = AioDeferredRefreshableCredentials(  # pyright: ignore[reportPrivateUsage]
            refresh_using=lambda: asyncio.to_thread(_current, key), method="assume-role"
        )
        renew_on_refusal_async(session, key.give_up)
    elif credentials.access_key_id is None:
        renew_on_refusal_async(session)
    else:
        keys = {
            "key": credentials.access_key_id,
            "secret": revealed(credentials.secret_access_key),
            "token": revealed(credentials.session_token),
        }
    opened = Filesystem(
        **keys,
        endpoint_url=endpoint,
        client_kwargs={"region_name": credentials.region} if credentials.region else {},
        config_kwargs=config,
        session=session,
        skip_instance_cache=True,
        use_listings_cache=False,
        default_block_size=READ_AHEAD_BYTES,
    )
    opened.retries = 2  # botocore tries each of these up to three times
    return opened


@cache
def _service_descriptions() -> Loader:
    """Return what sessions read AWS's service descriptions with: 5 MB for S3, kept once instead of by each."""
    return create_loader()


def _current(key: RoleKey) -> dict[str, str]:
    try:
        return key.metadata()
    except CredentialsRefused as error:
        raise RoleRefused(str(error)) from error


def _send_at_once(params: dict[str, Any], **_: Any) -> None:
    """Send a body without asking first: aiohttp waits for ever if the answer is a refusal at once.

    2026-11-21, https://github.com/aio-libs/aiobotocore/issues/645; may go when aiohttp's wait ends with the answer.
    """
    params["headers"].pop("Expect", None)
