"""Where a secret is kept that a block only refers to, and reading it there.

| reference | leads to |
|---|---|
| `env:NAME` | a variable in the environment of the process that asks |
| `file:PATH` | a file on its machine; the path is absolute, or begins with `~` |
| `SLUG/NAME/KEY` | the secret of that key in the saved block `SLUG/NAME`, which is a `SecretSource` |

Variables and files are read each time; how long a source's values are kept is said in `resolving`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, Literal, Self

from blocks_core.errors import NameInvalid, SecretUnresolved, did_you_mean
from blocks_core.names import check_name, check_slug, join_address, suggest

MARK: Final = "secretref:"
"""How the mark of a reference begins in a block's stored form, which has its text there and nothing sealed."""

MAX_BYTES: Final = 1024 * 1024
"""Of a file that a reference leads to."""

_MAX_CHARACTERS: Final = 2048
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FORMS: Final = "Write env:NAME, file:PATH, or SLUG/NAME/KEY for the key of a saved block that has secrets"


@dataclass(frozen=True)
class SecretReference:
    """A reference in its parts."""

    kind: Literal["env", "file", "source"]
    place: str
    """Name of the variable, path of the file, or address of the block."""
    key: str = ""
    """Of the secret in the block."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of a reference.

        >>> SecretReference.parse("aws-secret/prod/database/password#main")
        SecretReference(kind='source', place='aws-secret/prod', key='database/password#main')

        Raises:  NameInvalid: it is none; what may be a secret, given by mistake, is not repeated.
        """
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] it may come from a program
            raise NameInvalid(
                f"A secret reference is a text, and this has the type {type(text).__name__}. {_FORMS}."
            )
        if len(text) > _MAX_CHARACTERS or not text.isprintable():
            raise NameInvalid(
                f"What was given as a secret reference has more than {_MAX_CHARACTERS} characters, or some that do "
                f"not print. {_FORMS}."
            )
        scheme, colon, rest = text.partition(":")
        if colon and scheme == "env":
            return cls("env", _checked_variable(rest))
        if colon and scheme == "file":
            return cls("file", _checked_path(rest))
        slug, name, key = (*text.split("/", 2), "", "")[:3]
        if not (key.strip() and _is_address(slug, name)):
            raise NameInvalid(
                f"What was given as a secret reference, {len(text)} characters, is none. {_FORMS}. A value is given "
                f"as SecretStr or SecretBytes."
            )
        return cls("source", join_address(slug, name), key)

    def __str__(self) -> str:
        return f"{self.place}/{self.key}" if self.kind == "source" else f"{self.kind}:{self.place}"

    @property
    def where(self) -> str:
        """Return where it leads to, in words."""
        if self.kind == "env":
            return f"the variable {self.place} of this process"
        if self.kind == "file":
            return f"the file {_expanded(self.place)} of this machine"
        return f"the key '{self.key}' of the block '{self.place}'"

    def read(self, from_source: Callable[[SecretReference], bytes]) -> bytes:
        """Return what it leads to.

        Args:    from_source: reads the secret of a block.
        Raises:  SecretUnresolved, and what `from_source` raises.
        """
        if self.kind == "env":
            return self._read_variable()
        return self._read_file() if self.kind == "file" else from_source(self)

    def text_of(self, value: bytes) -> str:
        """Return what was read as a text; of a file, without the end of its last line.

        Raises:  SecretUnresolved: it is no UTF-8.
        """
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = None  # and not from the error, which has the value
        if text is None:
            raise self.unresolved(
                f"what {self.where} holds is no text in UTF-8. Store one, or use SecretBytesRef in a "
                f"field of type SecretBytes"
            )
        if self.kind == "file":
            text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        return text

    def unresolved(self, problem: str) -> SecretUnresolved:
        """Return the error that says why it leads to nothing."""
        return SecretUnresolved(f"The secret reference {self} cannot be resolved: {problem}.", str(self))

    def _read_variable(self) -> bytes:
        value = os.environ.get(self.place)
        if value is None:
            hint = did_you_mean(suggest(self.place, os.environ))
            raise self.unresolved(
                f"the environment of this process has no variable {self.place}{hint}. Set it before the "
                f"process starts"
            )
        return os.fsencode(value)

    def _read_file(self) -> bytes:
        path = _expanded(self.place)
        try:
            with open(path, "rb", opener=_open_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise self.unresolved(f"{path} is no regular file. Give the path of one")
                found = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.unresolved(
                f"the file {path} cannot be read ({reason}). Put the secret there, or let this process read it"
            ) from error
        if len(found) > MAX_BYTES:
            raise self.unresolved(
                f"the file {path} has more than {MAX_BYTES:,} bytes. Give the path of a secret"
            )
        return found


def _checked_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise NameInvalid(
            f"{f'env:{name}'[:80]!r} is no secret reference: after env: stands the name of a variable, letters, "
            f"digits, '_', '.' and '-', not a digit first."
        )
    return name


def _checked_path(path: str) -> str:
    """Return a path that leads to the same place wherever a process was started."""
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    if not (absolute or path == "~" or path.startswith(("~/", "~\\"))):
        raise NameInvalid(
            f"{f'file:{path}'[:80]!r} is no secret reference: give an absolute path, or one that begins with ~/ . "
            f"Where another one leads to depends on where a process was started."
        )
    return path


def _is_address(slug: str, name: str) -> bool:
    try:
        check_slug(slug)
        check_name(name)
    except NameInvalid:
        return False
    return True


def _expanded(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError:  # the user has no home: the error that follows names the path as it was given
        return path


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file, and not wait for a writer where it is a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
