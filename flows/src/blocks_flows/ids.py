"""Ids of runs: UUIDs that sort by the time they were made.

Source: RFC 9562 section 5.7 (UUID version 7) and 6.2 method 3 (the fraction of the millisecond).
"""

from __future__ import annotations

import os
from random import Random
from time import time_ns
from typing import Final

_CHANCE = Random()  # noqa: S311 - an id is no secret, and to ask the system for each gives up the GIL each time
os.register_at_fork(after_in_child=_CHANCE.seed)
_VARIANT: Final = 0b10 << 62


def new_id() -> str:
    """Return a fresh UUID, version 7."""
    milliseconds, rest = divmod(time_ns(), 1_000_000)
    head = milliseconds << 16 | 0x7000 | rest * 4096 // 1_000_000
    text = f"{head:016x}{_VARIANT | _CHANCE.getrandbits(62):x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
