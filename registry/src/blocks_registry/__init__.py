"""The registry of blocks: kept on SQLite with secrets sealed, and worked with by the `block` command."""

from blocks_registry.errors import RegistryError
from blocks_registry.local import LocalRegistry
from blocks_registry.opening import open_library, open_registry
from blocks_registry.settings import Settings

__all__ = ["LocalRegistry", "RegistryError", "Settings", "open_library", "open_registry"]
