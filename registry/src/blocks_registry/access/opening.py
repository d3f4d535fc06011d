"""Opens what knows who may do what, beside the registry of the same settings."""

from __future__ import annotations

from blocks_core.vault import Vault
from blocks_registry.access.attempts import Attempts
from blocks_registry.access.authenticating import Authenticator
from blocks_registry.access.guarded import GuardedRegistry
from blocks_registry.access.holders import Holder
from blocks_registry.access.last_uses import LastUses
from blocks_registry.access.logins import Logins
from blocks_registry.access.reads import SecretReads, in_audit
from blocks_registry.access.revealing import Revealing
from blocks_registry.access.tokens import Tokens
from blocks_registry.audit import Audit
from blocks_registry.database import Database
from blocks_registry.key_status import KeysStatus, read_status
from blocks_registry.keys import KeyLedger
from blocks_registry.opening import open_database, open_keys
from blocks_registry.settings import Settings


class Access:
    """Tokens, sessions and rights of one database: one for each process, safe to share between threads."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._keys = KeyLedger(vault)
        audit = Audit(vault, self._keys)
        attempts = Attempts()
        self._last_uses = LastUses(database.relaxed(wait_seconds=1.0))
        self._reads = SecretReads(in_audit(database, audit))
        self.tokens = Tokens(database, audit)
        self.authenticator = Authenticator(database, audit, self._last_uses, attempts)
        self.logins = Logins(database, audit, self.tokens, self.authenticator, attempts)

    def guard(self, registry: Revealing, holder: Holder) -> GuardedRegistry:
        """Return a registry as the holder of a token sees it."""
        return GuardedRegistry(registry, holder, self._reads)

    def revoke(self, name: str) -> bool:
        """Take a token back, at once in this process; `Tokens.revoke` says more."""
        was_revoked = self.tokens.revoke(name)
        self.authenticator.forget()
        return was_revoked

    def look(self) -> None:
        """See that the database answers, and that all its keys are at hand.

        Raises:  DatabaseUnavailable, DatabaseTooNew; KeyringError.
        """
        self._database.migrate("registry", "blocks_registry.migrations")
        with self._database.reading() as connection:
            self._keys.see_all(connection)

    def key_status(self) -> KeysStatus:
        """Return every key, and what is sealed with it; whoever asks is to have the right to it."""
        self._database.migrate("registry", "blocks_registry.migrations")
        with self._database.snapshot() as connection:
            return read_status(connection, self._vault, self._keys)

    def close(self) -> None:
        """Write what was noted, and close the connections that are not in use."""
        self._last_uses.close()
        self._reads.close()
        self._database.close()


def open_access(settings: Settings | None = None) -> Access:
    """Return who may do what in the registry of the settings; nothing is opened before its first use.

    Raises:  AddressInvalid, KeysInvalid; DatabaseUnavailable: there is no driver for it.
    """
    settings = settings or Settings.from_environment()
    return Access(open_database(settings), Vault(open_keys(settings)))
