"""Uploads in parts, some under way at a time, so that memory stays as it is however large a file; whole, or no trace.

Source:  https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html (the limits of parts),
         https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html (parts under way when it ends).
"""

# fsspec comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from fsspec.asyn import sync

PART_BYTES = 8 << 20
AT_ONCE = 4
"""Parts under way at once; aiohttp copies each, so that they take 64 MiB of memory."""
MAX_PARTS = 10_000
_OF_ONE_SIZE = 5_000

Call = Callable[..., Coroutine[Any, Any, Any]]
"""Does an operation of S3 by its name, such as `upload_part`."""


def part_bytes(size: int) -> int:
    """Return how large the parts of a file of a known size are.

    >>> part_bytes(1 << 30) >> 20, part_bytes(5 << 40) >> 20
    (8, 524)
    """
    return max(PART_BYTES, -(-size // MAX_PARTS))


def next_part_bytes(number: int) -> int:
    """Return how large the part of a number is where nobody knows how many come.

    The first 39 GiB are in parts of one size, which some stores ask for; then they double, so that 535 GiB fit.

    >>> [next_part_bytes(number) >> 20 for number in (1, 5_000, 5_001, 6_001, 10_000)]
    [8, 8, 16, 32, 256]
    """
    if number <= _OF_ONE_SIZE:
        return PART_BYTES
    return PART_BYTES << (number - _OF_ONE_SIZE - 1) // 1_000 + 1


class Upload:
    """An object that comes in parts; nothing of it shows before `complete`, nor after `abort`."""

    def __init__(self, call: Call, bucket: str, key: str) -> None:
        self._call = call
        self._place: dict[str, str] = {"Bucket": bucket, "Key": key}
        self._etags: dict[int, str] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self.parts = 0

    async def begin(self, **options: Any) -> None:
        """Ask for the upload; options are those of the object, such as its type."""
        answer = await self._call("create_multipart_upload", **self._place, **options)
        self._place["UploadId"] = answer["UploadId"]

    async def add(self, body: bytes) -> None:
        """Send the next part; returns when there is room for another one."""
        self._send("upload_part", Body=body)
        await self._room()

    async def add_copy(self, source: dict[str, str], first: int, last: int, etag: str) -> None:
        """Let the store take the next part from another object, as it was when its tag was read."""
        condition = {"CopySourceIfMatch": etag} if etag else {}
        self._send(
            "upload_part_copy", CopySource=source, CopySourceRange=f"bytes={first}-{last}", **condition
        )
        await self._room()

    async def complete(self) -> None:
        """Bring the object to its place, in one step."""
        await self._sent()
        if self._failure:
            raise self._failure
        parts = [{"PartNumber": number, "ETag": self._etags[number]} for number in sorted(self._etags)]
        await self._call("complete_multipart_upload", MultipartUpload={"Parts": parts}, **self._place)

    async def abort(self) -> None:
        """Leave no trace: after the parts that are under way, which would stay if they came later."""
        await self._sent()
        await self._call("abort_multipart_upload", **self._place)

    def _send(self, method: str, **what: Any) -> None:
        self.parts += 1
        task = asyncio.ensure_future(self._part(self.parts, method, what))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _part(self, number: int, method: str, what: dict[str, Any]) -> None:
        try:
            answer = await self._call(method, PartNumber=number, **what, **self._place)
            self._etags[number] = answer.get("CopyPartResult", answer)["ETag"]
        except BaseException as error:  # noqa: BLE001  raised by whoever adds the next part, or completes
            self._failure = self._failure or error

    async def _room(self) -> None:
        while len(self._under_way) >= AT_ONCE:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        if self._failure:
            raise self._failure

    async def _sent(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)


@asynccontextmanager
async def uploading(call: Call, bucket: str, key: str, **options: Any) -> AsyncGenerator[Upload]:
    """Give an upload that is completed in the end, or leaves no trace."""
    upload = Upload(call, bucket, key)
    await upload.begin(**options)
    try:
        yield upload
        await upload.complete()
    except BaseException:
        with suppress(Exception):  # the first error counts; that of cleaning up would hide it
            await upload.abort()
        raise


class UploadStream:
    """An object that is written to piece by piece: `write` and then `close`, or `discard`."""

    def __init__(self, loop: Any, call: Call, bucket: str, key: str) -> None:
        self._loop, self._call, self._place = loop, call, (bucket, key)
        self._upload: Upload | None = None
        self._waiting = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        """Take bytes, and send a part when there are enough."""
        view = memoryview(data).cast("B")
        while view:
            wanted = next_part_bytes(self._upload.parts + 1 if self._upload else 1)
            piece = view[: wanted - len(self._waiting)]
            self._waiting += piece
            view = view[len(piece) :]
            if len(self._waiting) == wanted:
                sync(self._loop, self._add)

    def close(self) -> None:
        """Bring the object to its place: in one request where it is small."""
        if self.closed:
            return
        sync(self._loop, self._finish)
        self.closed = True

    def discard(self) -> None:
        """Leave no trace, whoever lets go of it: the loop's own thread may be the one that collects garbage."""
        self.closed = True
        self._waiting.clear()
        upload, self._upload = self._upload, None
        if upload is None:
            return
        try:
            sync(self._loop, upload.abort)
        except NotImplementedError:  # what fsspec raises in its loop, which must not wait for itself
            self._loop.create_task(upload.abort())

    async def _add(self) -> None:
        if self._upload is None:
            upload = Upload(self._call, *self._place)
            await upload.begin()
            self._upload = upload
        body = bytes(self._waiting)
        self._waiting.clear()
        await self._upload.add(body)

    async def _finish(self) -> None:
        if self._upload is None:
            bucket, key = self._place
            await self._call("put_object", Bucket=bucket, Key=key, Body=bytes(self._waiting))
            return
        if self._waiting:
            await self._add()
        await self._upload.complete()
        self._upload = None
