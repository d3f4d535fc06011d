"""The first page: what to do next, what changed lately, what somebody should look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from blocks_registry.access import Right, Role
from blocks_registry.key_status import next_steps
from blocks_registry.searching import Order, Wanted
from blocks_server.pages.blocks.listed import Question
from blocks_server.pages.blocks.offered import has_logo, offered_types
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visit, Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_RECENT: Final = 8
_MAX_OUTDATED: Final = 100
"""Blocks that are counted."""


@dataclass(frozen=True)
class Step:
    """Something to do at the beginning."""

    title: str
    text: str
    is_done: bool
    url: str = ""
    url_text: str = ""
    code: str = ""


@dataclass(frozen=True)
class Concern:
    """Something that somebody should look at."""

    text: str
    url: str
    url_text: str


@router.get("/")
def show_dashboard(visit: Visited) -> Response:
    """Show where things stand."""
    visit.holder.require(Right.READ)
    types = {found.slug: found for found in visit.registry.types()}
    recent = visit.registry.search(Wanted(order=Order.NEWEST), limit=_RECENT)
    steps = first_steps(visit, bool(types), bool(recent))
    return render(
        visit,
        "dashboard.html",
        steps=[] if all(step.is_done for step in steps) else steps,
        recent=recent,
        types=types,
        with_logo={slug for slug, each in types.items() if has_logo(each)},
        concerns=concerns_of(visit),
        may_edit=visit.holder.may(Right.EDIT),
    )


def first_steps(visit: Visit, has_types: bool, has_blocks: bool) -> list[Step]:
    """Return the steps to a program that loads a block, as far as somebody may take them."""
    steps: list[Step] = []
    if visit.holder.may(Right.EDIT):
        steps.append(
            Step(
                "Install and register types of blocks",
                "They come with plugins, where the server runs. A type that is installed can be used at once.",
                has_types,
                code="pip install blocks-standard blocks-aws\nblock register --all",
            )
        )
        steps.append(
            Step(
                "Make a block",
                "A block keeps what a program needs to reach something: an address, a name, a key.",
                has_blocks,
                "/catalog",
                "Choose its type",
            )
        )
    if visit.holder.may(Right.TOKENS):
        runners = [
            token
            for token in visit.service.access.tokens.all()
            if token.role is Role.RUNNER and token.state == "active"
        ]
        steps.append(
            Step(
                "Give programs a token",
                "A runner's token loads blocks with their secrets, and changes none.",
                bool(runners),
                "/tokens",
                "Make a token",
            )
        )
    url = str(visit.request.base_url).rstrip("/")
    steps.append(
        Step(
            "Load it in a program",
            "One line in the program, which each block's page has to copy. Where the server is, and the token, stand "
            "in the environment.",
            bool(visit.registry.search(Wanted(used=True), limit=1)),
            code=f"export BLOCKS_URL={url}\nexport BLOCKS_TOKEN=blk_…",
        )
    )
    return steps


def concerns_of(visit: Visit) -> list[Concern]:
    """Return what somebody should look at, the most pressing first."""
    found: list[Concern] = []
    if visit.holder.may(Right.KEYS):
        status = visit.service.access.key_status()
        others = any(key.is_needed and not key.is_primary for key in status.keys)
        if not status.is_well or others:
            found.append(Concern(next_steps(status)[0], "/keys", "Keys"))
    broken = [each for each in offered_types(visit.registry) if each.problem]
    if broken:
        named = ", ".join(each.slug for each in broken[:3])
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        found.append(Concern(f"Types that cannot be used: {named}{more}.", "/plugins", "Plugins"))
    count = len(visit.registry.search(Wanted(outdated=True), limit=_MAX_OUTDATED + 1))
    if count:
        number = f"More than {_MAX_OUTDATED}" if count > _MAX_OUTDATED else str(count)
        text = f"{number} blocks are stored as of older versions of their types."
        if count == 1:
            text = "One block is stored as of an older version of its type."
        found.append(Concern(text, Question(stored="outdated").url(), "See what to upgrade"))
    return found
