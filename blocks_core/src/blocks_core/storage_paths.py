"""Paths inside of a storage: one spelling for each, and no way out."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PurePath
from urllib.parse import unquote
from uuid import uuid4

from blocks_core.errors import PathRefused

StoragePath = str | os.PathLike[str]
"""A path in a storage: a text with `/` between its parts, or a `Path`."""

_PART = re.compile(r"\.[0-9a-f]{32}\.blocks-part")


def clean_path(path: StoragePath) -> str:
    """Return the path of a file in a storage in its one spelling, or raise `PathRefused`.

    >>> clean_path("./2026//results/a b#1.csv")
    '2026/results/a b#1.csv'
    """
    path = _as_text(path)
    cleaned = clean_folder(path)
    if not cleaned:
        raise PathRefused(f"{path!r} names no file. Give a path such as 'folder/file.csv'.")
    if path.endswith(("/", "/.")):
        raise PathRefused(f"{path[:200]!r} names a folder. Give the path of a file, without '/' at its end.")
    return cleaned


def clean_folder(prefix: StoragePath) -> str:
    """Return the path of a folder in its one spelling, empty for the top, or raise `PathRefused`.

    >>> clean_folder("./2026//results/")
    '2026/results'
    """
    prefix = _as_text(prefix)
    problem = _problem_of(prefix)
    if problem:
        raise PathRefused(
            f"{prefix[:200]!r} is no path in a storage: {problem}. Write it relative to the block, with '/' "
            f"between its parts, such as 'folder/file.csv'."
        )
    return "/".join(part for part in prefix.split("/") if part not in ("", "."))


def part_name() -> str:
    """Return a new name for a file that is being written: hidden, and left out of listings."""
    return f".{uuid4().hex}.blocks-part"


def is_part(path: str) -> bool:
    """Tell whether a path is one of a file that is being written."""
    return _PART.fullmatch(path.rpartition("/")[2]) is not None


def _as_text(path: StoragePath) -> str:
    return path.as_posix() if isinstance(path, PurePath) else os.fspath(path)


def _problem_of(path: str) -> str:
    if "\\" in path:
        return "it has a backslash"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        return "it has a control character"
    spelled = [path]
    while (decoded := unquote(spelled[-1])) != spelled[-1]:  # twice encoded is encoded, too
        spelled.append(decoded)
    for spelling in spelled:
        if spelling.startswith("/"):
            return "it is absolute"
        if ".." in re.split(r"[/\\]", spelling):
            return "it has the part '..', which leads outside"
        if "\x00" in spelling:
            return "it has a control character"
    return ""
