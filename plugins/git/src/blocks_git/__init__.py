"""Blocks for files in Git: any remote, and GitHub.

A block's module is imported when the block is first asked for, so that one does not cost the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_git.errors import RateLimited
    from blocks_git.github import GitHub
    from blocks_git.repository import Git

__all__ = ["Git", "GitHub", "RateLimited"]

_MODULES = {"Git": "repository", "GitHub": "github", "RateLimited": "errors"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module  # late, with the import that it does: start-up time

    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
