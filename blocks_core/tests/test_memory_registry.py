"""The registry of the testing kit does what every registry must do."""

from __future__ import annotations

import pytest

from blocks_core.registry import Registry
from blocks_core.testing import MemoryRegistry, RegistrySuite


class TestMemoryRegistry(RegistrySuite):
    @pytest.fixture
    def registry(self) -> Registry:
        return MemoryRegistry()
