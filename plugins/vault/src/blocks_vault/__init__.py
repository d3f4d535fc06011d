"""Blocks for HashiCorp Vault and OpenBao. Vendor packages are imported when a block is used."""

from blocks_vault.key_value import VaultSecret

__all__ = ["VaultSecret"]
