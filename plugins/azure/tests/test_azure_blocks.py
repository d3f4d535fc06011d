"""Each block of the plugin does what every block must do."""

import pytest

from blocks_azure import Azure, AzureCredentials
from blocks_core.testing import BlockSuite


def credentials():
    return AzureCredentials(
        account_name="rawdata",
        tenant_id="3f2b6b1e-5f5a-4c39-9d6e-0f3a5d1c2b4a",
        client_id="8d1f7c52-7a7e-4b0c-8a57-2f9e4b6c1d3e",
        client_secret="canary-4711-canary",
    )


class TestAzureCredentials(BlockSuite):
    @pytest.fixture
    def block(self):
        return credentials()


class TestAzure(BlockSuite):
    @pytest.fixture
    def block(self):
        return Azure(container="raw", prefix="in", credentials=credentials())
