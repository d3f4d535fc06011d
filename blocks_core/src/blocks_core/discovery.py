"""What the installed distributions offer: the entry points of the `blocks.*` groups.

| group | an entry's name | what it names |
|---|---|---|
| `blocks.types` | a slug | a `Block` subclass |
| `blocks.key_providers` | a word for settings | a class that loads a keyring |
| `blocks.libraries` | `default` | a function that opens the library of this process |
| `blocks.commands` | a word of the command line | a group of commands |
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from blocks_core.errors import PluginBroken

GROUPS = ("blocks.types", "blocks.key_providers", "blocks.libraries", "blocks.commands")


@dataclass(frozen=True)
class Offer:
    """One entry point: a named object of an installed distribution, not imported yet."""

    group: str
    name: str
    target: str
    """`module:object`, as the distribution wrote it."""
    distribution: str
    distribution_version: str

    @property
    def module(self) -> str:
        """Return the module that holds the object."""
        return self.target.partition(":")[0].strip()

    @property
    def package(self) -> str:
        """Return the top-level package of the module."""
        return self.module.partition(".")[0]

    @property
    def origin(self) -> str:
        """Return the distribution and its version, as people write it."""
        return f"{self.distribution} {self.distribution_version}"

    def load(self) -> object:
        """Import the module and return the object.

        Raises:  PluginBroken: the import failed, whatever the reason; the message has it.
        """
        module, _, attributes = self.target.partition(":")
        try:
            found: object = import_module(module.strip())
            for attribute in attributes.strip().split("."):
                found = getattr(found, attribute)
        except (Exception, SystemExit) as error:
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and missing.partition(".")[0] != self.package:
                raise PluginBroken(
                    f"'{self.name}' of {self.origin} needs the package '{missing}', which is not installed: "
                    f"pip install {missing}, or reinstall {self.distribution} with its dependencies."
                ) from error
            raise PluginBroken(
                f"'{self.name}' of {self.origin} cannot be imported from '{self.target}' "
                f"({type(error).__name__}: {error}). Upgrade or remove {self.distribution}."
            ) from error
        return found


def read_offers(group: str) -> tuple[Offer, ...]:
    """Return a group's entry points, sorted by name; nothing is imported.

    The installed distributions are read once for each `sys.path`.
    """
    return _scan(tuple(sys.path)).get(group, ())


@lru_cache(maxsize=4)
def _scan(path: tuple[str, ...]) -> dict[str, tuple[Offer, ...]]:
    import configparser  # late, like the next: nothing is scanned until a plugin is asked for

    import entrypoints

    found: dict[str, list[Offer]] = {group: [] for group in GROUPS}
    try:
        for config, distribution in entrypoints.iter_files_distros(list(path)):
            for group in GROUPS:
                if config.has_section(group):
                    for name, target in config.items(group, raw=True):
                        offer = Offer(group, name, target, *_origin_of(distribution))
                        found[group].append(offer)
    except configparser.Error:  # one malformed file ends that library's whole scan
        return _scan_leniently(path)
    return {group: _sorted(offers) for group, offers in found.items()}


def _scan_leniently(path: tuple[str, ...]) -> dict[str, tuple[Offer, ...]]:
    """Read what can be read, where some distribution's file is malformed."""
    from importlib.metadata import distributions

    found: dict[str, list[Offer]] = {group: [] for group in GROUPS}
    for distribution in distributions(path=list(path)):
        try:
            points = list(distribution.entry_points)
        except (ValueError, TypeError):  # that file, and only that, is passed over
            continue
        for point in points:
            if point.group in found:
                offer = Offer(point.group, point.name, point.value, distribution.name, distribution.version)
                found[point.group].append(offer)
    return {group: _sorted(offers) for group, offers in found.items()}


def _sorted(offers: list[Offer]) -> tuple[Offer, ...]:
    return tuple(sorted(set(offers), key=lambda offer: (offer.name, offer.distribution)))


def _origin_of(distribution: Any) -> tuple[str, str]:
    """Return name and version; the name as people install it, as its folder writes `_` for `-`."""
    return str(distribution.name).replace("_", "-"), str(distribution.version or "")
