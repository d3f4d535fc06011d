"""The keys that seal secrets: which there are, what is sealed with each, how far a rotation is, what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from blocks_registry.access import Right
from blocks_registry.key_status import KeysStatus, next_steps
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True)
class Progress:
    """How far a rotation is."""

    done: int
    """Versions of blocks that the primary key seals."""
    total: int

    @property
    def left(self) -> int:
        """Return how many are sealed with other keys."""
        return self.total - self.done

    @property
    def percent(self) -> int:
        """Return the part that is done; all of it only where nothing is left."""
        return 100 * self.done // self.total if self.total else 100


def progress_of(status: KeysStatus) -> Progress:
    """Return how far the rotation of these keys is."""
    done = sum(key.sealed_versions for key in status.keys if key.is_primary)
    return Progress(done, sum(key.sealed_versions for key in status.keys))


@router.get("/keys")
def show_keys(visit: Visited) -> Response:
    """Show the keys, by their names; what they are, nobody sees."""
    visit.holder.require(Right.KEYS)
    status = visit.service.access.key_status()
    return render(
        visit,
        "keys_part.html" if visit.is_part else "keys.html",
        keys=status,
        steps=next_steps(status),
        progress=progress_of(status),
    )
