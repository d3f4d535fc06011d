"""Opens databases, registries and libraries as the settings say."""

from __future__ import annotations

from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.vault import Vault
from blocks_registry.database import WAIT_SECONDS, Database
from blocks_registry.local import LocalRegistry
from blocks_registry.settings import Settings


def open_database(
    settings: Settings | None = None, *, durable: bool = True, wait_seconds: float = WAIT_SECONDS
) -> Database:
    """Return the embedded database of the settings; it is opened at first use.

    Args:    durable: see `Database`. wait_seconds: how long to wait for another process's lock.
    Raises:  AddressInvalid.
    """
    settings = settings or Settings.from_environment()
    return Database(settings.database_file, durable=durable, wait_seconds=wait_seconds)


def open_registry(settings: Settings | None = None) -> LocalRegistry:
    """Return the registry of the settings; nothing is opened before its first use.

    Raises:  AddressInvalid.
    """
    settings = settings or Settings.from_environment()
    return LocalRegistry(open_database(settings), Vault(FileKeyProvider(settings.key_file)))


def open_library(settings: Settings | None = None) -> Library:
    """Return the library of the settings: what `Block.load` uses where no other was given.

    Raises:  AddressInvalid.
    """
    return Library(open_registry(settings))
