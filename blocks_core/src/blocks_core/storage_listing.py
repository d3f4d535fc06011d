"""What a filesystem's entries say: each one has names and forms of its own for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from blocks_core.storage_opened import FileSystem

Entry = Mapping[str, Any]


def walk(filesystem: FileSystem, top: str) -> Iterator[Entry]:
    """Yield the files below a folder; fsspec's own walk takes a folder that fails for an empty one."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            entries = filesystem.ls(folder, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            continue  # none there, or removed meanwhile
        for entry in entries:
            name = str(entry["name"]).rstrip("/")
            if entry["type"] != "directory":
                yield entry
            elif name != folder:  # some servers list a folder in itself
                waiting.append(name)


def size_of(filesystem: FileSystem, entry: Entry) -> int:
    """Return the size of a file in bytes, asking for it where a listing has none."""
    size = entry.get("size")
    if size is None:
        size = filesystem.info(str(entry["name"])).get("size")
    return int(size or 0)


def modified_at(entry: Entry) -> datetime | None:
    """Return when a file was written, or None where the entry does not tell."""
    for key in ("mtime", "LastModified", "last_modified", "last_write_time", "updated", "modified"):
        value: object = entry.get(key)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None


def is_directly_in(entry: Entry, folder: str) -> bool:
    """Tell whether an entry is in a folder: not the folder itself, nor a file of that name."""
    return str(entry["name"]).strip("/").rpartition("/")[0] == folder.strip("/")
