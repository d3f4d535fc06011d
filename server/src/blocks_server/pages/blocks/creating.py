"""The page that makes a block: a form of its type, a name, labels."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.errors import BlockExists, BlocksError, VersionConflict
from blocks_core.names import join_address
from blocks_core.schema import BlockType
from blocks_registry.access import Right
from blocks_server.forms import Filled, Page, render_form
from blocks_server.pages.addresses import block_url, new_url
from blocks_server.pages.blocks.form_pages import FormOfBlock, asks_for_change
from blocks_server.pages.blocks.offered import details_of, find_type, has_logo, summary_of
from blocks_server.pages.blocks.own_fields import OwnFields, is_taken, problem_of_name
from blocks_server.pages.blocks.saving import writing_of
from blocks_server.pages.errors import status_of
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import fragment, piece, render
from blocks_server.pages.visits import Visit, Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_TAKEN = "is taken by another block of this type"


@router.get("/catalog/{slug}")
def show_new(visit: Visited, slug: str, name: str = "") -> Response:
    """Show an empty form."""
    visit.holder.require(Right.EDIT)
    block_type = find_type(visit.registry, slug)
    filled = FormOfBlock.open(visit.registry, block_type).show()
    return _page(visit, block_type, filled, OwnFields(name=name[:100]))


@router.post("/catalog/{slug}/form")
def change_new(visit: Visited, slug: str) -> Response:
    """Show the form in another way, with what was typed: a row added, another kind of value chosen."""
    visit.holder.require(Right.EDIT)
    block_type = find_type(visit.registry, slug)
    filled = FormOfBlock.open(visit.registry, block_type, pairs=visit.form).read(visit.form, to_change=True)
    own = replace(OwnFields.of_pairs(visit.form, with_name=False), labels_problem="")
    if visit.is_part:
        return fragment(render_form(filled, _around(visit, block_type, own)))
    return _page(visit, block_type, filled, own)


@router.post("/catalog/{slug}")
def save_new(visit: Visited, slug: str) -> Response:
    """Save a new block; what cannot be saved comes back with what is wrong, and with what was typed."""
    if asks_for_change(visit.form):
        return change_new(visit, slug)
    visit.holder.require(Right.EDIT)
    registry = visit.registry
    block_type = find_type(registry, slug)
    opened = FormOfBlock.open(registry, block_type, pairs=visit.form)
    filled = opened.read(visit.form)
    own = OwnFields.of_pairs(visit.form, with_name=True)
    if own.problems or filled.answer is None:
        if not own.name_problem and is_taken(registry, slug, own.name):
            own = replace(own, name_problem=_TAKEN)
        return _page(visit, block_type, filled, own, status=422)
    writing = writing_of(filled.answer, block_type, own.name, opened.types, own.labels)
    try:
        if all(found.slug != slug for found in registry.types()):
            registry.register(block_type)
        document = writing.save(visit.registry_once, expected_version=0)
    except BlocksError as error:
        address = join_address(slug, own.name)
        if isinstance(error, (BlockExists, VersionConflict)) and error.address == address:
            return _page(visit, block_type, filled, replace(own, name_problem=_TAKEN), status=409)
        filled = filled.with_problems(writing.problems_of(error))
        return _page(visit, block_type, filled, own, status=status_of(error))
    return visit.go_to(block_url(slug, document.name), f"{document.address} is saved.")


@router.get("/catalog/{slug}/name")
def check_name(visit: Visited, slug: str) -> Response:
    """Tell at once whether a name can be given; what is typed into the form is asked for again when it is sent."""
    name = visit.request.query_params.get(":name", "").strip()
    problem = problem_of_name(name)
    if not problem and is_taken(visit.registry, slug, name):
        problem = _TAKEN
    return render(visit, "blocks/name_note.html", name=name, problem=problem)


def _page(visit: Visit, block_type: BlockType, filled: Filled, own: OwnFields, status: int = 200) -> Response:
    return render(
        visit,
        "blocks/new.html",
        status,
        block_type=block_type,
        summary=summary_of(block_type),
        details=details_of(block_type),
        has_logo=has_logo(block_type),
        form=render_form(filled, _around(visit, block_type, own)),
    )


def _around(visit: Visit, block_type: BlockType, own: OwnFields) -> Page:
    name_url = new_url(block_type.slug, "name")
    before = piece(visit, "blocks/own_fields.html", own=own, with_name=True, name_url=name_url)
    after = piece(visit, "blocks/cancel.html", url=new_url())
    return Page(
        save_url=new_url(block_type.slug),
        change_url=new_url(block_type.slug, "form"),
        save_text="Save the block",
        hidden=visit.hidden,
        before=before,
        after=after,
        problems=tuple(own.problems),
        names_inside=True,
    )
