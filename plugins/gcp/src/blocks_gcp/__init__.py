"""Blocks for Google Cloud. Vendor packages are imported when a block is used.

A block's module is imported when the block is first asked for, so that credentials do not cost a storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_gcp.cloud_storage import GCS, GcsBucket
    from blocks_gcp.credentials import GcpCredentials
    from blocks_gcp.secret_manager import GcpSecret

__all__ = ["GCS", "GcpCredentials", "GcpSecret", "GcsBucket"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "GCS": "cloud_storage",
        "GcpCredentials": "credentials",
        "GcpSecret": "secret_manager",
        "GcsBucket": "cloud_storage",
    },
)
