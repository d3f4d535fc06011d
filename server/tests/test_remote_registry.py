"""The registry over HTTP does what every registry must do; only who did it is the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import serving

from blocks_core.current import Actor
from blocks_core.registry import Registry
from blocks_core.testing import RegistrySuite


class TestRemoteRegistry(RegistrySuite):
    @pytest.fixture
    def registry(self, tmp_path: Path) -> Iterator[Registry]:
        with serving(tmp_path / "registry", tokens_home=tmp_path / "tokens") as served:
            registry = served.registry()
            yield registry
            registry.close()

    def recorded(self, actor: Actor) -> Actor:
        return Actor(actor.kind, actor.name, actor.id, user="the-admin")
