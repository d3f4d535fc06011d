"""The page that brings a block to the newest version of its type: what changes, and doing it."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.document import Document, DocumentTree
from blocks_core.errors import BlocksError, BlockTypeNotFound, VersionConflict
from blocks_core.library import Library
from blocks_core.upgrade_plans import UpgradePlan, plan_upgrade, upgrade_block
from blocks_registry.access import GuardedRegistry, Holder, Right, Role
from blocks_registry.access.revealing import Revealing
from blocks_registry.remote_problems import problem_of
from blocks_server.pages.addresses import block_url
from blocks_server.pages.errors import status_of
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visit, Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_UPGRADE = "/blocks/{slug}/{name}/upgrade"


def is_outdated(document: Document, registry: GuardedRegistry) -> bool:
    """Tell whether a block, or one stored inside it, is of an older version than its type is registered in."""
    found = {document.slug: document.type_version}
    for mark in document.content.marks.values():
        if mark.startswith("inline:"):
            slug, _, version = mark.removeprefix("inline:").rpartition("@")
            found[slug] = min(int(version), found.get(slug, int(version))) if version.isdecimal() else 0
    return any(_newest(slug, registry, version) > version for slug, version in found.items())


@router.get(_UPGRADE)
def show_upgrade(visit: Visited, slug: str, name: str) -> Response:
    """Show what upgrading a block changes in it."""
    visit.holder.require(Right.EDIT)
    document = visit.registry.read(slug, name)
    try:
        plan = plan_upgrade(Library(_upgrading(visit)), slug, name)
    except BlocksError as error:
        return _page(visit, document, problem=error)
    return _page(visit, document, plan)


@router.post(_UPGRADE)
def do_upgrade(visit: Visited, slug: str, name: str) -> Response:
    """Write a block back as a new version, in the form of the newest version of its type."""
    visit.holder.require(Right.EDIT)
    document = visit.registry.read(slug, name)
    library = Library(_upgrading(visit))
    try:
        plan = plan_upgrade(library, slug, name)
        if plan is None:
            return visit.go_to(block_url(slug, name), f"{document.address} is up to date.")
        if dict(visit.form).get("version") != str(plan.version):  # what was shown is not what would be done
            raise VersionConflict(document.address, document.version, plan.version)
        upgraded = upgrade_block(library, plan)
    except BlocksError as error:
        return _page(visit, document, problem=error)
    return visit.go_to(block_url(slug, name), f"{upgraded.address} is upgraded, version {upgraded.version}.")


class _Upgrading(GuardedRegistry):
    """A registry as somebody sees it who may change blocks, and whose upgrades use the secrets, unseen."""

    def __init__(self, registry: Revealing, holder: Holder, loading: GuardedRegistry) -> None:
        super().__init__(registry, holder)
        self._loading = loading

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        return self._loading.load(slug, name, version=version)


def _upgrading(visit: Visit) -> GuardedRegistry:
    holder, service = visit.holder, visit.service
    if holder.may(Right.RESOLVE):
        return visit.registry
    loading = service.access.guard(service.registry, replace(holder, role=Role.RUNNER))
    return _Upgrading(service.registry, holder, loading)


def _newest(slug: str, registry: GuardedRegistry, version: int) -> int:
    try:
        return registry.type(slug).version
    except BlockTypeNotFound:
        return version


def _page(
    visit: Visit, document: Document, plan: UpgradePlan | None = None, problem: BlocksError | None = None
) -> Response:
    return render(
        visit,
        "blocks/upgrade.html",
        status_of(problem) if problem else 200,
        document=document,
        plan=plan,
        problem=str(problem_of(problem)["detail"]) if problem else "",
    )
