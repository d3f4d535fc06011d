"""`ShareFiles`: the files of one share, with the interface of fsspec.

fsspec's own filesystem for SMB keeps its sessions in the whole process by the name of the user alone, closes what
others of the same server use, and tries everything five times with waits in between.
"""

# smbclient has types for some of its functions only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import smbclient
from smbclient import SMBDirEntry
from smbprotocol.exceptions import SMBOSError

from blocks_core.storage_paths import part_name
from blocks_smb.connections import PATIENCE_SECONDS, Connections, status_of, wait_a_little
from blocks_smb.names import from_share, to_share
from blocks_smb.opened import OpenedFile, OpenedPart
from blocks_smb.parts import Part
from blocks_smb.reasons import ACCESS_DENIED, NO_FOLDER, ShareError

PIECE_BYTES = 1 << 20
"""What is sent or asked for at once."""


class ShareFiles:
    """The files of a share; paths are relative to it."""

    def __init__(self, host: str, share: str, connections: Connections) -> None:
        self._top = f"\\\\{host}\\{share}"
        self._connections = connections

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them."""

        def read(options: dict[str, Any]) -> bytes:
            with self._opened(path, options) as file:
                first = file.seek(start or 0)
                last = file.fd.end_of_file if end is None else end
                return b"".join(_pieces(file, last - first))

        return self._connections.run(read)

    def pipe_file(self, path: str, value: bytes) -> None:
        """Write a file whole, in place of what was there; when this returns, the server's disk has it."""
        self._write(path, lambda: io.BytesIO(value))

    def put_file(self, lpath: str, rpath: str) -> None:
        """Do `pipe_file` with a local file."""
        self._write(rpath, lambda: open(lpath, "rb"))  # noqa: SIM115  closed where it is read

    def get_file(self, rpath: str, lpath: str) -> None:
        """Copy a file to elsewhere."""

        def copy(options: dict[str, Any]) -> None:
            with self._opened(rpath, options) as file, open(lpath, "wb") as target:
                for piece in _pieces(file, file.fd.end_of_file):
                    target.write(piece)

        self._connections.run(copy)

    def cp_file(self, path1: str, path2: str) -> None:
        """Copy a file on the server, by the server."""
        source, target = self._place(path1), self._place(path2)
        self._connections.run(lambda options: smbclient.copyfile(source, target, **options))

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open a file, `rb` or `wb`; what is open on a connection that is lost is lost with it."""
        if mode == "rb":
            file, link = self._connections.open(lambda options: self._opened(path, options))
            return io.BufferedReader(OpenedFile(file, self._connections, link), PIECE_BYTES)
        part, link = self._connections.open(lambda options: self._new_part(path, options))
        return OpenedPart(part, _name_of(path), self._connections, link)

    def info(self, path: str) -> dict[str, Any]:
        """Describe a file or a folder."""
        place = self._place(path)
        found = self._connections.run(lambda options: smbclient.stat(place, **options))
        return _described(path, stat.S_ISDIR(found.st_mode), found.st_size, found.st_mtime)

    def ls(self, path: str, detail: bool = True) -> list[dict[str, Any]]:
        """Describe the files and folders in a folder; of links, those to files: others may lead in a circle."""
        place = self._place(path)

        def entries(options: dict[str, Any]) -> list[dict[str, Any]]:
            with smbclient.scandir(place, **options) as found:
                return [described for entry in found if (described := _listed(path, entry)) is not None]

        return self._connections.run(entries)

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        place = self._place(path)
        self._connections.run(lambda options: smbclient.remove(place, **options))

    def mv(self, path1: str, path2: str) -> None:
        """Rename a file of a name that none had before; where the target is open somewhere, wait for it a while."""
        source, target = self._place(path1), self._place(path2)
        tries = 0

        def rename(options: dict[str, Any]) -> None:
            nonlocal tries
            tries += 1
            smbclient.replace(source, target, **options)

        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._connections.run(rename)
            except FileNotFoundError:
                if tries > 1 and self._is_file(path2):
                    return None  # the answer to the first try was lost, and the name was taken
                raise
            except ShareError as error:
                if error.status != ACCESS_DENIED or time.monotonic() > until:
                    raise
            wait_a_little()

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those above it."""
        place = self._place(path)
        self._connections.run(lambda options: smbclient.makedirs(place, exist_ok=exist_ok, **options))

    def _write(self, path: str, source: Callable[[], BinaryIO]) -> None:
        def write(options: dict[str, Any]) -> None:
            part = self._new_part(path, options)
            try:
                with source() as pieces:
                    while piece := pieces.read(PIECE_BYTES):
                        part.write(piece)
                part.finish(_name_of(path))
            finally:
                part.close()

        self._connections.run(write)

    def _new_part(self, path: str, options: dict[str, Any]) -> Part:
        """Make a file beside a path, in a folder that is made where it is not there."""
        folder = path.rpartition("/")[0]
        place = self._place(f"{folder}/{part_name()}")
        try:
            return Part(place, options)
        except SMBOSError as error:
            if status_of(error) != NO_FOLDER or not folder:
                raise
        smbclient.makedirs(self._place(folder), exist_ok=True, **options)
        return Part(place, options)

    def _opened(self, path: str, options: dict[str, Any]) -> Any:
        """Open a file to read it; others may read, write and replace it meanwhile, as on Unix."""
        return smbclient.open_file(self._place(path), "rb", buffering=0, share_access="rwd", **options)

    def _is_file(self, path: str) -> bool:
        with suppress(FileNotFoundError):
            return self.info(path)["type"] == "file"
        return False

    def _place(self, path: str) -> str:
        return f"{self._top}\\{to_share(path)}"


def _name_of(path: str) -> str:
    return to_share(path.rpartition("/")[2])


def _pieces(file: Any, left: int) -> Iterator[bytes]:
    """Yield what is left to read of a file, or what there is of it."""
    while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
        left -= len(piece)
        yield piece


def _listed(folder: str, entry: SMBDirEntry) -> dict[str, Any] | None:
    path = f"{folder}/{from_share(entry.name)}".lstrip("/")
    if not entry.is_symlink():
        about = entry.smb_info
        return _described(path, bool(entry.is_dir()), about.end_of_file, about.last_write_time.timestamp())
    if not entry.is_file():
        return None
    found = entry.stat()
    return _described(path, False, found.st_size, found.st_mtime)


def _described(path: str, is_folder: bool, size: int, modified: float) -> dict[str, Any]:
    return {"name": path, "size": size, "type": "directory" if is_folder else "file", "mtime": modified}
