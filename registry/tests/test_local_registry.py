"""The local registry does what every registry must do."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks_core.key_file import FileKeyProvider
from blocks_core.registry import Registry
from blocks_core.testing import RegistrySuite
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.sqlite_database import SqliteDatabase


class TestLocalRegistry(RegistrySuite):
    @pytest.fixture
    def registry(self, tmp_path: Path) -> Registry:
        return LocalRegistry(
            SqliteDatabase(tmp_path / "blocks.db"), Vault(FileKeyProvider(tmp_path / "keys.json"))
        )
