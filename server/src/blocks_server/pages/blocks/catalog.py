"""The catalog: the types of which a block can be made, and those that cannot be used, with the reason."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from blocks_core.errors import BlockTypeNotFound
from blocks_core.logos import problem_of_logo
from blocks_registry.access import Right
from blocks_server.pages.blocks.offered import capabilities_of, find_type, offered_types
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_OF_LOGOS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, max-age=3600",
}
"""A logo is a picture wherever it is opened: it runs nothing, and loads nothing."""


@router.get("/catalog")
def show_catalog(
    visit: Visited,
    q: Annotated[str, Query(max_length=200)] = "",
    capability: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show the types."""
    visit.holder.require(Right.READ)
    offered = offered_types(visit.registry)
    found = [each for each in offered if each.fits(q, capability)]
    return render(
        visit,
        "blocks/catalog_part.html" if visit.is_part else "blocks/catalog.html",
        usable=[each for each in found if each.block_type is not None and not each.problem],
        broken=[each for each in found if each.problem],
        q=q,
        capability=capability,
        capabilities=capabilities_of(each.block_type for each in offered if each.block_type),
        count=len(offered),
        may_edit=visit.holder.may(Right.EDIT),
    )


@router.get("/logos/{slug}")
def show_logo(visit: Visited, slug: str) -> Response:
    """Return the logo of a type, which a plugin ships and anybody may have registered."""
    visit.holder.require(Right.READ)
    logo = find_type(visit.registry, slug).logo
    if not logo or problem_of_logo(logo) is not None:
        raise BlockTypeNotFound(f"The block type '{slug}' has no logo that can be shown.")
    return Response(logo, headers=_OF_LOGOS, media_type="image/svg+xml")
