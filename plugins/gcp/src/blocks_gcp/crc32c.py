"""The checksum that Google's services use: CRC-32C of a few bytes.

Source:  RFC 3720, appendix B.4 (the polynomial, and values to compare with).
"""

from __future__ import annotations

from functools import cache

_POLYNOMIAL = 0x82F63B78  # of Castagnoli, its bits reversed


def crc32c(data: bytes) -> int:
    """Return the checksum.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table = _table()
    found = 0xFFFFFFFF
    for byte in data:
        found = table[(found ^ byte) & 0xFF] ^ (found >> 8)
    return found ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    return tuple(_remainder(byte) for byte in range(256))


def _remainder(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value
