"""A blob that is written piece by piece: its blocks are sent as they come, and count when the last one is there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

from azure.storage.blob import BlobBlock, BlobClient

WORKERS = 4
BLOCK_BYTES = 8 << 20
BLOCKS_OF_A_SIZE = 2_000
"""Then blocks grow by their first size: a blob may have 50,000, which makes 5 TB."""

Asking = Callable[[], AbstractContextManager[None]]
"""Makes what turns the errors of Azure's packages into ours."""


class BlobUpload:
    """An open blob: `close` brings it to its place, `discard` leaves no trace of it.

    Blocks have names of this upload alone, so that two who write one blob at once never mix theirs.
    """

    def __init__(self, blob: BlobClient, asking: Asking) -> None:
        self._blob, self._asking = blob, asking
        self._upload = uuid4().hex
        self._buffer = bytearray()
        self._ids: list[str] = []
        self._sending: set[Future[Any]] = set()
        self._pool: ThreadPoolExecutor | None = None
        self.closed = False

    def write(self, data: Any) -> int:
        """Take bytes; where many are on their way, wait for one of them."""
        self._buffer += data
        size = BLOCK_BYTES * (1 + len(self._ids) // BLOCKS_OF_A_SIZE)
        while len(self._buffer) >= size:
            block = bytes(memoryview(self._buffer)[:size])
            del self._buffer[:size]
            self._send(block)
        return memoryview(data).nbytes

    def close(self) -> None:
        """Let the blob be what was written."""
        if self.closed:
            return
        try:
            with self._asking():
                if not self._ids:
                    self._blob.upload_blob(bytes(self._buffer), overwrite=True)
                else:
                    if self._buffer:
                        self._send(bytes(self._buffer))
                    self._wait_for(0)
                    self._blob.commit_block_list([BlobBlock(name) for name in self._ids])
        finally:
            self.discard()

    def discard(self) -> None:
        """Forget what was written: Azure drops blocks that count for nothing."""
        self._buffer = bytearray()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self.closed = True

    def _send(self, block: bytes) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="blocks-azure")
        name = b64encode(f"{self._upload}{len(self._ids):016d}".encode()).decode()
        with self._asking():
            self._wait_for(WORKERS - 1)
        self._ids.append(name)
        self._sending.add(self._pool.submit(self._blob.stage_block, name, block, len(block)))

    def _wait_for(self, still_sending: int) -> None:
        """Wait until only so many are on their way.

        Raises:  what sending one of them raised.
        """
        while len(self._sending) > still_sending:
            done, self._sending = wait(self._sending, return_when=FIRST_COMPLETED)
            for sent in done:
                sent.result()
