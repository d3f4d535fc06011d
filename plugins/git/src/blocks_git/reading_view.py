"""The files of a commit as a filesystem of fsspec; what would write is refused."""

# fsspec comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from blocks_core.errors import StorageFailed
from blocks_core.storage_view import Entry, StorageView, Viewed


class ReadingView(StorageView):
    """A readable storage as a filesystem of fsspec."""

    @classmethod
    def of(
        cls,
        storage: Any,
        entries: Callable[[str], Iterable[Entry]],
        entry: Callable[[str], Entry | None],
    ) -> ReadingView:
        """Return the view of a storage."""
        return cls(Viewed(storage, entries, entry))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Refuse."""
        self._refuse(path)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Refuse."""
        self._refuse(rpath)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Refuse."""
        self._refuse(path2)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """Refuse."""
        self._refuse(path1)

    def rm_file(self, path: str) -> None:
        """Refuse."""
        self._refuse(path)

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Refuse."""
        self._refuse(path if isinstance(path, str) else str(path))

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Refuse."""
        self._refuse(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Refuse."""
        self._refuse(path)

    def rmdir(self, path: str) -> None:
        """Refuse."""
        self._refuse(path)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            self._refuse(path)
        return super()._open(path, mode, **options)

    def _refuse(self, path: str) -> NoReturn:
        raise StorageFailed(
            f"'{path[:200]}' cannot be written: the files of a Git repository are only read here. Write to a storage "
            f"block, or commit and push with git."
        )
