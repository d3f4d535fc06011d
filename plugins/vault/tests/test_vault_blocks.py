"""The block of the plugin does what every block must do."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr

from blocks_core import Block
from blocks_core.testing import BlockSuite
from blocks_vault import VaultSecret


class TestVaultSecret(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        token = SecretStr("hvs.canary-4711-canary")
        return VaultSecret(url="https://vault.example.com:8200", token=token, namespace="team/a", mount="kv")


def test_importing_the_package_imports_no_vendors_package() -> None:
    code = (
        "import sys, blocks_vault, blocks_vault.transit;"
        "blocks_vault.transit.VaultTransit('blocks'); blocks_vault.VaultSecret();"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"hvac", "requests", "urllib3"} & set(done.stdout.split())
