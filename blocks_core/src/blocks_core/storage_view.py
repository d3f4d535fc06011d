"""A storage as a filesystem of fsspec, for what takes one: pandas, pyarrow, Dask.

The one module of the core that knows fsspec, imported when `filesystem()` is called: whoever calls it has fsspec.

Source:  https://filesystem-spec.readthedocs.io/en/latest/developer.html (what an implementation gives).
"""

# fsspec comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fsspec import AbstractFileSystem

Entry = Mapping[str, Any]
"""`name`, relative to the storage; `size`, `type` (`file` or `directory`), `mtime`."""


@dataclass(frozen=True)
class Viewed:
    """A storage, and what its contract does not tell."""

    storage: Any
    entries: Callable[[str], Iterable[Entry]]
    """What is in a folder, one level; nothing where there is no folder."""
    entry: Callable[[str], Entry | None]
    """What is at a path, or None."""


class StorageView(AbstractFileSystem):
    """A storage as a filesystem of fsspec; paths are the storage's own."""

    protocol = "block"
    cachable = False

    def __init__(self, viewed: Viewed, **options: Any) -> None:
        super().__init__(viewed, **options)
        self._viewed, self._storage = viewed, viewed.storage

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        found = super()._strip_protocol(path)
        return [part.strip("/") for part in found] if isinstance(found, list) else str(found).strip("/")

    @property
    def fsid(self) -> str:
        """Return what stands for the storage; no secret."""
        return f"block:{self._storage.type_info.slug}:{hash(self)}"

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Return what is in a folder."""
        path = self._strip_protocol(path)
        found = sorted(self._viewed.entries(path), key=lambda entry: entry["name"])
        if not found:
            here = self.info(path)  # or it is not there at all
            found = [here] if here["type"] == "file" else []
        return [dict(entry) for entry in found] if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return what is at a path."""
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "size": 0, "type": "directory"}
        found = self._viewed.entry(path)
        if found is not None:
            return dict(found)
        if next(iter(self._viewed.entries(path)), None) is not None:
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(self._storage.location(path))

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """Return the files below a folder, by one listing where only files are asked for."""
        path = self._strip_protocol(path)
        if maxdepth is not None or withdirs:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        found = {
            file.path: {
                "name": file.path,
                "size": file.size_bytes,
                "type": "file",
                "mtime": file.modified_at,
            }
            for file in self._storage.list_files(path)
        }
        if not found and path and self._storage.exists(path):
            found = {path: self.info(path)}
        return found if detail else list(found)

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether a file or a folder is there."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def modified(self, path: str) -> Any:
        """Return when a file was written."""
        return self.info(path).get("mtime")

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Return a file's bytes, or a range of them; a negative offset counts from the end."""
        path = self._strip_protocol(path)
        if (start or 0) < 0 or (end or 0) < 0:
            size = int(self.info(path)["size"])
            start, end = (
                None if offset is None else max(0, offset + size * (offset < 0)) for offset in (start, end)
            )
        return self._storage.read(path, start=start or 0, end=end)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write a file whole."""
        path = self._strip_protocol(path)
        if mode == "create" and self._storage.exists(path):
            raise FileExistsError(self._storage.location(path))
        self._storage.write(path, value)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Copy a local file here."""
        self._storage.upload_from_path(lpath, self._strip_protocol(rpath))

    def get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        """Copy a file to a local one; of a folder, make the local one, as whole folders are copied."""
        try:
            self._storage.download_to_path(self._strip_protocol(rpath), lpath)
        except FileNotFoundError:
            if not self.isdir(rpath):
                raise
            os.makedirs(lpath, exist_ok=True)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file inside of the storage."""
        self._storage.copy_file(self._strip_protocol(path1), self._strip_protocol(path2))

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self._storage.remove(self._strip_protocol(path))

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files, and what is below folders where that is asked for."""
        for found in self.expand_path(path, recursive=recursive, maxdepth=maxdepth):
            if self._storage.exists(found):
                self._storage.remove(found)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Do nothing: a folder is there with its first file."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: a folder is there with its first file."""

    def rmdir(self, path: str) -> None:
        """Do nothing: a folder goes with its last file."""

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            return self._storage.open_read(path)
        if mode == "wb":
            return self._storage.open_write(path)
        raise NotImplementedError(
            f"A storage opens files as 'rb' and 'wb', not as {mode!r}. Write the file whole."
        )
