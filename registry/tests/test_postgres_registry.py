"""The local registry on PostgreSQL does what every registry must do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.registry import Put, Registry
from blocks_core.testing import RegistrySuite
from blocks_core.testing.suite_blocks import Account
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.postgres_database import PostgresDatabase


class TestPostgresRegistry(RegistrySuite):
    @pytest.fixture
    def registry(self, tmp_path: Path, postgres_url: str) -> Registry:
        return LocalRegistry(PostgresDatabase(postgres_url), Vault(FileKeyProvider(tmp_path / "keys.json")))


def test_the_server_knows_its_tables_at_once_after_many_blocks_were_written(
    tmp_path: Path, postgres_url: str
) -> None:
    database = PostgresDatabase(postgres_url)
    registry = LocalRegistry(database, Vault(FileKeyProvider(tmp_path / "keys.json")))
    library = Library(registry)
    library.register(Account)
    draft = library.draft(Account(user="ann", password=SecretStr("x")), "any")
    registry.change([Put(replace(draft, name=f"n{number}")) for number in range(200)])
    with database.reading() as connection:
        (known,) = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'documents'").fetchone()
    registry.close()
    assert known == 200
