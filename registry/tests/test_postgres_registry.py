"""The local registry on PostgreSQL does what every registry must do."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks_core.key_file import FileKeyProvider
from blocks_core.registry import Registry
from blocks_core.testing import RegistrySuite
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.postgres_database import PostgresDatabase


class TestPostgresRegistry(RegistrySuite):
    @pytest.fixture
    def registry(self, tmp_path: Path, postgres_url: str) -> Registry:
        return LocalRegistry(PostgresDatabase(postgres_url), Vault(FileKeyProvider(tmp_path / "keys.json")))
