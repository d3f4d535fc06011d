"""Every error that the registry's distribution raises.

BlocksError
└── RegistryError
    ├── AccessRefused          a token, a session or a login code does not give what was asked
    │   ├── TokenInvalid       it is none that was given out
    │   │   ├── TokenExpired   its time is over
    │   │   └── TokenRevoked   somebody took it back
    │   ├── AccessDenied       it is good, and does not reach so far
    │   └── TooManyAttempts    too many wrong ones came from one address
    ├── TokenNotFound          no token has that name or id
    ├── TokenExists            the name of a token is taken
    ├── TokenRefused           a token is not made or kept as it was asked
    ├── ServerFailed           the server at the registry's URL did not do what was asked
    │   ├── ServerUnavailable  it does not answer, or what answers there is no server of blocks
    │   │   └── WriteUnanswered   it was sent a change and did not say whether it was made
    │   ├── ProtocolMismatch   it speaks another version of the protocol than this client
    │   └── RequestRefused     it cannot read what was sent
    ├── AddressInvalid         the registry's URL is none that this version can open
    ├── SettingInvalid         a variable of the environment has a value that cannot be
    ├── DatabaseUnavailable    the database cannot be opened or written
    │   ├── DatabaseLocked     another process holds it for too long
    │   ├── CommitUnanswered   it went away while it kept a change, so nobody knows whether it was made
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
from math import ceil

from blocks_core.errors import BlocksError, Conflict, NotFound


class RegistryError(BlocksError):
    """The registry could not do what was asked."""


class AccessRefused(RegistryError):
    """A token, a session or a login code does not give what was asked."""


class TokenInvalid(AccessRefused):
    """It is none that was given out; the same words for every wrong one, so that none is known to be close."""


class TokenExpired(TokenInvalid):
    """Its time is over."""


class TokenRevoked(TokenInvalid):
    """Somebody took it back."""


class AccessDenied(AccessRefused):
    """It is good, and its role or its list of addresses does not reach so far."""


class TooManyAttempts(AccessRefused):
    """Too many wrong ones came from one address, so no more is looked at for a while."""

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(
            f"Too many wrong tokens or codes came from this address, so none is looked at for {ceil(wait_seconds)} "
            f"seconds. See that every program there has the right one (BLOCKS_TOKEN), and try again then."
        )


class TokenNotFound(RegistryError, NotFound):
    """No token has that name or id."""


class TokenExists(RegistryError, Conflict):
    """The name of a token is taken."""


class TokenRefused(RegistryError, ValueError):
    """A token is not made or kept as it was asked: its name, its role, its list, its expiry, its file."""


class ServerFailed(RegistryError):
    """The server at the registry's URL did not do what was asked."""


class ServerUnavailable(ServerFailed):
    """It does not answer, or what answers there is no server of blocks."""


class WriteUnanswered(ServerUnavailable):
    """It was sent a change and did not say whether it was made, however often it was asked; look what is stored."""


class ProtocolMismatch(ServerFailed):
    """Server and client speak different versions of the protocol; the message says which to upgrade."""


class RequestRefused(ServerFailed):
    """The server cannot read what was sent, or takes no such request."""


class AddressInvalid(RegistryError, ValueError):
    """The registry's URL is none that this version can open."""


class SettingInvalid(RegistryError, ValueError):
    """A variable of the environment has a value that cannot be."""


class DatabaseUnavailable(RegistryError):
    """The database cannot be opened or written."""


class CommitUnanswered(DatabaseUnavailable):
    """The database went away while it kept a change, so it is not known whether it was made; look what is stored."""


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
