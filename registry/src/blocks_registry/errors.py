"""Every error that the registry's distribution raises.

BlocksError
└── RegistryError
    ├── AddressInvalid         the registry's URL is none that this version can open
    ├── DatabaseUnavailable    the database cannot be opened or written
    │   ├── DatabaseLocked     another process holds it for too long
    │   └── DatabaseCorrupt    the file is no database, or a damaged one
    ├── DatabaseTooNew         a newer version of Blocks has changed its tables
    └── ModuleInvalid          what was given to `block register` defines no block types
"""

from __future__ import annotations

from blocks_core.errors import BlocksError


class RegistryError(BlocksError):
    """The registry could not do what was asked."""


class AddressInvalid(RegistryError, ValueError):
    """The registry's URL is none that this version can open."""


class DatabaseUnavailable(RegistryError):
    """The database cannot be opened or written."""


class DatabaseLocked(DatabaseUnavailable):
    """Another process holds the database for too long."""


class DatabaseCorrupt(DatabaseUnavailable):
    """The file is no database, or a damaged one."""


class DatabaseTooNew(RegistryError):
    """A newer version of Blocks has changed the database's tables."""


class ModuleInvalid(RegistryError):
    """What was given to `block register` cannot be imported, or defines no block types."""
