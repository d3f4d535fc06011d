"""Each block of the plugin does what every block must do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from blocks_core import Block
from blocks_core.testing import BlockSuite
from blocks_standard import (
    JSON,
    DateTime,
    LocalFileSystem,
    Process,
    RemoteFileSystem,
    Secret,
    String,
)

CANARY = SecretStr("canary-4711-canary")


class TestSecret(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return Secret(value=CANARY)


class TestJSON(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return JSON(value={"a": [1, 2.5, None, {"b": "c"}]})


class TestString(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return String(value="a text")


class TestDateTime(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return DateTime(value=datetime(2026, 1, 31, 9, tzinfo=UTC))


class TestLocalFileSystem(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return LocalFileSystem(base_path="/srv/results")


class TestRemoteFileSystem(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return RemoteFileSystem(
            url="sftp://files.example.com/out",
            options={"username": "etl"},
            secret_options={"password": CANARY},
        )


class TestProcess(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return Process(environment={"STAGE": "test"}, secret_environment={"TOKEN": CANARY})
