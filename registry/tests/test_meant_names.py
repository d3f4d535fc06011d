"""What is told of a block that is not there: names that may have been meant, without reading all that there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks_core.errors import BlockNotFound
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_registry import LocalRegistry, Settings, open_local_registry
from blocks_standard import Secret

NUMBERED = [f"n{number:04}" for number in range(1_500)]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    home: Path = tmp_path_factory.mktemp("meant")
    found = open_local_registry(Settings(home, f"sqlite:///{home / 'blocks.db'}"))
    library = Library(found)
    library.register(Secret)
    draft = library.draft(Secret(value=SecretStr("x")), "any")
    found.change([Put(replace(draft, name=name)) for name in [*NUMBERED, "warehouse", "zebra"]])
    yield found
    found.close()


@pytest.mark.parametrize(
    ("name", "meant"), [("warehose", "warehouse"), ("n07500", "n0750"), ("zebr", "zebra")]
)
def test_a_name_that_is_nearly_right_is_suggested_among_many(
    registry: LocalRegistry, name: str, meant: str
) -> None:
    for ask in (registry.load, registry.read):
        with pytest.raises(BlockNotFound, match=f"secret/{meant}"):
            ask("secret", name)


def test_a_version_that_there_is_not_names_no_other_block(registry: LocalRegistry) -> None:
    with pytest.raises(BlockNotFound) as caught:
        registry.load("secret", "warehouse", version=7)
    assert "7" in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_of_a_type_without_blocks_none_is_suggested(registry: LocalRegistry) -> None:
    with pytest.raises(BlockNotFound) as caught:
        registry.load("no-such", "warehouse")
    assert "secret/" not in str(caught.value)
