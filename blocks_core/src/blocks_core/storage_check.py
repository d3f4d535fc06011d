"""What a storage's `check()` tries by its contract: write, read, delete, with a file that is always removed."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol
from uuid import uuid4

from blocks_core.checks import Checker
from blocks_core.errors import BlocksError, StorageFailed


class _Files(Protocol):
    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes) -> str: ...
    def exists(self, path: str) -> bool: ...
    def remove(self, path: str) -> None: ...
    def location(self, path: str) -> str: ...


def check_files(checker: Checker, files: _Files) -> None:
    """Add the steps `write`, `read` and `delete` to a check."""
    probe = f".blocks-check-{uuid4().hex}"
    if checker.step("write", lambda: _check_write(files, probe)):
        checker.step("read", lambda: _check_read(files, probe))
        checker.step("delete", lambda: _check_delete(files, probe))


def _check_write(files: _Files, probe: str) -> str:
    try:
        return files.write(probe, probe.encode())
    except BlocksError:
        with suppress(BlocksError):  # it may be there all the same, when only the answer was lost
            files.remove(probe)
        raise


def _check_read(files: _Files, probe: str) -> str:
    found = files.read(probe)
    if found != probe.encode():
        raise StorageFailed(
            f"{files.location(probe)} does not read as it was written: {len(found)} other bytes came "
            f"back. Look for a cache or a proxy in between."
        )
    return f"{len(found)} bytes"


def _check_delete(files: _Files, probe: str) -> str:
    files.remove(probe)
    if files.exists(probe):
        raise StorageFailed(f"{files.location(probe)} was removed and is still there. Remove it by hand.")
    return files.location(probe)
