"""Rows of tokens as objects, and the proofs that nobody wrote or altered them who has not the keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from blocks_registry.access.holders import Holder
from blocks_registry.access.reach import Reach
from blocks_registry.access.roles import Role
from blocks_registry.audit import Audit
from blocks_registry.database import Connection
from blocks_registry.errors import TokenInvalid, TokenRefused

COLUMNS: Final = """
t.id, t.name, t.role, t.reach, t.digest, t.proof, t.created_at, t.created_by, t.expires_at, t.revoked_at,
t.last_used_at
"""
COLUMN_COUNT: Final = 11


@dataclass(frozen=True)
class Token:
    """What is known of a token; the token itself nobody knows but who holds it."""

    id: str
    name: str
    role: Role
    reach: Reach
    created_at: datetime
    created_by: str
    """`user@host`, or the name of the token that made it."""
    expires_at: datetime | None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """Within some seconds."""
    is_proved: bool = True
    """Whether its row is as somebody wrote it who had the keys."""

    @property
    def state(self) -> str:
        """Return `active`, `expired`, `revoked`, or `altered` where it lets nobody in for that."""
        if not self.is_proved:
            return "altered"
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return "expired" if is_over else "active"

    @property
    def holder(self) -> Holder:
        """Return who shows it.

        Raises:  TokenInvalid: its row was altered.
        """
        if not self.is_proved:
            raise TokenInvalid(
                f"What the database has of the token '{self.name}' was altered, or written without the keys, so it "
                f"lets nobody in. Ask an admin for another, and who writes the database."
            )
        return Holder(self.id, self.name, self.role, self.reach)


def read_token(connection: Connection, audit: Audit, row: tuple[Any, ...]) -> Token:
    """Return the token of a row of `COLUMNS`.

    Raises:  KeyringError: the keys to prove it are not at hand.
    """
    token_id, name, role, reach, digest, proof, created_at, created_by, *times = row
    expires_at, revoked_at, last_used_at = (
        None if each is None else datetime.fromtimestamp(each, UTC) for each in times
    )
    is_proved = audit.is_proved(connection, token_proof(token_id, name, role, reach, digest, times[0]), proof)
    return Token(
        id=token_id,
        name=name,
        role=Role(role) if is_proved else Role.VIEWER,
        reach=Reach(tuple(cast("list[str]", json.loads(reach)))) if is_proved else Reach(()),
        created_at=datetime.fromtimestamp(created_at, UTC),
        created_by=created_by,
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used_at=last_used_at,
        is_proved=is_proved,
    )


def token_proof(*parts: str | float | None) -> str:
    """Return the text that a token's proof is of: id, name, role, reach, digest, expiry."""
    return json.dumps(["token", *parts])


def bearer_proof(kind: str, digest: str, token_id: str, expires_at: float) -> str:
    """Return the text that the proof of a session or of a login code is of."""
    return json.dumps([kind, digest, token_id, expires_at])


def refuse_inactive(token: Token, what: str) -> None:
    """Refuse what cannot be done with a token that is over.

    Raises:  TokenRefused.
    """
    if token.state != "active":
        raise TokenRefused(
            f"The token '{token.name}' is {token.state}, so {what}. Make another: block token create NAME --role "
            f"{token.role}"
        )
