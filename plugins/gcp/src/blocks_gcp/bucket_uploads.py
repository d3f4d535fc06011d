"""Uploads to Cloud Storage: whole in one request, or piece by piece; an object is there when its last byte is.

Source:  https://cloud.google.com/storage/docs/uploading-objects (multipart: object and checksum in one request),
         https://cloud.google.com/storage/docs/performing-resumable-uploads (pieces, what to do when one breaks off),
         https://cloud.google.com/storage/docs/data-validation
"""

# gcsfs, fsspec and google-crc32c come without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import sys
from base64 import b64encode
from contextlib import suppress
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

from fsspec.asyn import sync
from google_crc32c import Checksum

from blocks_gcp.bucket_requests import ATTEMPTS, NETWORK_ERRORS, BucketRequests, pause
from blocks_gcp.storage_reasons import Damaged, ServiceError

PIECE_BYTES = 8 << 20
"""Sent at once; a multiple of 256 KiB, as Google asks."""

_TYPE = "application/octet-stream"


class Upload:
    """An object on its way. Where its session leads is a secret: whoever has it may write the object."""

    def __init__(self, requests: BucketRequests, bucket: str, key: str) -> None:
        self.requests, self._bucket, self._key = requests, bucket, key
        self._session: str | None = None
        self._checksum: Any = Checksum()
        self.sent_bytes = 0

    async def send(self, piece: bytes) -> None:
        """Send a piece that is not the last one; its size is a multiple of 256 KiB."""
        if self._session is None:
            await self._begin()
        self._checksum.update(piece)
        await self._deliver(piece, last=False)

    async def finish(self, piece: bytes) -> None:
        """Send the last piece: the object takes its place.

        Raises:  Damaged: Google has other bytes than were sent; the object is removed again.
        """
        self._checksum.update(piece)
        kept = await (self._put_whole(piece) if self._session is None else self._deliver(piece, last=True))
        self._session = None
        if kept.get("crc32c", self._given()) != self._given():
            await self._remove(kept.get("generation"))
            raise Damaged("what was kept does not fit its checksum, and was removed. Try again.")

    async def abandon(self) -> None:
        """Give up what was sent; it is never seen. Without this, Google drops it after a week."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(OSError):  # the first error counts
                await self.requests.exchange("DELETE", session, attempts=1)

    async def _put_whole(self, data: bytes) -> dict[str, Any]:
        boundary = uuid4().hex
        described = json.dumps({"name": self._key, "crc32c": self._given()})
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{described}\r\n"
            f"--{boundary}\r\nContent-Type: {_TYPE}\r\n\r\n"
        )
        _, _, body = await self.requests.exchange(
            "POST",
            self._url(),
            headers={"Content-Type": f'multipart/related; boundary="{boundary}"'},
            params=self._parameters("multipart"),
            data=b"".join((head.encode(), data, f"\r\n--{boundary}--\r\n".encode())),
        )
        self.sent_bytes = len(data)
        return object_in(body)

    async def _begin(self) -> None:
        _, headers, _ = await self.requests.exchange(
            "POST",
            self._url(),
            headers={"X-Upload-Content-Type": _TYPE},
            params=self._parameters("resumable"),
            json={"name": self._key},
        )
        self._session = headers.get("Location")
        if not self._session:
            raise Damaged("what answered is no Cloud Storage. Check endpoint_url and the proxy.")

    async def _deliver(self, piece: bytes, *, last: bool) -> dict[str, Any]:
        """Send a piece until Google has all of it, after a failure from where it says that it has come to."""
        start, end = self.sent_bytes, self.sent_bytes + len(piece)
        total = str(end) if last else "*"
        failures, asking = 0, False
        while True:
            before, rest = self.sent_bytes, b"" if asking else piece[self.sent_bytes - start :]
            try:
                kept = await self._exchange(rest, total)
            except (*NETWORK_ERRORS, ServiceError) as error:
                failures += 1
                self.requests.give_up_after(failures, error)
                await pause(failures)
                asking = True
                continue
            if kept is not None:
                return kept
            if not last and self.sent_bytes == end:
                return {}
            if self.sent_bytes < start:
                raise Damaged("the service lost what it had of it. Try again.")
            if not asking:
                failures = 0 if self.sent_bytes > before else failures + 1
                if failures == ATTEMPTS:
                    raise Damaged("the service takes no more bytes of it. Try again.")
            asking = False

    async def _exchange(self, rest: bytes, total: str) -> dict[str, Any] | None:
        """Send bytes, or none to ask how far it came; return the object, or None where more is to come."""
        place = f"{self.sent_bytes}-{self.sent_bytes + len(rest) - 1}" if rest else "*"
        headers = {"Content-Range": f"bytes {place}/{total}"}
        if total != "*":
            headers["X-Goog-Hash"] = f"crc32c={self._given()}"
        status, answered, body = await self.requests.exchange(
            "PUT", str(self._session), attempts=1, headers=headers, data=rest
        )
        if status != 308:
            return object_in(body)
        reached = str(answered.get("Range", "")).rpartition("-")[2]
        self.sent_bytes = int(reached) + 1 if reached.isdecimal() else 0
        return None

    async def _remove(self, generation: object) -> None:
        path = f"b/{quote(self._bucket, safe='')}/o/{quote(self._key, safe='')}"
        params = self.requests.parameters(generation=generation)
        with suppress(OSError):
            await self.requests.exchange("DELETE", self.requests.base + path, params=params)

    def _url(self) -> str:
        return f"{self.requests.address}/upload/storage/v1/b/{quote(self._bucket, safe='')}/o"

    def _parameters(self, kind: str) -> dict[str, str]:
        return self.requests.parameters(uploadType=kind, name=self._key)

    def _given(self) -> str:
        return checksum_text(self._checksum)


class UploadFile:
    """An upload as a file that is open for writing."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._buffer = bytearray()
        self.closed = False

    def write(self, data: Any) -> int:
        """Take bytes; those that fill a piece are sent, the last ones when the file is closed."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), PIECE_BYTES):
            self._buffer += view[start : start + PIECE_BYTES]
            while len(self._buffer) > PIECE_BYTES:
                piece = bytes(self._buffer[:PIECE_BYTES])
                self._run(self._upload.send, piece)
                del self._buffer[:PIECE_BYTES]
        return len(view)

    def close(self) -> None:
        """Send the rest: the object takes its place."""
        if not self.closed:
            self._run(self._upload.finish, bytes(self._buffer))
            self.closed = True

    def discard(self) -> None:
        """Give up what was written; at the end of the process there is nobody left to say so."""
        if not self.closed:
            self.closed = True
            if not sys.is_finalizing():
                self._run(self._upload.abandon)

    def _run(self, action: Any, *arguments: Any) -> None:
        sync(self._upload.requests.loop, action, *arguments)


def checksum_text(checksum: Any) -> str:
    """Return a checksum as Google writes it."""
    return b64encode(checksum.digest()).decode()


def object_in(body: bytes) -> dict[str, Any]:
    """Return what an answer says of an object.

    Raises:  Damaged: the answer is none of Google's.
    """
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Damaged("what answered is no Cloud Storage. Check endpoint_url and the proxy.")
    return cast("dict[str, Any]", found)
