"""What a server serves: one opened registry and who may use it. It keeps nothing else, so any number may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blocks_registry import LocalRegistry, Settings, open_local_registry
from blocks_registry.access import Access, open_access


@dataclass(frozen=True)
class Limits:
    """What one request may take."""

    max_body_bytes: int = 32 * 1024 * 1024
    body_seconds: float = 30.0
    """Until the whole of a body has arrived."""
    check_seconds: float = 60.0
    """That a block's check may take."""
    checks_at_once: int = 4
    """0 where no check is run at all."""


@dataclass(frozen=True)
class Service:
    """A registry with the keys in this process, and what knows who may do what in it."""

    registry: LocalRegistry
    access: Access
    limits: Limits = field(default_factory=Limits)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """That every answer has beside those of the server."""

    @classmethod
    def open(cls, settings: Settings | None = None, limits: Limits | None = None) -> Service:
        """Return the service of the settings' database; nothing is opened before its first use.

        Raises:  AddressInvalid: the URL names a server. KeysInvalid, DatabaseUnavailable.
        """
        settings = settings or Settings.from_environment()
        return cls(open_local_registry(settings), open_access(settings), limits or Limits())

    def look(self) -> None:
        """See that the database answers and that its keys are at hand, so that requests can be served.

        Raises:  DatabaseUnavailable, DatabaseTooNew; KeyringError.
        """
        self.access.look()

    def close(self) -> None:
        """Write what was noted, and close the connections."""
        self.access.close()
        self.registry.close()
