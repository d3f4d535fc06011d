"""Each block of the plugin does what every block must do."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from blocks_aws import S3, AwsCredentials, AwsSecret, EcrRegistry
from blocks_core import Block
from blocks_core.testing import BlockSuite


def credentials() -> AwsCredentials:
    return AwsCredentials(
        access_key_id="AKIAEXAMPLE",
        secret_access_key=SecretStr("canary-4711-canary"),
        session_token=SecretStr("canary-4712-canary"),
        region="eu-central-1",
    )


class TestAwsCredentials(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return credentials()


class TestAwsSecret(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return AwsSecret(credentials=credentials(), prefix="prod/", check_key="database#password")


class TestEcrRegistry(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return EcrRegistry(credentials=credentials(), registry_id="123456789012", region="eu-central-1")


class TestS3(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return S3(bucket="raw", prefix="in", credentials=credentials())
