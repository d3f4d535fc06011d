"""The plugins that are installed where the server runs, their types, and what is wrong with those that are broken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from blocks_registry.access import Right
from blocks_server.pages.blocks.offered import Offered, offered_types
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True)
class Plugin:
    """A distribution and the types that it offers."""

    name: str
    """Empty for types of no distribution, such as those of a program."""
    version: str
    types: tuple[Offered, ...]

    @property
    def is_installed(self) -> bool:
        """Tell whether any of it is installed where the server runs."""
        return any(each.is_installed for each in self.types)

    @property
    def problems(self) -> list[Offered]:
        """Return the types that cannot be used."""
        return [each for each in self.types if each.problem]


def plugins_of(offered: Iterable[Offered]) -> list[Plugin]:
    """Return the plugins of types, those with problems first, and then by name."""
    by_name: dict[str, list[Offered]] = {}
    for each in offered:
        by_name.setdefault(each.distribution, []).append(each)
    found = [Plugin(name, types[0].distribution_version, tuple(types)) for name, types in by_name.items()]
    return sorted(found, key=lambda plugin: (not plugin.problems, not plugin.name, plugin.name))


@router.get("/plugins")
def list_plugins(visit: Visited) -> Response:
    """Show the plugins."""
    visit.holder.require(Right.READ)
    return render(visit, "plugins.html", plugins=plugins_of(offered_types(visit.registry)))
