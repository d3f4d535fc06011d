"""Every error that the core raises.

    BlocksError
    ├── NameInvalid              a slug, a name, an address or a secret reference is not well formed
    ├── BlockTypeInvalid         a class cannot serve as a block type
    ├── BlockInvalid             a block's fields do not fit its schema
    ├── ValueNotStorable         a value would not come back from storage as it went in
    ├── LimitExceeded            a document is larger or deeper than a registry takes
    ├── DocumentDamaged          what is stored of a block is not what was saved
    ├── LibraryMissing           no registry is installed
    ├── NotFound
    │   ├── BlockTypeNotFound    no such type is installed or registered
    │   ├── BlockNotFound        no such document
    │   ├── ReferenceBroken      a block holds another one that is not saved any more
    │   ├── JobNotFound          no such job, or it was removed
    │   └── SecretUnresolved     what a secret reference names is not there
    │       └── SecretsInCircle  reading a secret needs the secret itself
    ├── Conflict
    │   ├── BlockExists          the name is taken
    │   ├── BlockInUse           other blocks hold the block that is to be deleted
    │   ├── VersionConflict      another process saved the block meanwhile
    │   ├── SchemaConflict       a type's structure changed and its version did not
    │   ├── SchemaTooNew         the document was stored by a newer version of its type
    │   ├── UpgradeMissing       no upgrade leads from the stored version to the installed one
    │   └── UpgradeFailed        an upgrade of a type did not do its work
    ├── PluginBroken             an installed plugin cannot be imported
    ├── KeyringError
    │   ├── KeysMissing          there are no keys where they should be
    │   ├── KeysInvalid          the keys cannot be read
    │   ├── KeysReadOnly         the keys are kept where this program cannot change them
    │   ├── KeyInUse             the key is still needed, so it cannot be retired
    │   ├── KeyRetired           the key was retired from the database, so nothing is sealed with it any more
    │   ├── KeyUnknown           the keyring lacks the key that sealed a document
    │   └── SealBroken           a sealed document was altered, or its key is a wrong one
    ├── StorageFailed
    │   ├── PathNotFound         no file there
    │   └── PathRefused          the path leads outside of the storage, or is none
    ├── CredentialsRefused       a service did not accept the credentials
    ├── NotificationFailed       a message was not delivered
    ├── TemplateInvalid          a template cannot be read, or does not fit what it is given
    ├── PackageMissing           a package that is needed for what was asked is not installed
    └── InfrastructureFailed     a job was not started, looked at or stopped
        └── JobRefused           a job asks for what there is not

A message says what happened, why, and what to do; it never holds a secret's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class BlocksError(Exception):
    """The root of all errors of this project."""


class NameInvalid(BlocksError, ValueError):
    """A slug, a name, an address or a secret reference is not well formed."""


class BlockTypeInvalid(BlocksError, TypeError):
    """A class cannot serve as a block type."""


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field; the text never repeats the value."""

    path: str
    """Dotted path of the field, empty for the block as a whole."""
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class BlockInvalid(BlocksError, ValueError):
    """A block's fields do not fit its schema; `problems` has one entry for each field."""

    def __init__(self, what: str, problems: Sequence[FieldProblem]) -> None:
        self.what, self.problems = what, tuple(problems)
        listed = "; ".join(str(problem) for problem in self.problems)
        super().__init__(f"{what} is not valid: {listed}.")


class ValueNotStorable(BlocksError, TypeError):
    """A value would not come back from storage as it went in, so nothing was saved."""


class LimitExceeded(BlocksError, ValueError):
    """A document is larger or deeper than a registry takes; nothing was saved."""


class DocumentDamaged(BlocksError):
    """What is stored of a block is not what was saved, so it cannot be read."""

    def __init__(self, address: str, problem: str) -> None:
        self.address, self.problem = address, problem
        super().__init__(
            f"What is stored of the block '{address}' was altered or damaged: {problem}. Restore the database "
            f"from a backup, or save the block anew."
        )


class LibraryMissing(BlocksError):
    """No registry is installed, so there is nothing to load from or save to."""


class NotFound(BlocksError, LookupError):
    """Something that was asked for by its name is not there."""


class BlockTypeNotFound(NotFound):
    """No such block type is installed, or registered."""


class BlockNotFound(NotFound):
    """No such document, or no such version of it."""

    def __init__(
        self, address: str, suggestions: Iterable[str] = (), *, version: int | None = None, hint: str = ""
    ) -> None:
        self.address, self.version = address, version
        if version is None:
            missing = f"No block '{address}' is saved{did_you_mean(suggestions)}."
        else:
            missing = f"Block '{address}' has no version {version}."
        remedy = 'Run "block ls" to see what there is, or save it first.'
        super().__init__(" ".join(part for part in (missing, remedy, hint) if part))


class ReferenceBroken(NotFound):
    """A block holds another one that is not saved any more."""

    def __init__(self, address: str, field: str, target: str) -> None:
        self.address, self.field, self.target = address, field, target
        super().__init__(
            f"Block '{address}' holds the block '{target}' in its field '{field}', and that block is not saved "
            f"(any more). Save '{address}' again with another block in that field."
        )


class SecretUnresolved(NotFound):
    """What a secret reference names is not there, or cannot be read."""

    def __init__(self, message: str, reference: str = "") -> None:
        self.reference = reference
        super().__init__(message)


class SecretsInCircle(SecretUnresolved):
    """Reading a secret needs the secret itself, through the references of the blocks that have it."""


class JobNotFound(NotFound):
    """No such job: it was never there, or was removed."""


class Conflict(BlocksError):
    """What was asked contradicts what is stored."""


class BlockExists(Conflict):
    """The name is taken."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"A block '{address}' is saved already. Choose another name, or overwrite it "
            f"(overwrite=True in Python, --overwrite on the command line)."
        )


class BlockInUse(Conflict):
    """Other blocks hold the block that is to be deleted."""

    def __init__(self, address: str, users: Sequence[str]) -> None:
        self.address = address
        self.users = tuple(users)
        super().__init__(
            f"Block '{address}' is used by {', '.join(users)}. Change these first, or delete it all the "
            f"same (force=True in Python, --force on the command line): they will then fail to load."
        )


class VersionConflict(Conflict):
    """Another process saved the block meanwhile, so nothing was changed."""

    def __init__(self, address: str, expected: int, found: int) -> None:
        self.address, self.expected, self.found = address, expected, found
        expectation = f"version {expected}" if expected else "a new block"
        state = f"it is at version {found}" if found else "it is not there any more"
        if found and found == expected:
            state = "another block has its name now"
        super().__init__(
            f"Block '{address}' was changed meanwhile: {expectation} was expected, and {state}. Nothing was "
            f"saved; look at what changed, and try again."
        )


class SchemaConflict(Conflict):
    """A type's structure changed and its version did not."""


class SchemaTooNew(Conflict):
    """The document was stored by a newer version of its type."""


class UpgradeMissing(Conflict):
    """No chain of upgrades leads from the version that stored a document to the installed one."""


class UpgradeFailed(Conflict):
    """An upgrade of a type raised an error, or gave something that is no object of fields."""


class PluginBroken(BlocksError, ImportError):
    """An installed plugin cannot be imported."""


class KeyringError(BlocksError):
    """The keys that seal secrets cannot be used."""


class KeysMissing(KeyringError):
    """There are no keys where they should be."""


class KeysInvalid(KeyringError):
    """The keys cannot be read."""


class KeysReadOnly(KeyringError):
    """The keys are kept where this program cannot change them; the message says who can, and how."""


class KeyInUse(KeyringError, Conflict):
    """The key is primary, or something is still sealed with it, so it cannot be retired."""


class KeyRetired(KeyringError):
    """The key was retired from the database, so nothing is sealed with it any more."""


class KeyUnknown(KeyringError):
    """The keyring lacks the key that sealed a document."""


class SealBroken(KeyringError):
    """A sealed document was altered, or the key of that id is not the one that sealed it."""


class StorageFailed(BlocksError):
    """A storage did not do what was asked."""


class PathNotFound(StorageFailed, FileNotFoundError):
    """No file there."""

    def __str__(self) -> str:
        return str(self.args[0])


class PathRefused(StorageFailed, ValueError):
    """The path leads outside of the storage, or is no path."""


class CredentialsRefused(BlocksError):
    """A service did not accept the credentials."""


class NotificationFailed(BlocksError):
    """A message was not delivered."""


class TemplateInvalid(BlocksError, ValueError):
    """A template cannot be read, asks for what is not allowed, or does not fit what it is given."""


class PackageMissing(BlocksError, ImportError):
    """A package that is needed for what was asked is not installed; the message has the command."""


class InfrastructureFailed(BlocksError):
    """A job was not started, looked at or stopped."""


class JobRefused(InfrastructureFailed, ValueError):
    """A job asks for what there is not, or cannot be run anywhere."""


def did_you_mean(suggestions: Iterable[str]) -> str:
    """Return ` (did you mean 'x' or 'y'?)`, or nothing where there are no suggestions."""
    quoted = " or ".join(f"'{suggestion}'" for suggestion in suggestions)
    return f" (did you mean {quoted}?)" if quoted else ""
