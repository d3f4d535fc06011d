"""Blocks for Microsoft Azure. Vendor packages are imported when a block is used."""

from blocks_azure.credentials import AzureCredentials
from blocks_azure.storage import Azure

__all__ = ["Azure", "AzureCredentials"]
