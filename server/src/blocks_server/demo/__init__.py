"""A filled registry to look at: blocks of whatever plugins are installed, in a folder that is gone afterwards."""

from __future__ import annotations

from blocks_server.demo.filling import DEMO_ROLES
from blocks_server.demo.opening import demo_registry

__all__ = ["DEMO_ROLES", "demo_registry"]
