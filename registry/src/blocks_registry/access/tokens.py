"""The tokens of one database: made, listed, found and taken back, each of it a row of the audit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from uuid import uuid4

from blocks_core.current import current_actor
from blocks_core.document import Json
from blocks_core.errors import did_you_mean
from blocks_core.names import join_address, suggest
from blocks_registry.access.bearers import TOKEN, digest_of, new_bearer
from blocks_registry.access.reach import EVERY_BLOCK, Reach
from blocks_registry.access.roles import Role
from blocks_registry.access.token_rows import COLUMNS, Token, read_token, token_proof
from blocks_registry.audit import Audit
from blocks_registry.database import Connection, Database
from blocks_registry.errors import TokenExists, TokenNotFound, TokenRefused

Deliver = Callable[[str], None]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")

_ADD = """
INSERT INTO tokens (id, name, role, reach, digest, expires_at, proof, created_at, created_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ALL = f"SELECT {COLUMNS} FROM tokens AS t ORDER BY t.created_at, t.id"
_TAKEN = "SELECT 1 FROM tokens WHERE name = ? AND revoked_at IS NULL"
_ANY = "SELECT 1 FROM tokens LIMIT 1"
_FIND = f"""
SELECT {COLUMNS} FROM tokens AS t WHERE t.id = ? OR t.name = ?
ORDER BY CASE WHEN t.id = ? THEN 0 WHEN t.revoked_at IS NULL THEN 1 ELSE 2 END, t.created_at DESC LIMIT 1
"""
_REVOKE = "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
_HELD = """
SELECT DISTINCT d.slug, d.name, t.slug, t.name FROM document_references AS r
JOIN documents AS d ON d.id = r.document_id AND d.version = r.version
JOIN documents AS t ON t.id = r.target_id
ORDER BY d.slug, d.name, t.slug, t.name
"""
_END_SESSIONS = "DELETE FROM sessions WHERE token_id = ?"
_VOID_CODES = "DELETE FROM login_codes WHERE token_id = ?"


@dataclass(frozen=True)
class NewToken:
    """A token that was made now: the only time that it is known."""

    token: Token
    text: str = field(repr=False)


class Tokens:
    """Makes and takes back tokens. Whoever has the database and its keys may; a server asks for the right first."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def create(
        self,
        name: str,
        role: Role,
        *,
        reach: Reach = EVERY_BLOCK,
        expires_at: datetime | None = None,
        deliver: Deliver | None = None,
    ) -> NewToken:
        """Make a token and return it, which cannot be done again.

        Args:    expires_at: None for never. deliver: takes its text before it counts; where that raises, there is
                 no token.
        Raises:  TokenExists: a token that was not revoked has the name. TokenRefused.
        """
        self._prepare()
        made = _new(name, role, reach, expires_at)
        with self._database.transaction() as connection:
            self._keep(connection, made, deliver)
        return made

    def create_first(self, name: str, deliver: Deliver) -> Token | None:
        """Make an admin's token where the database never had any; None where it had.

        Args:    deliver: takes its text before it counts; where that raises, there is no token.
        """
        self._prepare()
        with self._database.reading() as connection:
            if connection.execute(_ANY).fetchone() is not None:
                return None
        with self._database.transaction() as connection:
            if connection.execute(_ANY).fetchone() is not None:  # another process was first
                return None
            made = _new(name, Role.ADMIN, EVERY_BLOCK, None)
            self._keep(connection, made, deliver)
        return made.token

    def all(self) -> list[Token]:
        """Return every token, the oldest first, expired and revoked ones included."""
        self._prepare()
        with self._database.reading() as connection:
            rows = connection.execute(_ALL).fetchall()
            return [read_token(connection, self._audit, row) for row in rows]

    def find(self, name: str) -> Token:
        """Return a token by its id, or by its name: the newest, and one that was not revoked before any that was.

        Raises:  TokenNotFound.
        """
        self._prepare()
        with self._database.reading() as connection:
            row = connection.execute(_FIND, (name, name, name)).fetchone()
            if row is not None:
                return read_token(connection, self._audit, row)
        if digest_of(TOKEN, name) is not None:  # and not with the token in the message
            raise TokenNotFound(
                "That is a token, not the name of one; whoever saw it can use it. Find its name: block token ls"
            )
        known = {token.name for token in self.all()}
        raise TokenNotFound(
            f"There is no token '{name[:100]}'{did_you_mean(suggest(name[:100], known))}. See which there are: "
            f"block token ls"
        )

    def held_beyond(self, reach: Reach) -> list[tuple[str, str]]:
        """Return the blocks in reach that a token could not load: each with one beyond it that it holds."""
        if reach.is_everything:
            return []
        self._prepare()
        with self._database.reading() as connection:
            rows = connection.execute(_HELD).fetchall()
        return [
            (join_address(slug, name), join_address(held_slug, held_name))
            for slug, name, held_slug, held_name in rows
            if reach.names(slug, name) and not reach.names(held_slug, held_name)
        ]

    def revoke(self, name: str) -> bool:
        """Take a token back, with the sessions that were opened by it; False where it was before.

        Other processes notice within seconds.

        Raises:  TokenNotFound.
        """
        token = self.find(name)
        with self._database.transaction() as connection:
            was_revoked = connection.execute(_REVOKE, (time(), token.id)).rowcount > 0
            connection.execute(_END_SESSIONS, (token.id,))
            connection.execute(_VOID_CODES, (token.id,))
            if was_revoked:
                self._audit.record(connection, "token.revoked", token.name, subject_id=token.id)
        return was_revoked

    def _prepare(self) -> None:
        self._database.migrate("registry", "blocks_registry.migrations")

    def _keep(self, connection: Connection, made: NewToken, deliver: Deliver | None) -> None:
        token = made.token
        if connection.execute(_TAKEN, (token.name,)).fetchone() is not None:
            raise TokenExists(
                f"There is a token '{token.name}' already. Choose another name, or take that one back first: "
                f"block token revoke {token.name}"
            )
        proved = (
            token.id,
            token.name,
            token.role.value,
            json.dumps(token.reach.patterns),
            digest_of(TOKEN, made.text),
            token.expires_at.timestamp() if token.expires_at is not None else None,
        )
        proof = self._audit.proof(connection, token_proof(*proved))
        connection.execute(_ADD, (*proved, proof, token.created_at.timestamp(), token.created_by))
        allowed: list[Json] = [*token.reach.written]
        detail: dict[str, Json] = {"role": token.role.value, "allow": allowed}
        if token.expires_at is not None:
            detail["expires_at"] = token.expires_at.isoformat(timespec="seconds")
        self._audit.record(connection, "token.created", token.name, subject_id=token.id, detail=detail)
        if deliver is not None:
            deliver(made.text)


def _new(name: str, role: Role, reach: Reach, expires_at: datetime | None) -> NewToken:
    if not _NAME.fullmatch(name) or digest_of(TOKEN, name) is not None:
        raise TokenRefused(
            "A token is named by 1 to 100 letters, digits, '.', '_', '@' or '-', a letter or a digit first, such as "
            "'ci-deploy'."
        )
    now = datetime.now(UTC)
    if expires_at is not None and expires_at <= now:
        raise TokenRefused(
            f"The token '{name}' would be expired from the start. Give a time that is to come."
        )
    actor = current_actor()
    token = Token(str(uuid4()), name, role, reach, now, actor.user or actor.name, expires_at)
    token.holder  # noqa: B018 refuses an admin with a list
    return NewToken(token, new_bearer(TOKEN))
