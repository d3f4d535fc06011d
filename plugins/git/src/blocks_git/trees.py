"""What a commit holds: the files of its tree, by path.

Source:  https://git-scm.com/docs/git-fast-import#_filemodify (the modes of entries).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from blocks_core.errors import PathRefused
from blocks_core.storage_paths import clean_path

_KINDS = {"100644": "file", "100755": "file", "100664": "file", "120000": "link", "160000": "submodule"}


@dataclass(frozen=True)
class TreeEntry:
    """A file, a link or a submodule."""

    path: str
    """From the top of the repository."""
    mode: str
    id: str
    """Hash of what it holds; of a submodule, its commit."""
    size_bytes: int = 0

    @property
    def kind(self) -> str:
        """Return `file`, `link` or `submodule`; of anything else, its mode."""
        return _KINDS.get(self.mode, f"entry of mode {self.mode}")


class Tree:
    """The files of a commit. Links are not followed: they could lead out of it, or in a circle."""

    def __init__(self, commit: str, entries: Iterable[TreeEntry]) -> None:
        self.commit = commit
        self._files: dict[str, TreeEntry] = {}
        self._others: dict[str, TreeEntry] = {}
        for entry in entries:
            (self._files if entry.kind == "file" else self._others)[entry.path] = entry

    def file(self, path: str) -> TreeEntry | None:
        """Return the file at a path, or None."""
        return self._files.get(path)

    def files_below(self, folder: str) -> Iterator[TreeEntry]:
        """Yield the files below a folder at any depth, sorted by path; those that no path can name are left out."""
        start = f"{folder}/" if folder else ""
        for index in range(bisect_left(self._paths, start), len(self._paths)):
            path = self._paths[index]
            if not path.startswith(start):
                return
            if _can_be_named(path):
                yield self._files[path]

    def why_none(self, path: str) -> str:
        """Return why there is no file at a path, and what to do."""
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            other = self._others.get("/".join(parts[:count]))
            if other and other.kind == "link":
                return f"{other.path} is a link, and links are not followed. Name the file that it leads to."
            if other:
                return f"{other.path} is a {other.kind}. Use a block of its own for that repository."
        if next(self.files_below(path), None):
            return "That is a folder. Name a file; list_files() shows what is in the folder."
        return "Check its path; list_files() shows what there is."

    @cached_property
    def _paths(self) -> list[str]:
        return sorted(self._files)


def _can_be_named(path: str) -> bool:
    try:
        return clean_path(path) == path
    except PathRefused:
        return False
