"""Options of a file system, split into those that are shown and those that are secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

_SECRET_WORDS = re.compile(
    r"pass(wd|word|phrase)?$|pwd$|secret|token|api_?key|access_?key(?!_?id)|account_?key|private_?key|client_?key"
    r"|credential|connection_?string|signature|\bsas\b|sas_|auth",
    re.IGNORECASE,
)
"""Names of options whose values are kept secret: rather one too many than one too few."""


_SECRET_VALUES = re.compile(r"://[^/@\s]*:[^/@\s]+@|-----BEGIN ")
"""An address with a password in it, or a key file."""


def is_secret_name(name: str) -> bool:
    """Tell whether what has this name is to be kept secret.

    >>> is_secret_name("password"), is_secret_name("aws_secret_access_key"), is_secret_name("username")
    (True, True, False)
    """
    return _SECRET_WORDS.search(name) is not None


def shown_options(settings: object) -> dict[str, Any] | None:
    """Return the options that are no secrets."""
    return {name: value for name, value in _members(settings) if not _is_secret(name, value)} or None


def secret_options(settings: object) -> dict[str, Any] | None:
    """Return the options that are secrets."""
    return {name: value for name, value in _members(settings) if _is_secret(name, value)} or None


def why_not_split(settings: object) -> str:
    """Say why options cannot be split: a secret that is no text, or that lies inside another option; or nothing."""
    for name, value in _members(settings):
        if _is_secret(name, value):
            if not isinstance(value, str):
                return f"its option '{name}' looks like a secret and is no text, and secret options are texts"
        elif _holds_secret(value):
            return f"its option '{name}' looks as if it held a secret inside, where it would be shown"
    return ""


def _is_secret(name: str, value: object) -> bool:
    return is_secret_name(name) or (isinstance(value, str) and _SECRET_VALUES.search(value) is not None)


def _members(settings: object) -> list[tuple[str, Any]]:
    return list(cast("Mapping[str, Any]", settings).items()) if isinstance(settings, Mapping) else []


def _holds_secret(value: object) -> bool:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            members = cast("Mapping[str, object]", found)
            if any(_is_secret(name, inner) for name, inner in members.items()):
                return True
            waiting += members.values()
        elif isinstance(found, str) and _SECRET_VALUES.search(found):
            return True
        elif isinstance(found, list):
            waiting += cast("list[object]", found)
    return False
