"""The four roles, and what each of them may do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Final


class Role(StrEnum):
    """What a token is for."""

    VIEWER = "viewer"
    """Sees types, documents without their secrets, versions, differences, and who uses what."""
    EDITOR = "editor"
    """Also saves, renames, restores and deletes; sets secrets, and never reads one."""
    RUNNER = "runner"
    """A viewer that also loads blocks with their secrets, as runs do; each time is a row of the audit."""
    ADMIN = "admin"
    """All, showing secrets, tokens, keys and the audit included."""


class Right(Enum):
    """What can be asked for; the value says it in words, as in `may not save blocks`."""

    READ = "see blocks"
    EDIT = "change blocks"
    REGISTER = "register block types"
    RESOLVE = "load the secrets of blocks"
    NOTE = "write notes into the audit"
    REVEAL = "show the secrets of blocks"
    AUDIT = "read the audit"
    TOKENS = "see and change tokens"
    KEYS = "see and change keys"


_VIEWING = frozenset({Right.READ})

RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.VIEWER: _VIEWING,
    Role.EDITOR: _VIEWING | {Right.EDIT, Right.REGISTER},
    Role.RUNNER: _VIEWING | {Right.RESOLVE, Right.NOTE},
    Role.ADMIN: frozenset(Right),
}


def roles_with(right: Right) -> list[Role]:
    """Return the roles that have a right, the one with the fewest rights first."""
    return sorted((role for role in Role if right in RIGHTS[role]), key=lambda role: len(RIGHTS[role]))
