"""When each token was used for the last time: noted in memory, written in batches, never waited for."""

from __future__ import annotations

from threading import Lock
from time import time
from typing import Final

from blocks_registry.access.batches import Batches
from blocks_registry.database import Database
from blocks_registry.errors import RegistryError

PAUSE_SECONDS: Final = 5.0
"""Between two times of writing; a process that is killed loses what it noted since."""

_PUT = """
UPDATE tokens SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)
"""


class LastUses:
    """Takes notes of the tokens that were shown."""

    def __init__(self, database: Database, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._database = database
        self._noted: dict[str, float] = {}
        self._lock = Lock()
        self._writing = Lock()
        self._batches = Batches(self.flush, pause_seconds=pause_seconds, name="blocks last uses")

    def note(self, token_id: str) -> None:
        """Note that a token was shown now."""
        with self._lock:
            self._noted[token_id] = time()
        self._batches.ask()

    def flush(self) -> None:
        """Write what was noted; what cannot be written is kept for the next time."""
        with self._writing:
            with self._lock:
                taken, self._noted = self._noted, {}
            if not taken:
                return
            try:
                with self._database.transaction() as connection:
                    connection.executemany(_PUT, [(at, token_id, at) for token_id, at in taken.items()])
            except RegistryError:  # locked or read-only: no load fails by it
                with self._lock:
                    self._noted = {**taken, **self._noted}

    def close(self) -> None:
        """Write what was noted, and end the thread."""
        self._batches.close()
        self._database.close()
