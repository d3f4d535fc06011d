"""Which addresses of the internet a name leads to, and whether they are public.

Source:  https://docs.python.org/3/library/ipaddress.html, RFC 6890 (special-purpose addresses),
         RFC 6052 section 2.1 (addresses that a gateway translates to IPv4).
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_TRANSLATED = IPv6Network("64:ff9b::/96")


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order to try them.

    Raises:  OSError: the name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public internet: not private, loopback, link-local or reserved.

    >>> is_public("10.0.0.1"), is_public("::ffff:127.0.0.1"), is_public("93.184.215.14")
    (False, False, True)
    """
    found = ip_address(address.partition("%")[0])
    inner = _ipv4_in(found) if isinstance(found, IPv6Address) else None
    meant = inner or found
    return meant.is_global and not meant.is_multicast


def _ipv4_in(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
