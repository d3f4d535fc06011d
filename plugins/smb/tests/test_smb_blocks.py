"""The block of the plugin does what every block must do."""

import pytest

from blocks_core.testing import BlockSuite
from blocks_smb import SMB


class TestSMBBlock(BlockSuite):
    @pytest.fixture
    def block(self):
        return SMB(
            host="files.example.com",
            share="finance",
            prefix="in",
            username="etl",
            domain="EXAMPLE",
            password="canary-4711-canary",
            encrypt=True,
        )
