"""Containers of a real Azurite against the contract of storages."""

import pytest

from blocks_azure import Azure, AzureCredentials
from blocks_core.testing.storage_suite import StorageSuite


class TestAzure(StorageSuite):
    huge_bytes = 160 * 1024 * 1024
    memory_mebibytes = 100

    @pytest.fixture
    def storage(self, container, azurite):
        credentials = AzureCredentials(connection_string=azurite.connection_string)
        return Azure(container=container, prefix="team/etl", credentials=credentials)
