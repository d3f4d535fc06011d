"""The registry of blocks: kept on SQLite with secrets sealed, and worked with by the `block` command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_registry.errors import RegistryError
    from blocks_registry.local import LocalRegistry
    from blocks_registry.opening import open_library, open_local_registry, open_registry
    from blocks_registry.remote import RemoteRegistry
    from blocks_registry.settings import Settings

__all__ = [
    "LocalRegistry",
    "RegistryError",
    "RemoteRegistry",
    "Settings",
    "open_library",
    "open_local_registry",
    "open_registry",
]

_MODULES = {
    "LocalRegistry": "local",
    "RegistryError": "errors",
    "RemoteRegistry": "remote",
    "Settings": "settings",
    "open_library": "opening",
    "open_local_registry": "opening",
    "open_registry": "opening",
}

__getattr__, __dir__ = lazy_exports(__name__, _MODULES)
