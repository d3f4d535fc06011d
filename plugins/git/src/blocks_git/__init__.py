"""Blocks for files in Git: any remote, and GitHub.

A block's module is imported when the block is first asked for, so that one does not cost the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_git.errors import RateLimited
    from blocks_git.github import GitHub
    from blocks_git.repository import Git

__all__ = ["Git", "GitHub", "RateLimited"]

__getattr__, __dir__ = lazy_exports(
    __name__, {"Git": "repository", "GitHub": "github", "RateLimited": "errors"}
)
