"""What the tests of the core share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blocks_core import use_library
from blocks_core.library import Library
from blocks_core.testing import memory_library

PlantPlugin = Callable[..., Path]


@pytest.fixture
def library() -> Iterator[Library]:
    with use_library(memory_library()) as library:
        yield library


@pytest.fixture
def plant_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlantPlugin]:
    """Install a distribution of one module, as a package installer would leave it on the path."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def plant(module: str, source: str, entry_points: str, *, version: str = "1.0") -> Path:
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[blocks.types]\n{entry_points}\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        package = tmp_path / module
        package.mkdir()
        (package / "__init__.py").write_text(source)
        from blocks_core import discovery

        discovery._scan.cache_clear()  # what a new process would begin with
        return package

    yield plant
    for name in set(sys.modules) - known:
        del sys.modules[name]
