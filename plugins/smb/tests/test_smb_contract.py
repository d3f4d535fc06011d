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

    tells_cases_apart = False
    huge_bytes = 9 * 1024 * 1024  # TestSMB has more

    @pytest.fixture
    def storage(self, share):
        return share(prefix=f"{uuid4().hex}/deeper", encrypt=True)
