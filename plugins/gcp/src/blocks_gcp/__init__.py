"""Blocks for Google Cloud. Vendor packages are imported when a block is used.

A block's module is imported when the block is first asked for, so that credentials do not cost a storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_gcp.cloud_storage import GCS, GcsBucket
    from blocks_gcp.credentials import GcpCredentials
    from blocks_gcp.secret_manager import GcpSecret

__all__ = ["GCS", "GcpCredentials", "GcpSecret", "GcsBucket"]

_MODULES = {
    "GCS": "cloud_storage",
    "GcpCredentials": "credentials",
    "GcpSecret": "secret_manager",
    "GcsBucket": "cloud_storage",
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
