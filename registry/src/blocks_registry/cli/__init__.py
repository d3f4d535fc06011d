"""The command `block`."""

from blocks_registry.cli.root import main

__all__ = ["main"]
