"""The pages that give a block another name, and that delete it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.document import Document
from blocks_core.errors import BlockExists, BlockInUse, BlocksError
from blocks_core.registry import Remove, Rename
from blocks_registry.access import Right
from blocks_server.pages.addresses import block_url
from blocks_server.pages.blocks.own_fields import problem_of_name
from blocks_server.pages.blocks.sent import number_of
from blocks_server.pages.errors import detail_of, status_of
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visit, Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_BLOCK = "/blocks/{slug}/{name}"
_MAX_USERS: Final = 200


@router.get(f"{_BLOCK}/rename")
def show_rename(visit: Visited, slug: str, name: str) -> Response:
    """Ask for the new name."""
    visit.holder.require(Right.EDIT)
    return _rename_page(visit, visit.registry.read(slug, name), name)


@router.post(f"{_BLOCK}/rename")
def rename_block(visit: Visited, slug: str, name: str) -> Response:
    """Give a block another name; blocks that hold it still do."""
    visit.holder.require(Right.EDIT)
    document = visit.registry.read(slug, name)
    sent = dict(visit.form)
    new_name = sent.get("new_name", "").strip()
    problem = problem_of_name(new_name)
    if problem:
        return _rename_page(visit, document, new_name, problem, 422)
    try:
        visit.registry.change([Rename(slug, name, new_name, number_of(sent.get("version", "")))])
    except BlockExists:
        return _rename_page(visit, document, new_name, "is taken by another block of this type", 409)
    except BlocksError as error:
        return _rename_page(visit, document, new_name, f": {detail_of(error)}", status_of(error))
    return visit.go_to(block_url(slug, new_name), f"{document.address} is called {new_name} now.")


@router.get(f"{_BLOCK}/delete")
def show_delete(visit: Visited, slug: str, name: str) -> Response:
    """Ask whether to delete a block, and show who holds it."""
    visit.holder.require(Right.EDIT)
    document = visit.registry.read(slug, name)
    return _delete_page(visit, document, visit.registry.some_users(slug, name, limit=_MAX_USERS + 1))


@router.post(f"{_BLOCK}/delete")
def delete_block(visit: Visited, slug: str, name: str) -> Response:
    """Delete a block; one that others hold only where its name was typed."""
    visit.holder.require(Right.EDIT)
    document = visit.registry.read(slug, name)
    sent = dict(visit.form)
    typed = sent.get("confirmation", "").strip()
    expected = number_of(sent.get("version", ""))
    try:
        visit.registry.change([Remove(slug, name, typed == name, expected)])
    except BlockInUse as error:
        problem = "is another name than that of the block" if typed else ""
        return _delete_page(visit, document, error.users, name_problem=problem, status=409)
    except BlocksError as error:
        users = visit.registry.some_users(slug, name, limit=_MAX_USERS + 1)
        detail = detail_of(error)
        return _delete_page(visit, document, users, problem=detail, status=status_of(error))
    return visit.go_to("/blocks", f"{document.address} is deleted.")


def _rename_page(
    visit: Visit, document: Document, typed: str, problem: str = "", status: int = 200
) -> Response:
    return render(visit, "blocks/rename.html", status, document=document, typed=typed, problem=problem)


@dataclass(frozen=True)
class _Holders:
    """Who holds a block, as far as they are named."""

    named: tuple[str, ...]
    further: int


def _delete_page(
    visit: Visit,
    document: Document,
    users: list[str] | tuple[str, ...],
    *,
    problem: str = "",
    name_problem: str = "",
    status: int = 200,
) -> Response:
    holders = _Holders(tuple(users[:_MAX_USERS]), max(len(users) - _MAX_USERS, 0))
    return render(
        visit,
        "blocks/delete.html",
        status,
        document=document,
        holders=holders,
        problem=problem,
        name_problem=name_problem,
    )
