"""A stage whose pages are served, for a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from block_pages import Stage, running, staged

from blocks_registry.access import Role


@dataclass(frozen=True)
class Site:
    """A stage whose pages are served."""

    stage: Stage
    url: str

    def link(self, role: Role = Role.EDITOR) -> str:
        """Return where somebody is let in, once."""
        access = self.stage.service.access
        if not any(each.name == f"at-{role}" for each in access.tokens.all()):
            access.tokens.create(f"at-{role}", role)
        return f"/login?code={access.logins.new_code(f'at-{role}')}"


@contextmanager
def served_site(home: Path) -> Iterator[Site]:
    """Serve the pages of a stage for a while."""
    with staged(home) as stage, running(stage.app) as url:
        yield Site(stage, url)
