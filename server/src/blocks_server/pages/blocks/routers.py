"""The routes of all pages of blocks, in the order in which their addresses are looked through."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from blocks_server.pages.blocks import (
    catalog,
    checks,
    creating,
    details,
    editing,
    listed,
    removing,
    upgrades,
    versions,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    listed.router,
    catalog.router,
    creating.router,  # before what has a type for its first word
    details.router,
    editing.router,
    versions.router,
    checks.router,
    removing.router,
    upgrades.router,
)
