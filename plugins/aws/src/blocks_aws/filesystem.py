"""s3fs, with what this contract asks for: few requests, memory that stays as it is, one version of a file, no traces.

Imported when an S3 block is first used, as `connection` is.
"""

# s3fs comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingParameterType=false, reportUnknownParameterType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from mimetypes import guess_type
from typing import Any

from s3fs import S3FileSystem

from blocks_aws.downloads import download
from blocks_aws.reasons import NO_BUCKET, codes_of
from blocks_aws.uploads import PART_BYTES, UploadStream, part_bytes, uploading

READ_AHEAD_BYTES = 8 << 20
"""Asked for at once where an open file is read."""
WHOLE_BYTES = 100 << 20
"""Up to so many bytes that are in memory anyway go in one request, of a local file as many as are in its parts."""
COPY_BYTES = 5 << 30
"""A store copies so much in one request; above that, in parts."""
COPIED_PART_BYTES = 512 << 20


class BucketMissing(OSError):
    """There is no such bucket: more than a file that is not there, so no FileNotFoundError."""


class Filesystem(S3FileSystem):
    """s3fs, with one request for a read, errors that tell bucket from file, and keys taken as they are."""

    copy_bytes = COPY_BYTES
    copied_part_bytes = COPIED_PART_BYTES

    async def _call_s3(self, method: str, *arguments: Any, **options: Any) -> Any:
        with _telling_buckets_from_files():
            return await super()._call_s3(method, *arguments, **options)

    async def _lsdir(self, path: str, *arguments: Any, **options: Any) -> Any:
        with _telling_buckets_from_files():
            return await super()._lsdir(path, *arguments, **options)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "wb":
            bucket, key, _ = self.split_path(path)
            return UploadStream(self.loop, self._call_s3, bucket, key)
        found = super()._open(path, mode, **options)
        if found.details["type"] != "file":  # s3fs opens a folder as an empty file
            raise FileNotFoundError(path)
        return found

    async def _cat_file(self, path: str, *arguments: Any, **options: Any) -> bytes:
        # s3fs asks for the size first, to fetch what is above 50 MiB in several streams: a second request for
        # every read. Large files are better downloaded, which keeps the streams.
        return await super()._cat_file(path, *arguments, **{**options, "max_concurrency": 1})

    async def _pipe_file(self, path: str, data: bytes, *arguments: Any, **options: Any) -> Any:
        if len(data) <= WHOLE_BYTES:
            return await super()._pipe_file(path, data, *arguments, **{**options, "chunksize": WHOLE_BYTES})
        bucket, key, _ = self.split_path(path)
        size = part_bytes(len(data))
        async with uploading(self._call_s3, bucket, key) as upload:
            for start in range(0, len(data), size):
                await upload.add(data[start : start + size])
        return None

    async def _put_file(self, lpath: str, rpath: str, *_options: Any, **_more: Any) -> None:
        bucket, key, _ = self.split_path(rpath)
        kind, _encoding = guess_type(lpath)
        options = {"ContentType": kind} if kind else {}
        with open(lpath, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= PART_BYTES:
                body = file.read()
                await self._call_s3("put_object", Bucket=bucket, Key=key, Body=body, **options)
                return
            async with uploading(self._call_s3, bucket, key, **options) as upload:
                while piece := await asyncio.to_thread(file.read, part_bytes(size)):
                    await upload.add(piece)

    async def _get_file(self, rpath: str, lpath: str, *_options: Any, **_more: Any) -> None:
        bucket, key, _ = self.split_path(rpath)
        await download(self._call_s3, bucket, key, lpath)

    async def _cp_file(self, path1: str, path2: str, *_options: Any, **_more: Any) -> None:
        (bucket, key, _), (to_bucket, to_key, _) = self.split_path(path1), self.split_path(path2)
        source = {"Bucket": bucket, "Key": key}
        found = await self._call_s3("head_object", **source)
        size = int(found["ContentLength"])
        if size <= self.copy_bytes:
            await self._call_s3("copy_object", Bucket=to_bucket, Key=to_key, CopySource=source)
            return
        async with uploading(self._call_s3, to_bucket, to_key) as upload:
            for start in range(0, size, self.copied_part_bytes):
                end = min(start + self.copied_part_bytes, size)
                await upload.add_copy(source, start, end - 1, found.get("ETag", ""))

    def split_path(self, path: str) -> tuple[str, str, None]:
        """Return bucket and key; s3fs takes `?versionId=` in a key for a version, which "a?versionId=1" has not."""
        bucket, key = self._find_bucket_key(path)
        return bucket, key, None


@contextmanager
def _telling_buckets_from_files() -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if NO_BUCKET in codes_of(error):
            raise BucketMissing(str(error)) from error
        raise
