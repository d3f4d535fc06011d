"""The manifest of a plugin: `blocks.json` in its package, from which types are listed and validated unimported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blocks_core.discovery import Offer
from blocks_core.errors import PluginBroken
from blocks_core.schema import BlockType

FILE_NAME = "blocks.json"
_FORMAT = 1


def manifest_text(block_types: Iterable[BlockType]) -> str:
    """Return the text of a manifest; the distribution and its version are left to the installation."""
    types = [replace(found, distribution="", distribution_version="").to_json() for found in block_types]
    ordered = sorted(types, key=lambda found: str(found["slug"]))
    return json.dumps({"format": _FORMAT, "types": ordered}, indent=1, ensure_ascii=False) + "\n"


def manifest_file(package: str) -> Path | None:
    """Return where a package's manifest is or would be, without importing the package."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    folders = (spec.submodule_search_locations or []) if spec else []
    return Path(next(iter(folders))) / FILE_NAME if folders else None


def read_manifest(offer: Offer) -> BlockType | None:
    """Return what a plugin's manifest says of the type it offers, or None where it ships no manifest.

    Raises:  PluginBroken: the manifest cannot be read.
    """
    file = manifest_file(offer.package)
    if file is None or not file.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        entries: list[dict[str, Any]] = content["types"]
        found = next((entry for entry in entries if entry["slug"] == offer.name), None)
        block_type = BlockType.from_json(found) if found else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PluginBroken(
            f"The manifest of {offer.origin} cannot be read ({type(error).__name__}: {error}). Reinstall "
            f'{offer.distribution}; its author renews the manifest with "block plugin manifest {offer.package}".'
        ) from error
    if block_type is None:
        return None
    return replace(
        block_type, distribution=offer.distribution, distribution_version=offer.distribution_version
    )
