"""Every error that this plugin raises beside those of the core.

StorageFailed
└── RateLimited    GitHub asks to wait
"""

from __future__ import annotations

from datetime import datetime

from blocks_core.errors import StorageFailed


class RateLimited(StorageFailed):
    """GitHub takes no more requests for a while."""

    def __init__(self, message: str, until: datetime) -> None:
        self.until = until
        """When to ask again."""
        super().__init__(message)

    def __reduce__(self) -> tuple[type[RateLimited], tuple[str, datetime]]:
        return RateLimited, (str(self), self.until)
