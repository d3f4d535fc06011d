"""Shares of a real Samba server against the contract of storages."""

from uuid import uuid4

import pytest

from blocks_core.testing.storage_suite import StorageSuite


class TestSMB(StorageSuite):
    """A share that tells `A` from `a`, as those of Unix may."""

    huge_bytes = 128 * 1024 * 1024
    memory_mebibytes = 64

    @pytest.fixture
    def storage(self, share):
        return share(share="exact", prefix=uuid4().hex)


class TestSMBAsWindowsHasIt(StorageSuite):
    """A share that does not tell `A` from `a`, with encryption, as most are; its folder is there from the first write."""

    huge_bytes = 9 * 1024 * 1024  # TestSMB has more

    @pytest.fixture
    def storage(self, share):
        return share(prefix=f"{uuid4().hex}/deeper", encrypt=True)

    def test_files_are_listed_at_every_depth_and_sorted_by_path(self, storage):
        """Without a file `A` beside the folder `a`: here they are one name."""
        paths = ["b.txt", "a/z", "a/b/c/d", "a.txt", "a/b/c-d", "a b", "0/1"]
        for path in paths:
            storage.write(path, path.encode())
        assert [file.path for file in storage.list_files()] == sorted(paths)
