"""A storage of its own, with no more than what is abstract, does all that the contract says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from blocks_core.capabilities import Storage, StoredFile
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import PathNotFound, StorageFailed, ValueNotStorable
from blocks_core.storage_check import check_files
from blocks_core.storage_paths import StoragePath, clean_folder, clean_path
from blocks_core.testing.storage_suite import StorageSuite

SHELVES: dict[str, dict[str, bytes]] = {}


class Shelf(Storage, slug="shelf-under-test"):
    """Files in the memory of this process."""

    name: str

    def read(self, path: StoragePath, *, start: int = 0, end: int | None = None) -> bytes:
        if start < 0 or (end or 0) < 0:
            raise StorageFailed(f"{self.location(path)} cannot be read so: offsets count from 0.")
        if clean_path(path) not in self._files():
            raise PathNotFound(f"There is no file {self.location(path)}.")
        return self._files()[clean_path(path)][start:end]

    def write(self, path: StoragePath, data: bytes) -> str:
        if isinstance(data, str):
            raise ValueNotStorable("A storage takes bytes.")
        self._files()[clean_path(path)] = bytes(data)
        return self.location(path)

    def exists(self, path: StoragePath) -> bool:
        return clean_path(path) in self._files()

    def list_files(self, prefix: StoragePath = "") -> Iterator[StoredFile]:
        folder = clean_folder(prefix)
        found = sorted(path for path in self._files() if not folder or path.startswith(f"{folder}/"))
        return iter([StoredFile(path, len(self._files()[path]), datetime.now(UTC)) for path in found])

    def remove(self, path: StoragePath) -> None:
        self._files().pop(clean_path(path), None)

    def location(self, path: StoragePath) -> str:
        return f"shelf://{self.name}/{clean_path(path)}"

    def check(self) -> CheckReport:
        checker = Checker()
        checker.step("list", lambda: str(len(list(self.list_files()))))
        check_files(checker, self)
        return checker.report()

    def _files(self) -> dict[str, bytes]:
        return SHELVES.setdefault(self.name, {})


class TestShelf(StorageSuite):
    huge_bytes = 0  # it is in memory, of one process

    @pytest.fixture
    def storage(self) -> Shelf:
        return Shelf(name=uuid4().hex)
