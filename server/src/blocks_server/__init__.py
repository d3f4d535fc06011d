"""The registry of blocks over HTTP, and its pages for people: routes over `blocks_registry`, and the forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_server.app import create_app
    from blocks_server.service import Limits, Service

__all__ = ["Limits", "Service", "create_app"]

_MODULES = {"Limits": "service", "Service": "service", "create_app": "app"}

__getattr__, __dir__ = lazy_exports(__name__, _MODULES)
