"""From what is shown to who shows it: a token, or the cookie of a session, to its holder.

What was found is kept for a moment, by its digest. So nearly every request is answered without the database, and a
token that another process took back is good for that moment longer, no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Any, Final, NoReturn

from blocks_core.mask import SECRETS_IN_USE
from blocks_registry.access.attempts import Attempts
from blocks_registry.access.bearers import SESSION, TOKEN, digest_of
from blocks_registry.access.holders import Holder
from blocks_registry.access.last_uses import LastUses
from blocks_registry.access.token_rows import COLUMN_COUNT, COLUMNS, bearer_proof, read_token
from blocks_registry.audit import Audit
from blocks_registry.database import Database
from blocks_registry.errors import TokenExpired, TokenInvalid, TokenRevoked

FRESH_SECONDS: Final = 2.0
"""How long an answer of the database is taken without asking again: what another process took back ends within it."""

_MAX_KEPT = 10_000

_BY_TOKEN = f"SELECT {COLUMNS} FROM tokens AS t WHERE t.digest = ?"
_BY_SESSION = f"""
SELECT {COLUMNS}, s.expires_at, s.proof FROM sessions AS s JOIN tokens AS t ON t.id = s.token_id WHERE s.digest = ?
"""


@dataclass(frozen=True)
class _Kept:
    """Who holds a bearer, and until when that can be said without the database."""

    holder: Holder
    fresh_until: float
    """By a clock that only grows."""
    expires_at: float
    """In seconds since 1970."""


class Authenticator:
    """Finds the holders of tokens and sessions. Safe to share between threads.

    Args:    clock: gives seconds that only grow.
    """

    def __init__(
        self,
        database: Database,
        audit: Audit,
        last_uses: LastUses,
        attempts: Attempts,
        *,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._database = database
        self._audit = audit
        self._last_uses = last_uses
        self._attempts = attempts
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def holder_of_token(self, text: str, *, address: str = "") -> Holder:
        """Return who holds a token.

        Args:    address: where it came from, whose wrong ones are counted.
        Raises:  TokenInvalid, TokenExpired, TokenRevoked, TooManyAttempts; DatabaseUnavailable.
        """
        return self._holder(TOKEN, _BY_TOKEN, text, address)

    def holder_of_session(self, cookie: str, *, address: str = "") -> Holder:
        """Return who opened a session.

        Args:    address: where it came from, whose wrong ones are counted.
        Raises:  TokenInvalid: there is no such session (any more). TokenExpired, TokenRevoked, TooManyAttempts.
        """
        return self._holder(SESSION, _BY_SESSION, cookie, address)

    def is_known(self, token: str) -> bool:
        """Tell whether `holder_of_token` would answer without the database, as it asked a moment ago."""
        digest = digest_of(TOKEN, token)
        kept = self._kept.get(digest) if digest is not None else None
        return kept is not None and self._clock() < kept.fresh_until

    def forget(self) -> None:
        """Ask the database again at the next time, as something was taken back."""
        self._kept.clear()

    def _holder(self, kind: str, statement: str, text: str, address: str) -> Holder:
        digest = digest_of(kind, text)
        kept = self._kept.get(digest) if digest is not None else None
        if kept is None or self._clock() >= kept.fresh_until:
            if kept is None:  # what was good a moment ago does not wait for others behind its address
                if self._attempts.was_wrong(address, text):
                    _refuse(kind)
                self._attempts.refuse_too_many(address)
            kept = self._ask(kind, statement, digest)
            if kept is None or digest is None:
                self._attempts.note(address, text)
                _refuse(kind)
            self._keep(digest, kept)
            if kind == TOKEN:
                SECRETS_IN_USE.add([text])  # from now on no log of this process shows it
        if time() >= kept.expires_at:
            _refuse_expired(kind, kept.holder.name)
        self._last_uses.note(kept.holder.token_id)
        return kept.holder

    def _ask(self, kind: str, statement: str, digest: str | None) -> _Kept | None:
        """Ask the database; None: that was never given out, or is a session that is over."""
        if digest is None:
            return None
        now = self._clock()
        self._database.migrate("registry", "blocks_registry.migrations")
        with self._database.reading() as connection:
            row: Any = connection.execute(statement, (digest,)).fetchone()
            if row is None:
                self._kept.pop(digest, None)
                return None
            token = read_token(connection, self._audit, row[:COLUMN_COUNT])
            until, *proof = row[COLUMN_COUNT:] or (None,)
            of = bearer_proof(kind, digest, token.id, until or 0.0)
            if proof and not self._audit.is_proved(connection, of, proof[0]):
                token = replace(token, is_proved=False)
        if token.revoked_at is not None:
            self._kept.pop(digest, None)
            raise TokenRevoked(
                f"The token '{token.name}' was taken back on {token.revoked_at.date()}. Ask an admin for another: "
                f"block token create NAME --role {token.role}"
            )
        ends = [end for end in (until, token.expires_at and token.expires_at.timestamp()) if end is not None]
        return _Kept(token.holder, now + self._fresh_seconds, min(ends, default=float("inf")))

    def _keep(self, digest: str, kept: _Kept) -> None:
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[digest] = kept


def _refuse(kind: str) -> NoReturn:
    """Refuse what is wrong, in the same words whatever is wrong with it."""
    if kind == SESSION:
        raise TokenInvalid("There is no such session, or it is over. Log in again.")
    raise TokenInvalid(
        "There is no such token. See that the whole of it is in BLOCKS_TOKEN or its file, or ask an admin for one: "
        "block token create NAME --role ROLE"
    )


def _refuse_expired(kind: str, name: str) -> NoReturn:
    if kind == SESSION:
        raise TokenExpired("The session is over. Log in again.")
    raise TokenExpired(
        f"The token '{name}' has expired. Ask an admin for another, which may have its name once it was taken back: "
        f"block token revoke {name}"
    )
