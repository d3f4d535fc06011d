"""The seam to s3fs: one filesystem for all S3 blocks of a process that have the same credentials.

Imported when an S3 block is first used: with aiobotocore it takes longer to import than all the rest.
"""

# s3fs and aiobotocore come without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from aiobotocore.credentials import AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.loaders import Loader, create_loader
from s3fs import S3FileSystem

from blocks_aws.credentials import AwsCredentials, guard_logs, revealed
from blocks_aws.reasons import NO_BUCKET, codes_of
from blocks_core.errors import CredentialsRefused
from blocks_core.secret import is_secret

MAX_OPEN = 32
"""Filesystems kept open; the one not used for longest is let go, and closes when no block holds it."""

_open: OrderedDict[tuple[object, ...], Filesystem] = OrderedDict()
_lock = Lock()


class BucketMissing(OSError):
    """There is no such bucket: more than a file that is not there, so no FileNotFoundError."""


class RoleRefused(PermissionError):
    """The role was not assumed; to s3fs, an error as any other. The cause says why."""


class Filesystem(S3FileSystem):
    """s3fs, with one request for a read, errors that tell bucket from file, and keys taken as they are."""

    async def _call_s3(self, method: str, *arguments: Any, **options: Any) -> Any:
        with _telling_buckets_from_files():
            return await super()._call_s3(method, *arguments, **options)

    async def _lsdir(self, path: str, *arguments: Any, **options: Any) -> Any:
        with _telling_buckets_from_files():
            return await super()._lsdir(path, *arguments, **options)

    async def _cat_file(self, path: str, *arguments: Any, **options: Any) -> bytes:
        # s3fs asks for the size first, to fetch what is above 50 MiB in several streams: a second request for
        # every read. Large files are better downloaded, which keeps the streams.
        return await super()._cat_file(path, *arguments, **{**options, "max_concurrency": 1})

    def split_path(self, path: str) -> tuple[str, str, None]:
        """Return bucket and key; s3fs takes `?versionId=` in a key for a version, which "a?versionId=1" has not."""
        bucket, key = self._find_bucket_key(path)
        return bucket, key, None


def open_filesystem(credentials: AwsCredentials | None, timeout_seconds: float) -> Filesystem:
    """Return the filesystem for credentials; None follows AWS's own chain.

    It may be used by several threads at once: fsspec runs all requests in one event loop of its own.
    """
    credentials = credentials or AwsCredentials()
    key = (
        os.getpid(),  # a forked child opens its own; its parent's are not closed by it
        timeout_seconds,
        tuple(
            value.get_secret_value() if is_secret(value) else value for value in vars(credentials).values()
        ),
        tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))),
    )
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
        # As in AwsCredentials.session(): there is no public way to set credentials that renew themselves.
        session._credentials = AioDeferredRefreshableCredentials(  # pyright: ignore[reportPrivateUsage]
            refresh_using=lambda: asyncio.to_thread(_assume_role, credentials), method="assume-role"
        )
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
    )
    opened.retries = 2  # botocore tries each of these up to three times
    return opened


@cache
def _service_descriptions() -> Loader:
    """Return what sessions read AWS's service descriptions with: 5 MB for S3, kept once instead of by each."""
    return create_loader()


def _assume_role(credentials: AwsCredentials) -> dict[str, str]:
    try:
        return credentials.assume_role()
    except CredentialsRefused as error:
        raise RoleRefused(str(error)) from error


def _send_at_once(params: dict[str, Any], **_: Any) -> None:
    """Send a body without asking first: aiohttp waits for ever if the answer is a refusal at once.

    2026-11-21, https://github.com/aio-libs/aiobotocore/issues/645; may go when aiohttp's wait ends with the answer.
    """
    params["headers"].pop("Expect", None)


@contextmanager
def _telling_buckets_from_files() -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if NO_BUCKET in codes_of(error):
            raise BucketMissing(str(error)) from error
        raise
