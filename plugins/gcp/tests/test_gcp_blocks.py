"""Each block of the plugin does what every block must do."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import SecretStr

from blocks_core import Block
from blocks_core.testing import BlockSuite
from blocks_gcp import GCS, GcpCredentials, GcpSecret


def credentials() -> GcpCredentials:
    content = {
        "type": "service_account",
        "client_email": "etl@p.iam.gserviceaccount.com",
        "private_key": "canary-4711-canary",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return GcpCredentials(service_account=SecretStr(json.dumps(content)), project="p")


class TestGcpCredentials(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return credentials()


class TestGcpSecret(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return GcpSecret(credentials=credentials(), prefix="prod-", location="europe-west3")


class TestGCS(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return GCS(bucket="raw", prefix="in", credentials=credentials(), billing_project="p")


def test_importing_the_package_imports_no_vendors_package() -> None:
    code = (
        "import sys, blocks_gcp, blocks_gcp.kms;"
        "blocks_gcp.kms.GcpKms('projects/p/locations/l/keyRings/r/cryptoKeys/k'); blocks_gcp.GcpSecret();"
        "blocks_gcp.GCS(bucket='raw');"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"google", "google.auth", "requests", "urllib3", "gcsfs", "fsspec", "aiohttp"} & set(
        done.stdout.split()
    )
