"""The registry as an admin sees it does what every registry must do; only who did it is the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks_core.current import Actor
from blocks_core.registry import Registry
from blocks_core.testing import RegistrySuite
from blocks_registry import Settings, open_registry
from blocks_registry.access import GuardedRegistry, Holder, Role


class TestGuardedRegistry(RegistrySuite):
    @pytest.fixture
    def registry(self, tmp_path: Path) -> Iterator[Registry]:
        inner = open_registry(Settings(tmp_path, f"sqlite:///{tmp_path / 'blocks.db'}"))
        yield GuardedRegistry(inner, Holder("1", "root", Role.ADMIN))
        inner.close()

    def recorded(self, actor: Actor) -> Actor:
        return Actor("token", "root", "1")
