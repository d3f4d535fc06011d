"""Opens databases, registries and libraries as the settings say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from blocks_core.library import Library
from blocks_registry.database import DOCUMENTS, WAIT_SECONDS, Database
from blocks_registry.errors import DatabaseUnavailable
from blocks_registry.settings import Settings

if TYPE_CHECKING:
    from blocks_core.keyring import KeyProvider
    from blocks_registry.local import LocalRegistry
    from blocks_registry.remote import RemoteRegistry
    from blocks_registry.rotation import Rotation


def open_database(
    settings: Settings | None = None,
    *,
    purpose: str = DOCUMENTS,
    durable: bool = True,
    wait_seconds: float = WAIT_SECONDS,
) -> Database:
    """Return the database of the settings; it is opened at first use.

    Args:    purpose: what is written; on a server, writers of different purposes do not wait for each other.
             durable: wait for the disk at each commit. wait_seconds: how long to wait for another process's lock.
    Raises:  AddressInvalid; DatabaseUnavailable: there is no driver for it.
    """
    settings = settings or Settings.from_environment()
    if settings.is_postgresql:
        try:  # late: the driver takes a fifth of a second to import, and not everybody has it
            from blocks_registry.postgres_database import PostgresDatabase
        except ImportError as error:
            raise DatabaseUnavailable(
                f"BLOCKS_URL names a PostgreSQL database, and its driver cannot be imported ({error}). Install it: "
                f"pip install 'blocks-registry[postgresql]'"
            ) from error
        return PostgresDatabase(settings.url, purpose=purpose, durable=durable, wait_seconds=wait_seconds)
    from blocks_registry.sqlite_database import SqliteDatabase  # late: a client of a server needs no database

    return SqliteDatabase(settings.database_file, durable=durable, wait_seconds=wait_seconds)


def open_registry(settings: Settings | None = None) -> LocalRegistry | RemoteRegistry:
    """Return the registry of the settings; nothing is opened before its first use.

    Raises:  AddressInvalid.
    """
    settings = settings or Settings.from_environment()
    return open_remote_registry(settings) if settings.is_server else open_local_registry(settings)


def open_local_registry(settings: Settings | None = None) -> LocalRegistry:
    """Return the registry of the settings' database, with its keys in this process.

    Raises:  AddressInvalid: the URL names a server.
    """
    from blocks_core.vault import Vault  # late, like the next: a client of a server seals nothing
    from blocks_registry.local import LocalRegistry

    settings = settings or Settings.from_environment()
    return LocalRegistry(open_database(settings), Vault(open_keys(settings)))


def open_remote_registry(settings: Settings) -> RemoteRegistry:
    """Return the registry of the settings' server; the token is looked for at the first use.

    Raises:  AddressInvalid.
    """
    from blocks_registry.remote import RemoteRegistry  # late: start-up time, and most programs have no server
    from blocks_registry.remote_token import find_token
    from blocks_registry.remote_transport import Transport

    find = partial(find_token, settings.home)
    return RemoteRegistry(Transport(settings.url, find, wait_seconds=settings.server_wait_seconds))


def open_keys(settings: Settings | None = None) -> KeyProvider:
    """Return the key provider of the settings; nothing is read before its first use.

    Raises:  KeysInvalid: no such provider is installed.
    """
    from blocks_core.key_providers import open_key_provider  # late: a client of a server has no keys

    settings = settings or Settings.from_environment()
    return open_key_provider(settings.keys, settings.home)


def open_rotation(settings: Settings | None = None, changes: KeyProvider | None = None) -> Rotation:
    """Return what changes the keys of the settings' registry.

    Args:    changes: see `Rotation`.
    Raises:  AddressInvalid, KeysInvalid.
    """
    from blocks_registry.rotation import Rotation  # late: start-up time, and few programs change keys

    settings = settings or Settings.from_environment()
    return Rotation(open_database(settings), open_keys(settings), changes)


def open_library(settings: Settings | None = None) -> Library:
    """Return the library of the settings: what `Block.load` uses where no other was given.

    Raises:  AddressInvalid.
    """
    return Library(open_registry(settings))
