"""The key provider that a setting names: `provider` or `provider:argument`, such as `file:/srv/keys.json`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from blocks_core.discovery import read_offers
from blocks_core.errors import KeysInvalid, PluginBroken, did_you_mean
from blocks_core.keyring import KeyProvider
from blocks_core.names import suggest

GROUP: Final = "blocks.key_providers"

_KNOWN: Final = {
    "aws-kms": "blocks-aws",
    "env": "blocks-core",
    "file": "blocks-core",
    "gcp-kms": "blocks-gcp",
    "keyring": "blocks-core",
    "vault-transit": "blocks-vault",
}
"""Providers and the distributions that have them, to say what to install; any other may offer more."""


def open_key_provider(setting: str, home: Path) -> KeyProvider:
    """Return the provider of a setting; nothing is read before its first use.

    Args:    setting: `name` or `name:argument`. home: the folder of the registry.
    Raises:  KeysInvalid: no such provider is installed, or several are. PluginBroken.
    """
    name, _, argument = setting.partition(":")
    offers = [offer for offer in read_offers(GROUP) if offer.name == name]
    if not offers:
        raise KeysInvalid(_not_installed(name))
    if len(offers) > 1:
        claims = " and ".join(offer.origin for offer in offers)
        raise KeysInvalid(f"The key provider '{name}' is claimed by {claims}. Uninstall all but one of them.")
    make = offers[0].load()
    if not callable(make):
        raise PluginBroken(
            f"The key provider '{name}' of {offers[0].origin} names '{offers[0].target}', which cannot be called. "
            f"Upgrade or remove {offers[0].distribution}."
        )
    return cast("Callable[[str, Path], KeyProvider]", make)(argument, home)


def _not_installed(name: str) -> str:
    installed = sorted({offer.name for offer in read_offers(GROUP)})
    meant = did_you_mean(suggest(name, {*installed, *_KNOWN}))
    remedy = f"pip install {_KNOWN[name]}" if name in _KNOWN else "install the plugin that has it"
    return (
        f"No key provider '{name[:100]}' is installed{meant}: there are {', '.join(installed)}. Set BLOCKS_KEYS to "
        f"one of these, or {remedy}."
    )
