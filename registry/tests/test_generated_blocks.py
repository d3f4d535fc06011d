"""Generated block types, secrets anywhere in them: what goes in comes out, and no secret shows anywhere."""

from __future__ import annotations

import logging
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from blocks_core import Block, use_library
from blocks_core.codec import encode_block
from blocks_core.errors import BlocksError
from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.testing import generated_blocks, shown
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.cli import main
from blocks_registry.database import Database


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def library(home: Path) -> Iterator[Library]:
    database = Database(home / "blocks.db", durable=False)
    library = Library(LocalRegistry(database, Vault(FileKeyProvider(home / "keys.json"))))
    with use_library(library):
        yield library
    library.close()


def forms(secret: str) -> set[bytes]:
    """Return a secret's text as it may be written: plain, quoted, in base64 at each of three offsets."""
    raw = secret.encode()
    shifted = {b64encode(b"\0" * shift + raw)[(shift * 4 + 2) // 3 + 1 : -4] for shift in range(3)}
    return {raw, quote(secret).encode(), *shifted}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(generated=generated_blocks())
def test_a_block_comes_back_as_it_was_and_no_secret_shows(
    library: Library, home: Path, generated: tuple[Block, list[str]]
) -> None:
    block, secrets = generated
    handler = _Collector()
    logging.getLogger().addHandler(handler)
    try:
        block.save("one")
        loaded = type(block).load("one")
        with pytest.raises(BlocksError) as refused:
            block.save("one")
        document = library.registry.read(type(block).type_info.slug or "", "one")
        printed = [inspected(home, document.address, output) for output in ("table", "json")]
    finally:
        logging.getLogger().removeHandler(handler)
    assert loaded == block
    assert encode_block(loaded, address="again") == encode_block(block, address="before")
    texts = [*shown(block), *shown(loaded), str(refused.value), repr(document), *handler.lines, *printed]
    files = [file.read_bytes() for file in home.iterdir() if file.name.startswith("blocks.db")]
    for form in (form for secret in secrets for form in forms(secret)):
        assert not any(form.decode() in text for text in texts)
        assert not any(form in content for content in files)


def inspected(home: Path, address: str, output: str) -> str:
    """Return what the command line shows of a block."""
    done = CliRunner().invoke(main, ["inspect", address, "-o", output], env={"BLOCKS_HOME": str(home)})
    assert done.exit_code == 0, done.output
    return done.output


def test_the_search_for_secrets_can_find_one(home: Path, library: Library, tmp_path: Path) -> None:
    """The search above would see a secret that was written in clear, or in base64."""
    with sqlite3.connect(tmp_path / "leak.db") as connection:
        connection.execute("CREATE TABLE leak (text)")
        connection.executemany("INSERT INTO leak VALUES (?)", [("x" + "canary00canary",)])
        connection.executemany(
            "INSERT INTO leak VALUES (?)",
            [(b64encode(b"x" * shift + b"canary11canary" + b"tail").decode(),) for shift in range(3)],
        )
    connection.close()
    content = (tmp_path / "leak.db").read_bytes()
    assert any(form in content for form in forms("canary00canary"))
    assert all(form in content for form in forms("canary11canary") if form != b"canary11canary")


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
