"""The seam to gcsfs: one filesystem for all GCS blocks of a process that have the same credentials.

Imported when a GCS block is first used. It is gcsfs's own class for the JSON protocol and not the one that gcsfs
exports: that one asks, over gRPC, what kind each bucket is, and waits a minute for it where only HTTP gets through.
Buckets of the kind that speaks gRPC alone (Rapid Storage) are not for this block.
"""

# gcsfs and google-crc32c come without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportIncompatibleMethodOverride=false, reportMissingTypeStubs=false, reportUnknownParameterType=false

from __future__ import annotations

import asyncio
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import aiohttp
from fsspec.asyn import sync_wrapper
from fsspec.spec import AbstractBufferedFile
from google_crc32c import Checksum

from blocks_core.errors import StorageFailed
from blocks_gcp.bucket_requests import NETWORK_ERRORS, BucketRequests, pause
from blocks_gcp.bucket_uploads import PIECE_BYTES, Upload, UploadFile, checksum_text, object_in
from blocks_gcp.connection import open_connection
from blocks_gcp.credentials import GcpCredentials, problem_of_address, problem_of_public_address
from blocks_gcp.storage_reasons import Damaged

EMULATOR_SETTING = "STORAGE_EMULATOR_HOST"
"""The variable by which Google's own libraries, too, are led to an emulator; no token of their chain goes there."""
MAX_OPEN = 32
"""Filesystems kept open; the one not used for longest is let go, and closes when no block holds it."""

_STORED = {"Accept-Encoding": "gzip"}  # or what is stored compressed comes as other bytes than are listed
_READ_BYTES = 1 << 20


class Filesystem(BucketRequests):
    """gcsfs, with whole writes, compared checksums, and one request where one is enough."""

    async def _get_object(self, path: str) -> dict[str, Any]:
        bucket, key = _parts(path)
        _, _, body = await self.exchange(
            "GET",
            f"{self.base}b/{quote(bucket, safe='')}/o/{quote(key, safe='')}",
            headers={"Accept-Encoding": "identity"},
            params=self.parameters(),
        )
        return dict(self._process_object(bucket, object_in(body)))

    get_object = sync_wrapper(_get_object)

    async def _has_object(self, path: str) -> bool:
        try:
            await self._get_object(path)
        except FileNotFoundError:
            return False
        return True

    has_object = sync_wrapper(_has_object)

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = path.rstrip("/")
        try:
            return await self._get_object(path)
        except FileNotFoundError:
            return dict(await cast("Any", self)._get_directory_info(path, *_parts(path), None))

    async def _find(self, path: str, detail: bool = False, **_: Any) -> Any:
        # gcsfs lists again where there is nothing
        found: list[Any] = (await cast("Any", self)._do_list_objects(path, delimiter=""))[0]
        return {entry["name"]: entry for entry in found} if detail else [entry["name"] for entry in found]

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        headers = dict(_STORED)
        if start or end is not None:
            headers["Range"] = f"bytes={start or 0}-{'' if end is None else end - 1}"
        generation = options.get("generation")
        _, answered, data = await self.exchange(
            "GET", self.url(path, generation=generation), headers=headers, params=self.parameters()
        )
        given = _crc32c_in(answered)
        if "Range" not in headers and given and given != checksum_text(Checksum(data)):
            raise Damaged("what came does not fit its checksum. Look for a proxy in between, and try again.")
        return data

    async def _get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        details = await self._get_object(rpath)
        with open(lpath, "wb") as file:
            await self._download(rpath, details, file)

    async def _download(self, path: str, details: dict[str, Any], file: BinaryIO) -> None:
        """Write an object to a file; what breaks off is asked for from where it broke."""
        checksum, failures = Checksum(), 0
        url = self.url(path, generation=details.get("generation"))  # no other object halfway through
        while file.tell() < details["size"]:
            before = file.tell()
            try:
                async with self.responding(
                    "GET",
                    url,
                    headers={**_STORED, **({"Range": f"bytes={before}-"} if before else {})},
                    params=self.parameters(),
                ) as response:
                    async for data in response.content.iter_chunked(_READ_BYTES):
                        checksum.update(data)
                        file.write(data)
            except NETWORK_ERRORS as error:
                failures = 1 if file.tell() > before else failures + 1
                self.give_up_after(failures, error)
                await pause(failures)
        given = details.get("crc32c")
        if file.tell() != details["size"] or (given and given != checksum_text(checksum)):
            raise Damaged("what came does not fit its checksum. Look for a proxy in between, and try again.")

    async def _pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        upload = Upload(self, *_parts(path))
        try:
            for start in range(0, len(value) - PIECE_BYTES, PIECE_BYTES):
                await upload.send(value[start : start + PIECE_BYTES])
            await upload.finish(value[upload.sent_bytes :])
        except BaseException:
            await upload.abandon()
            raise

    async def _put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        upload = Upload(self, *_parts(rpath))
        with Path(lpath).open("rb") as file:
            piece = await asyncio.to_thread(file.read, PIECE_BYTES)
            try:
                while len(piece) == PIECE_BYTES:
                    following = await asyncio.to_thread(file.read, PIECE_BYTES)
                    if not following:
                        break
                    await upload.send(piece)
                    piece = following
                await upload.finish(piece)
            except BaseException:
                await upload.abandon()
                raise

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            return ReadFile(self, path, details=cast("Any", self).get_object(path))
        return UploadFile(Upload(self, *_parts(path)))


class ReadFile(AbstractBufferedFile):
    """An object that is open for reading; all of it is of one generation."""

    def __init__(self, filesystem: Filesystem, path: str, details: dict[str, Any]) -> None:
        options: Any = {"block_size": PIECE_BYTES, "cache_type": "readahead", "size": details["size"]}
        super().__init__(filesystem, path, "rb", **options)
        self._generation = details.get("generation")

    def _fetch_range(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        try:
            return self.fs.cat_file(self.path, start=start, end=end, generation=self._generation)
        except FileNotFoundError as error:
            raise Damaged("it was replaced or removed while it was read. Open it again.") from error


def open_filesystem(
    credentials: GcpCredentials | None,
    endpoint_url: str | None,
    billing_project: str | None,
    timeout_seconds: float,
) -> Filesystem:
    """Return the filesystem for credentials; None asks without any.

    It may be used by several threads at once: fsspec runs all requests in one event loop of its own.

    Raises:  StorageFailed: the environment names an emulator, by something that is no address.
    """
    if endpoint_url is None and (emulator := os.environ.get(EMULATOR_SETTING)):
        endpoint_url = emulator if "://" in emulator else f"http://{emulator}"
        if credentials == GcpCredentials():  # nobody in particular: as Google's own libraries do
            credentials = None
        if problem := (problem_of_address if credentials else problem_of_public_address)(endpoint_url):
            raise StorageFailed(f"{EMULATOR_SETTING} leads nowhere. {problem}")
    key = credentials.service_account if credentials else None
    shared = (os.getpid(), endpoint_url, billing_project, timeout_seconds)
    if credentials is None:
        return _open_filesystem(*shared, anonymous=True, key=None, token_timeout=0.0)
    return _open_filesystem(
        *shared,
        anonymous=False,
        key=key.get_secret_value() if key else None,
        token_timeout=credentials.timeout_seconds,
    )


@lru_cache(maxsize=MAX_OPEN)
def _open_filesystem(
    _process: int,  # a forked child opens its own; its parent's are not closed by it
    endpoint_url: str | None,
    billing_project: str | None,
    timeout_seconds: float,
    *,
    anonymous: bool,
    key: str | None,
    token_timeout: float,
) -> Filesystem:
    opened = Filesystem(
        token="anon",  # noqa: S106 the requests bring their own
        endpoint_url=endpoint_url.rstrip("/") if endpoint_url else None,
        requester_pays=cast("Any", billing_project or False),
        requests_timeout=aiohttp.ClientTimeout(
            total=None, connect=timeout_seconds, sock_connect=timeout_seconds, sock_read=timeout_seconds
        ),
        session_kwargs={"trust_env": True, "auto_decompress": False},
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    if not anonymous:
        credentials = GcpCredentials.model_construct(service_account=None, timeout_seconds=token_timeout)
        if key is not None:
            credentials = GcpCredentials.model_validate(
                {"service_account": key, "timeout_seconds": token_timeout}
            )
        opened.connect = partial(open_connection, credentials)
    return opened


def _parts(path: str) -> tuple[str, str]:
    bucket, _, key = path.partition("/")
    return bucket, key


def _crc32c_in(headers: Any) -> str | None:
    for part in ",".join(headers.getall("X-Goog-Hash", ())).split(","):
        name, _, value = part.strip().partition("=")
        if name == "crc32c":
            return value
    return None
