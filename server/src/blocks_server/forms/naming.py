"""Names of a form's inputs: paths such as `credentials.key_id` and `hosts[0].port`.

The number of a row is its place in the value that the form began with, and rows that were added go on from there. It
stays with a row when others are removed or moved, so whatever it holds (a secret that is kept, most of all) never
becomes that of another. What a control says beside its value has a name after a `~`, which is encoded elsewhere.
"""

from __future__ import annotations

import re
from typing import Final

_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
_IN_IDS: Final = str.maketrans({".": "--", "-": "-0", "[": "-1", "]": "-2", "%": "-3", "~": "-4"})


def member_name(name: str, member: str) -> str:
    """Return the name of a member's input.

    >>> member_name("credentials", "key_id"), member_name("", "a.b"), member_name("", "")
    ('credentials.key_id', 'a%2Eb', '%')
    """
    step = _ODD.sub(_encoded, member) or "%"
    return f"{name}.{step}" if name else step


def row_name(name: str, number: int) -> str:
    """Return the name of a row's input.

    >>> row_name("hosts", 0)
    'hosts[0]'
    """
    return f"{name}[{number}]"


def row_number(name: str) -> int:
    """Return the number of a row, by the name of its input."""
    return int(name.rpartition("[")[2].removesuffix("]"))


def part_name(name: str, part: str) -> str:
    """Return the name of what a control says beside its value.

    >>> part_name("hosts[0].token", "text")
    'hosts[0].token~text'
    """
    return f"{name}~{part}"


def id_of(name: str) -> str:
    """Return the id of an input. htmx makes selectors of ids, so none has a character that means something there.

    >>> id_of("hosts[0].key_id"), id_of("a-b")
    ('field-hosts-10-2--key_id', 'field-a-0b')
    """
    return f"field-{name.translate(_IN_IDS)}"


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
