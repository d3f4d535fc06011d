"""How a browser gets in: a session, which its cookie names, opened by a token or by a login code, good once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import Any, Final

from blocks_core.current import acting_as
from blocks_registry.access.attempts import Attempts
from blocks_registry.access.authenticating import Authenticator
from blocks_registry.access.bearers import LOGIN_CODE, SESSION, digest_of, new_bearer
from blocks_registry.access.token_rows import (
    COLUMN_COUNT,
    COLUMNS,
    Token,
    bearer_proof,
    read_token,
    refuse_inactive,
)
from blocks_registry.access.tokens import Tokens
from blocks_registry.audit import Audit
from blocks_registry.database import Connection, Database
from blocks_registry.errors import TokenInvalid

CODE_SECONDS: Final = 600
"""How long a login code is good."""
SESSION_SECONDS: Final = 12 * 3600
"""How long a session lasts, however much it is used."""

_ADD_CODE = "INSERT INTO login_codes (digest, token_id, expires_at, proof) VALUES (?, ?, ?, ?)"
_TAKE_CODE = "DELETE FROM login_codes WHERE digest = ? AND expires_at > ?"
_OF_CODE = f"""
SELECT {COLUMNS}, c.expires_at, c.proof FROM login_codes AS c JOIN tokens AS t ON t.id = c.token_id WHERE c.digest = ?
"""
_ADD_SESSION = """
INSERT INTO sessions (digest, token_id, expires_at, opened_at, proof) VALUES (?, ?, ?, ?, ?)
"""
_END_SESSION = "DELETE FROM sessions WHERE digest = ?"
_OF_TOKEN = f"SELECT {COLUMNS} FROM tokens AS t WHERE t.id = ?"
_FORGET_CODES = "DELETE FROM login_codes WHERE expires_at <= ?"
_FORGET_SESSIONS = "DELETE FROM sessions WHERE expires_at <= ?"


@dataclass(frozen=True)
class NewSession:
    """A session that was opened now."""

    cookie: str = field(repr=False)
    """What the browser is to keep; only its digest is kept here."""
    token: Token
    expires_at: datetime


class Logins:
    """The sessions and login codes of one database."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        tokens: Tokens,
        authenticator: Authenticator,
        attempts: Attempts,
    ) -> None:
        self._database = database
        self._audit = audit
        self._tokens = tokens
        self._authenticator = authenticator
        self._attempts = attempts

    def new_code(self, name: str, *, seconds: float = CODE_SECONDS) -> str:
        """Return a code that opens one session of a token, given by its name or id.

        Raises:  TokenNotFound; TokenRefused: it has expired, or was revoked.
        """
        token = self._tokens.find(name)
        refuse_inactive(token, "there is no logging in with it")
        code, now = new_bearer(LOGIN_CODE), time()
        with self._database.transaction() as connection:
            connection.execute(_FORGET_CODES, (now,))
            self._add(connection, _ADD_CODE, LOGIN_CODE, code, token, now + seconds)
        return code

    def open_by_code(self, code: str, *, address: str = "") -> NewSession:
        """Open a session by a login code, which is good for one.

        Raises:  TokenInvalid: there is no such code (any more), in the same words whatever is wrong. TooManyAttempts.
        """
        self._attempts.refuse_too_many(address)
        digest = digest_of(LOGIN_CODE, code)
        if digest is not None and not self._attempts.was_wrong(address, code):
            self._prepare()
            with self._database.transaction() as connection:
                token = self._token_of_code(connection, digest)
                was_taken = connection.execute(_TAKE_CODE, (digest, time())).rowcount == 1
                if was_taken and token is not None and token.state == "active":
                    return self._open(connection, token, "code")
        if not self._attempts.was_wrong(address, code):
            self._attempts.note(address, code)
        raise TokenInvalid(
            f"There is no such login code (any more): each is good once, for {CODE_SECONDS // 60} minutes. Log in "
            f"with a token, or have another link made."
        )

    def open_by_token(self, text: str, *, address: str = "") -> NewSession:
        """Open a session by a token.

        Raises:  what `Authenticator.holder_of_token` raises.
        """
        holder = self._authenticator.holder_of_token(text, address=address)
        with self._database.transaction() as connection:
            row: Any = connection.execute(_OF_TOKEN, (holder.token_id,)).fetchone()
            token = read_token(connection, self._audit, row)
            if token.state == "active":
                return self._open(connection, token, "token")
        self._authenticator.forget()  # it was taken back a moment ago: this says so
        self._authenticator.holder_of_token(text, address=address)
        raise TokenInvalid(f"The token '{token.name}' is {token.state}. Ask an admin for another.")

    def end(self, cookie: str) -> None:
        """End a session; one that is over already is no error."""
        digest = digest_of(SESSION, cookie)
        if digest is not None:
            self._prepare()
            with self._database.transaction() as connection:
                connection.execute(_END_SESSION, (digest,))
            self._authenticator.forget()

    def _prepare(self) -> None:
        self._database.migrate("registry", "blocks_registry.migrations")

    def _token_of_code(self, connection: Connection, digest: str) -> Token | None:
        row: Any = connection.execute(_OF_CODE, (digest,)).fetchone()
        if row is None:
            return None
        token, (until, proof) = read_token(connection, self._audit, row[:COLUMN_COUNT]), row[COLUMN_COUNT:]
        of = bearer_proof(LOGIN_CODE, digest, token.id, until)
        return token if self._audit.is_proved(connection, of, proof) else None

    def _open(self, connection: Connection, token: Token, by: str) -> NewSession:
        now, cookie = time(), new_bearer(SESSION)
        until = now + SESSION_SECONDS
        if token.expires_at is not None:
            until = min(until, token.expires_at.timestamp())
        connection.execute(_FORGET_SESSIONS, (now,))
        self._add(connection, _ADD_SESSION, SESSION, cookie, token, until, now)
        with acting_as(token.holder.actor):
            self._audit.record(
                connection, "session.opened", token.name, subject_id=token.id, detail={"by": by}
            )
        return NewSession(cookie, token, datetime.fromtimestamp(until, UTC))

    def _add(
        self,
        connection: Connection,
        statement: str,
        kind: str,
        text: str,
        token: Token,
        until: float,
        *more: float,
    ) -> None:
        digest = digest_of(kind, text)
        assert digest is not None
        proof = self._audit.proof(connection, bearer_proof(kind, digest, token.id, until))
        connection.execute(statement, (digest, token.id, until, *more, proof))
