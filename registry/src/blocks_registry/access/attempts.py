"""Wrong tokens and codes, counted by the address that they came from: after some, each next one waits longer.

Nobody guesses 256 random bits; this keeps those who try from keeping the database busy. So it counts in memory:
writing each wrong try would give a stranger a way to do just that. And it counts different ones only: a forgotten
program that shows the same old token for ever must not shut out all who share its address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from threading import Lock
from time import monotonic
from typing import Final

from blocks_registry.errors import TooManyAttempts

FREE: Final = 5
"""Wrong ones that cost no wait."""
MAX_WAIT_SECONDS: Final = 300.0
QUIET_SECONDS: Final = 900.0
"""After so long without another wrong one, an address begins anew."""

_MAX_ADDRESSES = 10_000
_MAX_REMEMBERED = 16
"""Wrong ones of an address that are known again."""


@dataclass(frozen=True)
class _Failed:
    """What was wrong from one address."""

    count: int = 0
    at: float = 0.0
    wrong: tuple[bytes, ...] = ()
    """Digests of the last ones."""


class Attempts:
    """Counts what was wrong.

    Args:    clock: gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._failed: dict[str, _Failed] = {}
        """The address that was quiet longest is first."""

    def was_wrong(self, address: str, text: str) -> bool:
        """Tell whether this came from there before and was wrong, which it will always be."""
        if not self._failed:
            return False
        found = self._failed.get(_network_of(address))
        return found is not None and _digest(text) in found.wrong

    def refuse_too_many(self, address: str) -> None:
        """Refuse an address that has to wait.

        Raises:  TooManyAttempts.
        """
        if not self._failed:
            return
        found = self._failed.get(_network_of(address), _Failed())
        left = found.at + _wait(found.count) - self._clock()
        if found.count >= FREE and left > 0:
            raise TooManyAttempts(left)

    def note(self, address: str, text: str) -> None:
        """Note that something wrong came from an address."""
        network, now = _network_of(address), self._clock()
        with self._lock:
            before = self._failed.pop(network, _Failed())
            if now - before.at > QUIET_SECONDS:
                before = _Failed()
            wrong = (*before.wrong, _digest(text))[-_MAX_REMEMBERED:]
            self._failed[network] = _Failed(before.count + 1, now, wrong)
            while len(self._failed) > _MAX_ADDRESSES:
                del self._failed[next(iter(self._failed))]


def _wait(count: int) -> float:
    """Return the seconds that an address waits after so many wrong ones: 1, 2, 4, … from the fifth on."""
    return min(2.0 ** min(count - FREE, 30), MAX_WAIT_SECONDS)


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogatepass")).digest()


def _network_of(address: str) -> str:
    """Return what is counted as one: an address, of IPv6 the /64 that one customer has."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or found.exploded[:19])
    return str(found)
