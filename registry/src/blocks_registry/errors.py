"""Every error that the registry's distribution raises.

BlocksError
└── RegistryError
    ├── AddressInvalid         the registry's URL is none that this version can open
    ├── DatabaseUnavailable    the database cannot be opened or written
    │   ├── DatabaseLocked     another process holds it for too long
    │   └── DatabaseCorrupt    the file is no database, or a damaged one
    ├── DatabaseTooNew         a newer version of Blocks has changed its tables
    ├── ModuleInvalid          what was given to `block register` defines no block types
    ├── AuthoringRefused       what `block plugin` was to write has no place, or would replace an author's work
    ├── DeclarationInvalid     files that declare blocks cannot be read, or do not fit the blocks' types
    ├── ExportRefused          what was asked cannot be written to where it was asked
    ├── PruneRefused           blocks that would be pruned are held by others
    └── SourceUnreadable       what `block import` was to read cannot be reached, opened or understood
        └── SourceRefused      the other system does not accept the key, or the key does not open its database
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blocks_core.errors import BlocksError, Conflict


class RegistryError(BlocksError):
    """The registry could not do what was asked."""


class AddressInvalid(RegistryError, ValueError):
    """The registry's URL is none that this version can open."""


class DatabaseUnavailable(RegistryError):
    """The database cannot be opened or written."""


class DatabaseLocked(DatabaseUnavailable):
    """Another process holds the database for too long."""


class DatabaseCorrupt(DatabaseUnavailable):
    """The file is no database, or a damaged one."""


class DatabaseTooNew(RegistryError):
    """A newer version of Blocks has changed the database's tables."""


class ModuleInvalid(RegistryError):
    """What was given to `block register` cannot be imported, or defines no block types."""


class AuthoringRefused(RegistryError):
    """What `block plugin` was to write for an author has no place, or would replace their work."""


@dataclass(frozen=True)
class DeclarationProblem:
    """What is wrong at one place of a file; the text never repeats a secret."""

    problem: str
    """What it is and what to do."""
    source: str = ""
    """The file, or `standard input`."""
    line: int = 0
    """From 1; 0 where the whole file is meant."""
    column: int = 0
    address: str = ""
    """Of the block, where it is known."""
    path: str = ""
    """Of the field, dotted."""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        what = f"{self.address}, {self.path}" if self.path else self.address
        return ": ".join(part for part in (place, what, self.problem) if part)


class DeclarationInvalid(RegistryError, ValueError):
    """Files that declare blocks cannot be read, or do not fit; `problems` has every one that was found."""

    def __init__(self, problems: Sequence[DeclarationProblem]) -> None:
        self.problems = tuple(problems)
        count = "There is a problem" if len(problems) == 1 else f"There are {len(problems)} problems"
        listed = "; ".join(str(problem) for problem in problems)
        super().__init__(f"{count} in what is declared, so nothing was changed: {listed}")


class ExportRefused(RegistryError):
    """What was asked cannot be written to where it was asked."""


class PruneRefused(RegistryError, Conflict):
    """Blocks that would be pruned are held by others, so nothing was changed."""

    def __init__(self, users: Mapping[str, Sequence[str]]) -> None:
        self.users = {address: tuple(found) for address, found in users.items()}
        listed = "; ".join(f"'{address}' is held by {', '.join(found)}" for address, found in users.items())
        super().__init__(
            f"Nothing was changed, as blocks that would be pruned are held by others: {listed}. Declare them, or "
            f"change those that hold them first."
        )


class SourceUnreadable(RegistryError):
    """What `block import` was to read cannot be reached, opened or understood; nothing was imported."""


class SourceRefused(SourceUnreadable):
    """The other system does not accept the key that was given, or the key does not open its database."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        """Of the answer over HTTP; 0 where there was none."""
        super().__init__(message)
