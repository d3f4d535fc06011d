"""The file systems against the contract of storages."""

from uuid import uuid4

import pytest

from blocks_core.testing.storage_suite import StorageSuite
from blocks_standard import LocalFileSystem, RemoteFileSystem


class TestLocalFileSystem(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path_factory):
        return LocalFileSystem(base_path=str(tmp_path_factory.mktemp("storage")))


class TestLocalFileSystemInAFolderThatIsNotThereYet(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path_factory):
        return LocalFileSystem(base_path=str(tmp_path_factory.mktemp("storage") / "not" / "there yet"))


class TestRemoteFileSystemInMemory(StorageSuite):
    huge_bytes = 0  # it is in memory

    @pytest.fixture
    def storage(self):
        return RemoteFileSystem(url=f"memory://{uuid4().hex}/folder")
