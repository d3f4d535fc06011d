"""Files that a command writes: compared with what is there, shown as a difference, replaced whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from shutil import copymode

from blocks_registry.errors import AuthoringRefused


@dataclass(frozen=True)
class PlannedFile:
    """What a file is to become."""

    path: Path
    text: str
    before: str | None
    """None where there is no such file."""

    @property
    def changes(self) -> bool:
        """Tell whether writing it would change anything."""
        return self.text != self.before

    def difference(self) -> str:
        """Return the lines that would change, as `diff -u` shows them."""
        old = (self.before or "").splitlines(keepends=True)
        lines = unified_diff(
            old, self.text.splitlines(keepends=True), str(self.path), f"{self.path} (expected)", n=1
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines).rstrip("\n")


def read_text(path: Path) -> str | None:
    """Return a file's text with its line ends as they are, or None where there is no such file.

    Raises:  AuthoringRefused: it cannot be read as text.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise AuthoringRefused(f"{path} cannot be read: {error}. Mend or move it.") from error


def write_all(files: Iterable[PlannedFile]) -> list[Path]:
    """Write those files that change, each whole or not at all, and return their paths.

    Raises:  AuthoringRefused.
    """
    written: list[Path] = []
    for planned in files:
        if planned.changes:
            _write(planned.path, planned.text)
            written.append(planned.path)
    return written


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(text.encode("utf-8"))
            if path.exists():
                copymode(path, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise AuthoringRefused(f"{path} cannot be written: {error.strerror or error}.") from error
