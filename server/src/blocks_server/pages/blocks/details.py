"""The page of one block: its fields, who holds it, its versions, the code that loads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.document import Document
from blocks_core.errors import BlocksError
from blocks_core.schema import BlockType
from blocks_registry.access import GuardedRegistry, Right
from blocks_server.forms import Form
from blocks_server.pages.blocks.choices import named_blocks
from blocks_server.pages.blocks.offered import has_logo
from blocks_server.pages.blocks.shown import Line, lines_of
from blocks_server.pages.blocks.upgrades import is_outdated
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_MAX_USERS: Final = 50
_MAX_VERSIONS: Final = 5
_MAX_USAGES: Final = 5


@router.get("/blocks/{slug}/{name}")
def show_block(visit: Visited, slug: str, name: str, version: int | None = None) -> Response:
    """Show a block as it is, or as it was in an older version."""
    registry = visit.registry
    document = registry.read(slug, name, version=version)
    block_type = known_type(registry, document)
    users = registry.some_users(slug, name, limit=_MAX_USERS)
    versions = registry.history(slug, name)
    return render(
        visit,
        "blocks/detail.html",
        document=document,
        newest=versions[0].version if versions else document.version,
        block_type=block_type,
        has_logo=block_type is not None and has_logo(block_type),
        lines=read_lines(registry, document, block_type),
        as_json=_as_json(document) if block_type is None else "",
        users=users,
        user_count=registry.count_users([document.id])[document.id],
        versions=versions[:_MAX_VERSIONS],
        version_count=len(versions),
        usages=registry.last_usages(slug, name, limit=_MAX_USAGES),
        code=code_of(document, block_type),
        is_outdated=is_outdated(document, registry),
        may_edit=visit.holder.may(Right.EDIT),
        may_check=visit.holder.may(Right.EDIT) or visit.holder.may(Right.RESOLVE),
    )


def known_type(registry: GuardedRegistry, document: Document) -> BlockType | None:
    """Return the type of a document in the version that wrote it; None where only another one is known."""
    try:
        found = registry.type(document.slug)
    except BlocksError:
        return None
    return found if found.version == document.type_version else None


def read_lines(registry: GuardedRegistry, document: Document, block_type: BlockType | None) -> Sequence[Line]:
    """Return what stands at each field; nothing where the type is not known as it was then."""
    if block_type is None:
        return []
    types = {found.slug: found for found in registry.types()}
    choices = named_blocks(registry, types, {target for _, target in document.content.references()})
    form = Form.of(block_type.schema, types.values())
    return lines_of(form.show(document.content, choices))


def code_of(document: Document, block_type: BlockType | None) -> str:
    """Return the Python code that loads a block."""
    if block_type is not None and '"NAME"' in block_type.example:
        return block_type.example.replace('"NAME"', json.dumps(document.name)).strip()
    return f"from blocks_core import Block\n\nblock = Block.load({json.dumps(document.address)})"


def _as_json(document: Document) -> str:
    """Return the content of a document of which no form can be made; secrets are null in it."""
    return json.dumps(document.content.data, indent=2, ensure_ascii=False)
