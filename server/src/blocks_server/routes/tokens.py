"""Tokens: made, listed, taken back, by admins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.current import acting_as
from blocks_core.document import Json
from blocks_registry.access import Reach, Right, Token
from blocks_server import answers
from blocks_server.bodies import TokenBody
from blocks_server.calls import Called, answer, items
from blocks_server.documenting import documented

router = APIRouter(tags=["tokens"])


@router.get("/tokens", **documented(answers.Tokens))
def list_tokens(call: Called) -> Response:
    """List the tokens, expired and revoked ones included, without their texts, which nobody knows."""
    call.require(Right.TOKENS)
    return items([_record(each) for each in call.service.access.tokens.all()])


@router.post("/tokens", **documented(answers.NewToken, body=TokenBody, status=201))
def create_token(call: Called) -> Response:
    """Make a token. Its text is in this answer and nowhere else."""
    call.require(Right.TOKENS)
    body = call.read(TokenBody)
    until = None if body.expires_days is None else datetime.now(UTC) + timedelta(days=body.expires_days)
    with acting_as(call.holder.actor):
        made = call.service.access.tokens.create(
            body.name, body.role, reach=Reach.of(body.allow), expires_at=until
        )
    return answer({"token": made.text, "record": _record(made.token)}, 201)


@router.delete("/tokens/{name}", **documented(answers.Revoked))
def revoke_token(call: Called, name: str) -> Response:
    """Take a token back, by its name or id, with the sessions that it opened."""
    call.require(Right.TOKENS)
    with acting_as(call.holder.actor):
        return answer({"revoked": call.service.access.revoke(name)})


def _record(token: Token) -> dict[str, Json]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "allow": [*token.reach.written],
        "state": token.state,
        "created_at": token.created_at.isoformat(),
        "created_by": token.created_by,
        "expires_at": _moment(token.expires_at),
        "revoked_at": _moment(token.revoked_at),
        "last_used_at": _moment(token.last_used_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
