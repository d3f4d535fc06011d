"""Puts the demo's contents into a registry, as people and runs would have done."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from blocks_core.block import Block
from blocks_core.current import Actor, acting_as
from blocks_core.document import Draft, Encoded
from blocks_core.errors import BlockTypeNotFound, PluginBroken
from blocks_core.library import Library
from blocks_core.names import split_address
from blocks_core.schema import describe
from blocks_core.structure import structure_hash
from blocks_registry.access import Reach, Role, make_first_token, open_access
from blocks_registry.opening import open_library, open_rotation
from blocks_registry.registering import register_all
from blocks_registry.settings import Settings
from blocks_server.demo.contents import DEMO_RUNS, DemoBlock, demo_blocks
from blocks_server.demo.report_type import EARLIER_SCHEMA, SalesReport

_EARLIER: Final = {"title": "Sales of the quarter", "recipient": "ceo@example.com"}
_TOKENS: Final[tuple[tuple[str, Role, tuple[str, ...]], ...]] = (
    ("maria", Role.EDITOR, ("*",)),
    ("dashboards", Role.VIEWER, ("*",)),
    ("nightly-runs", Role.RUNNER, ("*",)),
    ("marketing", Role.EDITOR, ("gcs/*", "string/*")),
    ("old-laptop", Role.VIEWER, ("*",)),
)
DEMO_ROLES: Final[Mapping[str, Role]] = {
    "admin": Role.ADMIN,
    "maria": Role.EDITOR,
    "dashboards": Role.VIEWER,
}
"""Tokens to look at the pages with: name -> role."""
_REVOKED: Final = "old-laptop"


def fill(settings: Settings) -> None:
    """Fill an empty registry; what no installed plugin provides is left out.

    Raises:  DatabaseUnavailable; TokenRefused.
    """
    with closing(open_library(settings)) as library:
        register_all(library)
        _save_earlier_report(library)
        planned = demo_blocks(str(settings.home / "files"))
        half = len(planned) // 2
        saved = _save_all(library, planned[:half], {})
        _begin_rotation(settings)
        saved = _save_all(library, planned[half:], saved)
        _run_flows(library, saved)
    _make_tokens(settings)


def _save_earlier_report(library: Library) -> None:
    """Save a block as the version before the installed one did."""
    installed = describe(SalesReport)
    known = structure_hash(EARLIER_SCHEMA)
    library.registry.register(
        replace(installed, version=1, schema=EARLIER_SCHEMA, structure_hash=known, upgrades=())
    )
    with acting_as(Actor("process", "python", user="maria@laptop")):
        library.registry.save(Draft("sales-report", "quarterly", 1, known, Encoded({**_EARLIER})))
    library.register(SalesReport)


def _save_all(
    library: Library, planned: tuple[DemoBlock, ...], saved: Mapping[str, Block]
) -> Mapping[str, Block]:
    """Save what can be saved, and return it with what was saved before, by address."""
    found = dict(saved)
    for each in planned:
        held = {field: found[address] for field, address in each.holds.items() if address in found}
        if len(held) < len(each.holds):
            continue
        with acting_as(Actor("process", "python", user=each.by)):
            block = _save(library, each, held)
        if block is not None:
            found[each.address] = block
    return found


def _save(library: Library, planned: DemoBlock, held: Mapping[str, Block]) -> Block | None:
    """Save all versions of a block, and return it as it is loaded, or None where its type is not installed."""
    slug, name = split_address(planned.address)
    try:
        block_type = library.type(slug)
        fields: dict[str, Any] = dict(held)
        for change in (planned.fields, *planned.changes):
            fields |= change
            draft = library.draft(block_type(**fields), name)
            library.registry.save(replace(draft, labels=planned.labels), overwrite=True)
        return library.load(Block, planned.address, resolve=False)
    except (BlockTypeNotFound, PluginBroken):
        return None


def _begin_rotation(settings: Settings) -> None:
    """Let a new key seal what comes, so that something is left to rewrap."""
    with closing(open_rotation(settings)) as rotation:
        rotation.promote(rotation.add().key_id)


def _run_flows(library: Library, saved: Mapping[str, Block]) -> None:
    for run in DEMO_RUNS:
        for _ in range(run.times):
            with acting_as(Actor("flow run", run.flow, str(uuid4()), run.user)):
                for address in run.blocks:
                    if address in saved:
                        library.load(Block, address, resolve=False)


def _make_tokens(settings: Settings) -> None:
    with closing(open_access(settings)) as access:
        make_first_token(access.tokens, settings.home)
        for name, role, patterns in _TOKENS:
            access.tokens.create(name, role, reach=Reach.of(patterns))
        access.revoke(_REVOKED)
