"""The pages of a block's versions: listed, compared, restored."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.errors import BlocksError
from blocks_registry.access import Right
from blocks_server.pages.addresses import block_url
from blocks_server.pages.blocks.sent import number_of
from blocks_server.pages.errors import detail_of, status_of
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visit, Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_BLOCK = "/blocks/{slug}/{name}"


@router.get(f"{_BLOCK}/versions")
def list_versions(visit: Visited, slug: str, name: str) -> Response:
    """List the versions of a block, the newest first."""
    return _list(visit, slug, name)


@router.get(f"{_BLOCK}/diff")
def compare_versions(visit: Visited, slug: str, name: str, old: int, new: int) -> Response:
    """Show how two versions differ; of secrets, only whether they do."""
    versions = visit.registry.history(slug, name)
    return render(
        visit,
        "blocks/diff.html",
        document=visit.registry.read(slug, name),
        old=old,
        new=new,
        versions=versions,
        changes=visit.registry.diff(slug, name, old, new),
        may_edit=visit.holder.may(Right.EDIT),
    )


@router.post(f"{_BLOCK}/restore")
def restore_version(visit: Visited, slug: str, name: str) -> Response:
    """Make an older version the newest again."""
    visit.holder.require(Right.EDIT)
    sent = dict(visit.form)
    version, expected = (number_of(sent.get(key, "")) for key in ("version", "expected"))
    if version is None:
        return _list(visit, slug, name, "Say which version is to be restored.", 422)
    try:
        document = visit.registry.restore(slug, name, version, expected_version=expected)
    except BlocksError as error:
        return _list(visit, slug, name, detail_of(error), status_of(error))
    text = f"Version {version} of {document.address} is restored, as version {document.version}."
    return visit.go_to(block_url(slug, name), text)


def _list(visit: Visit, slug: str, name: str, problem: str = "", status: int = 200) -> Response:
    versions = visit.registry.history(slug, name)
    return render(
        visit,
        "blocks/versions.html",
        status,
        document=visit.registry.read(slug, name),
        versions=versions,
        problem=problem,
        may_edit=visit.holder.may(Right.EDIT),
    )
