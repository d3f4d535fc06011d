"""Blocks that need no vendor: values, file systems, processes.

A block's module is imported when the block is first asked for, so that a secret does not cost a file system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_standard.file_systems import LocalFileSystem, RemoteFileSystem
    from blocks_standard.process import Process
    from blocks_standard.values import JSON, DateTime, Secret, String

__all__ = [
    "DateTime",
    "JSON",
    "LocalFileSystem",
    "Process",
    "RemoteFileSystem",
    "Secret",
    "String",
]

_MODULES = {
    "DateTime": "values",
    "JSON": "values",
    "LocalFileSystem": "file_systems",
    "Process": "process",
    "RemoteFileSystem": "file_systems",
    "Secret": "values",
    "String": "values",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module  # late, with the import that it does: start-up time

    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
