"""Blocks that need no vendor: values, file systems, processes.

A block's module is imported when the block is first asked for, so that a secret does not cost a file system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_core.lazy_exports import lazy_exports

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

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DateTime": "values",
        "JSON": "values",
        "LocalFileSystem": "file_systems",
        "Process": "process",
        "RemoteFileSystem": "file_systems",
        "Secret": "values",
        "String": "values",
    },
)
