"""Downloads in ranges of one and the same object, some at a time, straight to the disk; whole, or an error.

Source:  RFC 9110 sections 13.1.1 (If-Match) and 14 (range requests).
"""

# s3fs comes without types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from typing import Any, BinaryIO, cast

from s3fs import core as s3fs_core

from blocks_aws.reasons import codes_of
from blocks_aws.uploads import Call

RANGE_BYTES = 16 << 20
AT_ONCE = 4
ATTEMPTS = 3
"""As often may a file be replaced while it is read, and a range break off in a row before it is a step further."""
_STEP_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_BROKEN = cast("tuple[type[Exception], ...]", s3fs_core.S3_RETRYABLE_ERRORS)


class BrokenOff(OSError):
    """The answer ended before the object did."""


async def download(call: Call, bucket: str, key: str, to_path: str) -> None:
    """Write an object to a local file, all of it as it was at one moment."""
    for attempt in range(1, ATTEMPTS + 1):
        with open(to_path, "wb") as file:
            try:
                await _Download(call, {"Bucket": bucket, "Key": key}, file).run()
                return
            except OSError as error:
                if attempt == ATTEMPTS or "PreconditionFailed" not in codes_of(error):
                    raise


class _Download:
    def __init__(self, call: Call, place: dict[str, str], file: BinaryIO) -> None:
        self._call, self._place, self._file = call, place, file

    async def run(self) -> None:
        """Get the first range, which tells how many more there are, and then these."""
        try:
            answer = await self._get(0, RANGE_BYTES)
        except OSError as error:
            if "InvalidRange" not in codes_of(error):
                raise
            return  # an empty object has no first byte
        size, etag = _size_of(answer), answer.get("ETag")
        whole = not answer.get("ContentRange")  # some servers know no ranges
        await self._save(answer, 0, size if whole else min(size, RANGE_BYTES), etag)
        if whole:
            return
        waiting = iter(range(RANGE_BYTES, size, RANGE_BYTES))

        async def work() -> None:
            for start in waiting:  # shared: each takes the next one
                end = min(start + RANGE_BYTES, size)
                await self._save(await self._get(start, end, etag), start, end, etag)

        workers = [asyncio.ensure_future(work()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)  # none writes to the file after this

    async def _get(self, start: int, end: int, etag: str | None = None) -> Any:
        condition = {"IfMatch": etag} if etag else {}
        answer = await self._call("get_object", Range=f"bytes={start}-{end - 1}", **self._place, **condition)
        found = answer.get("ContentRange")
        if not (found.startswith(f"bytes {start}-") if found else start == 0):
            answer["Body"].close()
            raise BrokenOff(f"{found or 'the whole file'} came for the bytes from {start} on")
        return answer

    async def _save(self, answer: Any, start: int, end: int, etag: str | None) -> None:
        """Write a range to its place in the file; what breaks off is asked for again from there on."""
        failed = 0
        while True:
            before, body = start, answer["Body"]
            problem: Exception = BrokenOff(f"the answer ended at byte {start} of {end}")
            try:
                while start < end and (piece := await body.read(min(_PIECE_BYTES, end - start))):
                    self._file.seek(start)
                    self._file.write(piece)
                    start += len(piece)
            except _BROKEN as error:
                problem = error
            finally:
                body.close()
            if start == end:
                return
            failed = 1 if start - before >= _STEP_BYTES else failed + 1
            if failed == ATTEMPTS:
                raise problem
            await asyncio.sleep(0.1 * 2**failed)
            answer = await self._get(start, end, etag)


def _size_of(answer: Any) -> int:
    """Return how large the object is: what stands behind a range's `/`, else the length of the answer."""
    found = str(answer.get("ContentRange") or "").rpartition("/")[2]
    return int(found) if found.isdigit() else int(answer["ContentLength"])
