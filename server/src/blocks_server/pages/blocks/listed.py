"""The page that lists blocks: searched, filtered, sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from blocks_core.records import Summary
from blocks_core.schema import BlockType
from blocks_registry.access import GuardedRegistry, Right
from blocks_registry.searching import Order, Wanted
from blocks_server.listing import Page, page_of
from blocks_server.pages.addresses import with_query
from blocks_server.pages.blocks.offered import capabilities_of, has_logo
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LINES: Final = 50
MAX_SORTED: Final = 2000
"""Blocks that are sorted by their last use; by address and by time a registry has them in order."""

Sort = Literal["address", "saved", "used"]
Stored = Literal["", "outdated"]
"""As of which version of their types: any, or an older one than the registry has."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Question:
    """What is asked for, as it stands in the address of the page."""

    q: str = ""
    type: str = ""
    capability: str = ""
    label: str = ""
    sort: Sort = "address"
    stored: Stored = ""

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that a block must have, of `key=value`s with spaces between them."""
        pairs = (each.partition("=") for each in self.label.split())
        return {key: value for key, _, value in pairs}

    @property
    def is_filtered(self) -> bool:
        """Tell whether some blocks may be left out."""
        return bool(self.q or self.type or self.capability or self.label or self.stored)

    def url(self, **changes: str) -> str:
        """Return the address of the page with other words in it."""
        sort = "" if self.sort == "address" else self.sort
        words = {"q": self.q, "type": self.type, "capability": self.capability, "label": self.label}
        return with_query("/blocks", {**words, "stored": self.stored, "sort": sort, **changes})


@dataclass(frozen=True)
class Found:
    """The blocks of a page."""

    lines: Sequence[Summary]
    after: str | None
    """Where the next page begins; None at the end."""
    is_sorted: bool = True
    """Whether they are in the order that was asked for."""


def question_of(
    q: Annotated[str, Query(max_length=200)] = "",
    type: Annotated[str, Query(max_length=100)] = "",  # noqa: A002 the word in the address
    capability: Annotated[str, Query(max_length=100)] = "",
    label: Annotated[str, Query(max_length=300)] = "",
    sort: Sort = "address",
    stored: Stored = "",
) -> Question:
    """Return what the address of a page asks for."""
    return Question(q.strip(), type, capability, label.strip(), sort, stored)


@router.get("/blocks")
def list_blocks(
    visit: Visited,
    question: Annotated[Question, Depends(question_of)],
    after: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """List the blocks in reach."""
    visit.holder.require(Right.READ)
    types = {found.slug: found for found in visit.registry.types()}
    found = find_blocks(visit.registry, question, types, after or None)
    return render(
        visit,
        "blocks/list_part.html" if visit.is_part else "blocks/list.html",
        question=question,
        found=found,
        types=types,
        with_logo={slug for slug, each in types.items() if has_logo(each)},
        capabilities=capabilities_of(types.values()),
        users=count_users(visit.registry, found.lines),
        next_url=question.url(after=found.after) if found.after else "",
        is_first=not after,
        may_edit=visit.holder.may(Right.EDIT),
    )


def find_blocks(
    registry: GuardedRegistry, question: Question, types: Mapping[str, BlockType], after: str | None
) -> Found:
    """Return the page of blocks behind a place."""
    text = question.q.lower()
    described = {slug for slug, found in types.items() if text and text in found.title.lower()}
    wanted = Wanted(
        slug=question.type or None,
        capability=question.capability or None,
        text=text,
        labels=question.labels,
        described=frozenset(described),
        outdated=question.stored == "outdated",
        order=Order.NEWEST if question.sort == "saved" else Order.ADDRESS,
    )
    if question.sort != "used":
        page = page_of(registry, wanted, after, LINES)
        return Found(page.lines, page.after)
    page = page_of(registry, wanted, None, MAX_SORTED)
    if page.after is not None:
        page = page_of(registry, wanted, after, LINES)
        return Found(page.lines, page.after, is_sorted=False)
    return _by_use(page, after)


def _by_use(page: Page, after: str | None) -> Found:
    """Return a page of what was used last, which is sorted here; the next one begins at a number."""
    lines = sorted(page.lines, key=lambda line: line.last_used_at or _NEVER, reverse=True)
    start = int(after) if after and after.isascii() and after.isdecimal() and len(after) < 9 else 0
    end = start + LINES
    return Found(lines[start:end], str(end) if end < len(lines) else None)


def count_users(registry: GuardedRegistry, lines: Sequence[Summary]) -> Mapping[UUID, int]:
    """Return how many blocks hold each of some blocks."""
    return registry.count_users([line.id for line in lines])
