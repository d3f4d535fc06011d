"""What every suite of registries stands on: one registry, and a library on it that is the current one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks_core.current import use_library
from blocks_core.library import Library
from blocks_core.registry import Registry


class RegistryFixtures:
    """The fixtures `registry`, which a subclass gives, and `library`."""

    @pytest.fixture
    def registry(self) -> Registry:
        """Return an empty registry."""
        raise NotImplementedError("Give a fixture 'registry'.")

    @pytest.fixture
    def library(self, registry: Registry) -> Iterator[Library]:
        """Make a library on the registry the current one."""
        library = Library(registry)
        with use_library(library):
            yield library
        library.close()
