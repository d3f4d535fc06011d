"""A storage in memory, for tests that look at what is written."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import PrivateAttr

from blocks_core.capabilities import Storage, StoredFile
from blocks_core.errors import PathNotFound


class ShelfStorage(Storage, slug="test-shelf"):
    """Files in memory."""

    _files: dict[str, bytes] = PrivateAttr(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        return self._files

    def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        if path not in self._files:
            raise PathNotFound(f"Nothing lies at {self.location(path)}.")
        return self._files[path][start:end]

    def write(self, path: str, data: bytes) -> str:
        self._files[path] = data
        return self.location(path)

    def exists(self, path: str) -> bool:
        return path in self._files

    def list_files(self, prefix: str = "") -> Iterator[StoredFile]:
        for path, data in sorted(self._files.items()):
            if path.startswith(prefix):
                yield StoredFile(path, len(data))

    def remove(self, path: str) -> None:
        self._files.pop(path, None)

    def location(self, path: str) -> str:
        return f"shelf://{path}"
