"""Writes that a client may send again: what was done under a key is found, and not done once more.

A client whose connection was cut cannot know whether its write was done. So each write that a server is sent has a
key that the client drew by lot, and in the transaction of the write itself the key is kept with what was written:
either both are there or neither. The same write sent again finds it, though another server was asked the first time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Final
from uuid import UUID

from blocks_core.document import Document
from blocks_registry.database import Connection

KEPT_SECONDS: Final = 24 * 3600.0
"""How long a key is kept: far longer than a client tries."""

KEPT_COUNT: Final = 1000
"""The newest keys, which are kept however old the clock says they are: it may have leapt ahead."""

_PRUNED_EVERY = 100
"""Writes; so that not each of them looks for keys that are too old."""

_FIND = "SELECT written FROM write_keys WHERE digest = ?"
_KEEP = "INSERT INTO write_keys (digest, written, at) VALUES (?, ?, ?)"
_PRUNE = f"""
DELETE FROM write_keys
WHERE at < ? AND digest NOT IN (SELECT digest FROM write_keys ORDER BY at DESC LIMIT {KEPT_COUNT})
"""


@dataclass(frozen=True)
class Written:
    """A document as a write left it."""

    document_id: UUID
    slug: str
    name: str
    version: int


@dataclass(frozen=True)
class Once:
    """One write that may come more than once."""

    digest: str

    @classmethod
    def of(cls, key: str, token_id: str, what: bytes) -> Once:
        """Return the write of a key that a client gave it.

        Args:    what: all that was asked for. The same key with another token, or with something else to do, is
                 another write, so that none is taken for done which never was.
        """
        # What was asked may hold secrets; their digest tells nothing to who has not the key, which is not kept.
        return cls(sha256(b"\0".join((key.encode(), token_id.encode(), what))).hexdigest())

    def find(self, connection: Connection) -> list[Written | None] | None:
        """Return what was written, None for each document that was removed; None where nothing was done yet."""
        row = connection.execute(_FIND, (self.digest,)).fetchone()
        if row is None:
            return None
        return [None if each is None else Written(UUID(each[0]), *each[1:]) for each in json.loads(row[0])]

    def keep(self, connection: Connection, documents: Sequence[Document | None]) -> None:
        """Keep what was written, inside the transaction that did it."""
        written = [
            None if each is None else (str(each.id), each.slug, each.name, each.version) for each in documents
        ]
        now = time()
        connection.execute(_KEEP, (self.digest, json.dumps(written), now))
        if int(self.digest[:8], 16) % _PRUNED_EVERY == 0:
            connection.execute(_PRUNE, (now - KEPT_SECONDS,))
