"""The version of a flow that names none: a hash of the file that declares it."""

from __future__ import annotations

import sys
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

_LENGTH: Final = 12


def version_of(flow: Any) -> str | None:
    """Return the version of a flow's file as it was when this was first asked; None: it is in no file."""
    file = getattr(sys.modules.get(flow.__module__), "__file__", None)
    return None if file is None else _version_of_file(file)


@lru_cache
def _version_of_file(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()[:_LENGTH]
    except OSError:  # in an archive, or removed since
        return None
