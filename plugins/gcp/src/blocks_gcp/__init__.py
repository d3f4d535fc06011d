"""Blocks for Google Cloud. Vendor packages are imported when a block is used."""

from blocks_gcp.credentials import GcpCredentials
from blocks_gcp.secret_manager import GcpSecret

__all__ = ["GcpCredentials", "GcpSecret"]
