"""The block of the plugin does what every block must do."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from blocks_core import Block
from blocks_core.testing import BlockSuite
from blocks_slack import SlackWebhook


class TestSlackWebhook(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return SlackWebhook(url=SecretStr("https://hooks.slack.com/services/T0/B0/canary-4711-canary"))
