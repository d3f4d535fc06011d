"""The page that changes a block: the form of its type, filled in, secrets kept unless they are said to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.document import Document
from blocks_core.errors import BlocksError, FieldProblem, SchemaConflict, VersionConflict
from blocks_core.schema import BlockType
from blocks_registry.access import Right
from blocks_server.forms import Filled, Page, render_form
from blocks_server.pages.addresses import block_url
from blocks_server.pages.blocks.conflicts import Conflict, find_conflict, unclear_secrets
from blocks_server.pages.blocks.form_pages import FormOfBlock, asks_for_change
from blocks_server.pages.blocks.own_fields import BEGAN_WITH, EXPECTED, ID, OwnFields, labels_text
from blocks_server.pages.blocks.saving import writing_of
from blocks_server.pages.blocks.sent import number_of
from blocks_server.pages.blocks.upgrades import is_outdated
from blocks_server.pages.errors import status_of
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import fragment, piece, render
from blocks_server.pages.visits import Visit, Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_BLOCK = "/blocks/{slug}/{name}"


@dataclass(frozen=True)
class _Editing:
    """A block that is being changed."""

    block_type: BlockType
    began_with: Document
    """What the form was filled in with first."""
    expected: int
    """The version that is saved on top of."""


@router.get(f"{_BLOCK}/edit")
def show_edit(visit: Visited, slug: str, name: str) -> Response:
    """Show the form, filled in."""
    visit.holder.require(Right.EDIT)
    document = visit.registry.read(slug, name)
    block_type = visit.registry.type(slug)
    if is_outdated(document, visit.registry):
        return visit.go_to(
            block_url(slug, name, "upgrade"), "Upgrade the block first: its type has a newer version."
        )
    editing = _Editing(block_type, document, document.version)
    filled = FormOfBlock.open(visit.registry, block_type, document.content).show()
    return _page(visit, editing, filled, OwnFields(labels_text=labels_text(document.labels)))


@router.post(f"{_BLOCK}/form")
def change_edit(visit: Visited, slug: str, name: str) -> Response:
    """Show the form in another way, with what was typed: a row added, another kind of value chosen."""
    editing = _sent(visit, slug, name)
    opened = FormOfBlock.open(visit.registry, editing.block_type, editing.began_with.content, visit.form)
    filled = opened.read(visit.form, to_change=True)
    own = replace(OwnFields.of_pairs(visit.form, with_name=False), labels_problem="")
    if visit.is_part:
        return fragment(render_form(filled, _around(visit, editing, own)))
    return _page(visit, editing, filled, own)


@router.post(f"{_BLOCK}/edit")
def save_edit(visit: Visited, slug: str, name: str) -> Response:
    """Save the next version of a block; what cannot be saved comes back with what is wrong, and what was typed."""
    if asks_for_change(visit.form):
        return change_edit(visit, slug, name)
    editing, registry = _sent(visit, slug, name), visit.registry
    opened = FormOfBlock.open(registry, editing.block_type, editing.began_with.content, visit.form)
    filled = opened.read(visit.form)
    own = OwnFields.of_pairs(visit.form, with_name=False)
    if filled.answer is None or own.problems:
        return _refused(visit, editing, filled, own, 422)
    now = registry.read(slug, name)
    if now.version == editing.expected:  # else saving finds it, unless it was this form that saved
        unclear = unclear_secrets(filled.answer.kept, editing.began_with.content, now.content)
        if unclear:
            return _page(visit, editing, filled.with_problems(unclear), own, status=409)
    writing = writing_of(filled.answer, editing.block_type, name, opened.types, own.labels)
    try:
        document = writing.save(visit.registry_once, editing.expected, editing.began_with.id)
    except BlocksError as error:
        return _refused(visit, editing, filled, own, status_of(error), writing.problems_of(error))
    return visit.go_to(block_url(slug, name), f"{document.address} is saved, version {document.version}.")


def _sent(visit: Visit, slug: str, name: str) -> _Editing:
    """Return what is being changed, as the form says.

    Raises:  VersionConflict: another block has the name now. BlockNotFound; AccessDenied.
    """
    visit.holder.require(Right.EDIT)
    sent = dict(visit.form)
    began_with = visit.registry.read(slug, name, version=number_of(sent.get(BEGAN_WITH, "")))
    if is_outdated(began_with, visit.registry):
        raise SchemaConflict(
            f"The type of '{began_with.address}' got a newer version meanwhile, so this form is not its form any "
            f"more. Nothing was saved: upgrade the block, and edit it then."
        )
    if sent.get(ID, "") not in ("", str(began_with.id)):
        raise VersionConflict(began_with.address, began_with.version, began_with.version)
    expected = number_of(sent.get(EXPECTED, "")) or began_with.version
    return _Editing(visit.registry.type(slug), began_with, expected)


def _refused(
    visit: Visit,
    editing: _Editing,
    filled: Filled,
    own: OwnFields,
    status: int,
    problems: Sequence[FieldProblem] = (),
) -> Response:
    """Show what is wrong; but first what others changed meanwhile, and the form to be saved on top of that."""
    began_with = editing.began_with
    now = visit.registry.read(began_with.slug, began_with.name)
    conflict = find_conflict(visit.registry, now, editing.expected)
    if conflict is None:
        return _page(visit, editing, filled.with_problems(problems), own, status=status)
    on_top = replace(editing, expected=now.version)
    return _page(visit, on_top, filled, own, status=409, conflict=conflict)


def _page(
    visit: Visit,
    editing: _Editing,
    filled: Filled,
    own: OwnFields,
    *,
    status: int = 200,
    conflict: Conflict | None = None,
) -> Response:
    return render(
        visit,
        "blocks/edit.html",
        status,
        block_type=editing.block_type,
        document=editing.began_with,
        conflict=conflict,
        form=render_form(filled, _around(visit, editing, own)),
    )


def _around(visit: Visit, editing: _Editing, own: OwnFields) -> Page:
    document = editing.began_with
    url = block_url(document.slug, document.name)
    before = piece(visit, "blocks/own_fields.html", own=own, with_name=False, name_url="")
    after = piece(visit, "blocks/cancel.html", url=url)
    return Page(
        save_url=f"{url}/edit",
        change_url=f"{url}/form",
        save_text="Save the block",
        hidden={
            **visit.hidden,
            EXPECTED: str(editing.expected),
            BEGAN_WITH: str(document.version),
            ID: str(document.id),
        },
        before=before,
        after=after,
        problems=tuple(own.problems),
        names_inside=True,
    )
