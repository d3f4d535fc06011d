"""Tokens: made and shown once, listed, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.current import acting_as
from blocks_registry.access import NewToken, Reach, Right, Role
from blocks_registry.errors import TokenExists, TokenNotFound, TokenRefused
from blocks_server.pages.errors import status_of
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visit, Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

DAYS: Final[Mapping[str, int | None]] = {"1": 1, "7": 7, "30": 30, "90": 90, "365": 365, "never": None}
"""How long a token can be made for."""
ROLES: Final = tuple(role.value for role in Role)


@dataclass(frozen=True)
class Asked:
    """The token that is asked for, as it was typed."""

    name: str = ""
    role: str = Role.RUNNER.value
    allow: str = "*"
    days: str = "90"
    problem: str = field(default="", compare=False)


@router.get("/tokens")
def list_tokens(visit: Visited, every: bool = False) -> Response:
    """Show the tokens that are good, or every one that ever was."""
    return _page(visit, every=every)


@router.post("/tokens")
def create_token(visit: Visited) -> Response:
    """Make a token, and show its text on this page and nowhere else."""
    visit.holder.require(Right.TOKENS)
    sent = dict(visit.form)
    asked = Asked(*(sent.get(key, "").strip() for key in ("name", "role", "allow", "days")))
    if asked.role not in ROLES or asked.days not in DAYS:
        return _page(visit, asked, problem="Choose a role, and how long the token is to be good.", status=422)
    days = DAYS[asked.days]
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    try:
        reach = Reach.of(asked.allow.split() or ["*"])
        with acting_as(visit.holder.actor):
            made = visit.service.access.tokens.create(
                asked.name, Role(asked.role), reach=reach, expires_at=until
            )
    except (TokenExists, TokenRefused) as error:
        return _page(visit, asked, problem=str(error), status=status_of(error))
    gaps = visit.service.access.tokens.held_beyond(reach) if made.token.role is Role.RUNNER else []
    return _page(visit, made=made, gaps=gaps)


@router.post("/tokens/revoke")
def revoke_token(visit: Visited) -> Response:
    """Take a token back, with the sessions that it opened."""
    visit.holder.require(Right.TOKENS)
    token_id = dict(visit.form).get("id", "")
    try:
        token = visit.service.access.tokens.find(token_id)
        with acting_as(visit.holder.actor):
            visit.service.access.revoke(token.id)
    except TokenNotFound as error:
        return _page(visit, problem=str(error), status=404)
    return visit.go_to(
        "/tokens", f"The token {token.name} is revoked: whoever uses it is refused from now on."
    )


def _page(
    visit: Visit,
    asked: Asked | None = None,
    *,
    every: bool = False,
    made: NewToken | None = None,
    gaps: list[tuple[str, str]] | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    visit.holder.require(Right.TOKENS)
    tokens = visit.service.access.tokens.all()
    shown = [token for token in tokens if every or token.state == "active"]
    return render(
        visit,
        "tokens.html",
        status,
        tokens=sorted(shown, key=lambda token: token.created_at, reverse=True),
        hidden=len(tokens) - len(shown),
        every=every,
        asked=asked or Asked(),
        roles=ROLES,
        days=list(DAYS),
        made=made,
        gaps=gaps or [],
        problem=problem,
    )
