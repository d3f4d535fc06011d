"""Ids of runs: UUIDs that sort by the time they were made.

Source: RFC 9562 section 5.7 (UUID version 7) and 6.2 method 3 (the fraction of the millisecond).
"""

from __future__ import annotations

import os
from time import time_ns


def new_id() -> str:
    """Return a fresh UUID, version 7."""
    milliseconds, rest = divmod(time_ns(), 1_000_000)
    chance = int.from_bytes(os.urandom(8)) >> 2
    number = milliseconds << 80 | 0x7 << 76 | (rest * 4096 // 1_000_000) << 64 | 0b10 << 62 | chance
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
