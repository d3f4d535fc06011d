"""Names on a share: Windows takes some characters in no name, and neither a dot nor a space at the end of one.

They are written as characters of Unicode's private range, as Linux mounts (`mapposix`, the default) and macOS
write them, so that all of them show the same names.

Source:  https://learn.microsoft.com/windows/win32/fileio/naming-a-file,
         https://docs.kernel.org/admin-guide/cifs/usage.html (mapposix; the characters are in cifs_unicode.h).
"""

from __future__ import annotations

from blocks_core.errors import PathRefused

_ANYWHERE = {
    '"': "\uf020",
    "*": "\uf021",
    ":": "\uf022",
    "<": "\uf023",
    ">": "\uf024",
    "?": "\uf025",
    "|": "\uf027",
}
_AT_THE_END = {" ": "\uf028", ".": "\uf029"}
_TO_SHARE = str.maketrans(_ANYWHERE)
_FROM_SHARE = str.maketrans({there: here for here, there in (_ANYWHERE | _AT_THE_END).items()})
_STAND_INS = frozenset("".join((_ANYWHERE | _AT_THE_END).values()))


def to_share(path: str) -> str:
    r"""Return a path as a share has it, backslashes between its parts.

    >>> to_share("a b/c.") == "a b\\c\uf029"
    True

    Raises:  PathRefused: it has a character that stands for another one on a share.
    """
    if not _STAND_INS.isdisjoint(path):
        raise PathRefused(
            f"{path[:200]!r} is no path on a share: it has a character that stands for another one there "
            f"(U+F020 to U+F029). Write the other one, such as ':'."
        )
    return "\\".join(_part_to_share(part) for part in path.split("/") if part)


def from_share(name: str) -> str:
    """Return a name as others see it.

    >>> from_share("\uf022")
    ':'
    """
    return name.translate(_FROM_SHARE)


def _part_to_share(part: str) -> str:
    if part[-1] in _AT_THE_END:
        part = part[:-1] + _AT_THE_END[part[-1]]
    return part.translate(_TO_SHARE)
