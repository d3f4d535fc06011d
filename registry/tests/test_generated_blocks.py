"""Generated block types, secrets anywhere in them: what goes in comes out, and no secret shows anywhere."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from registry_places import KINDS, RegistryPlace, new_place

from blocks_core import Block, use_library
from blocks_core.codec import encode_block
from blocks_core.errors import BlocksError, SecretUnresolved
from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.testing import generated_blocks, shown
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.cli import main


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryPlace]:
    with new_place(request.param, tmp_path_factory.mktemp("home"), request) as found:
        yield found


@pytest.fixture(scope="module")
def library(place: RegistryPlace) -> Iterator[Library]:
    keys = FileKeyProvider(place.home / "keys.json")
    library = Library(LocalRegistry(place.database(durable=False), Vault(keys)))
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
    library: Library, place: RegistryPlace, generated: tuple[Block, list[str]]
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
        printed = [inspected(place, document.address, output) for output in ("table", "json")]
    finally:
        logging.getLogger().removeHandler(handler)
    assert loaded == block
    assert encode_block(loaded, address="again") == encode_block(block, address="before")
    texts = [*shown(block), *shown(loaded), str(refused.value), repr(document), *handler.lines, *printed]
    stored = place.content()
    for form in (form for secret in secrets for form in forms(secret)):
        assert not any(form.decode() in text for text in texts)
        assert form not in stored


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(generated=generated_blocks(references=("env:NOT_THERE", "file:/not/there", "not/there/env:PATH")))
def test_references_come_back_wherever_they_sit_and_are_never_read(
    library: Library, place: RegistryPlace, generated: tuple[Block, list[str]]
) -> None:
    block, secrets = generated
    block.save("one")
    loaded = library.load(type(block), "one", resolve=False)
    assert loaded == block
    content = encode_block(loaded, address="again")
    assert content == encode_block(block, address="before")
    shown_texts = [*shown(loaded), inspected(place, f"{type(block).type_info.slug}/one", "json")]
    assert not any(secret in text for secret in secrets for text in shown_texts)
    if any(mark.startswith("secretref:") for mark in content.marks.values()):
        with pytest.raises(SecretUnresolved, match=r"not there|no variable|No such file|is saved"):
            type(block).load("one")
    else:
        assert type(block).load("one") == block


def inspected(place: RegistryPlace, address: str, output: str) -> str:
    """Return what the command line shows of a block."""
    done = CliRunner().invoke(main, ["inspect", address, "-o", output], env=place.environment)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_search_for_secrets_can_find_one(library: Library, place: RegistryPlace) -> None:
    """The search above would see a secret that was written in clear, or in base64."""
    written = [b64encode(b"x" * shift + b"canary11canary" + b"tail").decode() for shift in range(3)]
    rows = ", ".join(f"('{text}')" for text in ("x" + "canary00canary", *written))
    place.run("CREATE TABLE leak (text TEXT)", f"INSERT INTO leak VALUES {rows}")
    content = place.content()
    assert any(form in content for form in forms("canary00canary"))
    assert all(form in content for form in forms("canary11canary") if form != b"canary11canary")


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
