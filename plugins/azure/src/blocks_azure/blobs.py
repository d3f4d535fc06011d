"""`Blobs`: the blobs of one container, with the interface of fsspec, over Azure's own library.

The filesystem of adlfs takes connection strings of the environment before the credentials it is given, asks twice
for what one request tells, cuts names at "?" and "#", and brings what was written to its place even where that
ended with an error.
"""

from __future__ import annotations

import io
import os
import time
from typing import Any, BinaryIO

from azure.core import MatchConditions
from azure.storage.blob import BlobPrefix, BlobProperties, ContainerClient

from blocks_azure.connection import PIECE_BYTES, SINGLE_BYTES
from blocks_azure.reasons import BlobsError
from blocks_azure.uploads import WORKERS, Asking, BlobUpload

ATTEMPTS = 3
"""As often is a file read or written that somebody else replaced meanwhile."""


class Blobs:
    """The blobs of a container; paths are their names."""

    def __init__(self, container: ContainerClient, asking: Asking, sas: str) -> None:
        self._container, self._asking, self._sas = container, asking, sas

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return a file's bytes, or a range of them."""
        length = None if end is None else end - (start or 0)

        def read() -> bytes:
            stream = self._container.download_blob(
                path,
                offset=start if length is None else start or 0,  # pyright: ignore[reportArgumentType]
                length=length,  # pyright: ignore[reportArgumentType]
                max_concurrency=WORKERS,
            )
            _refuse_folder(stream.properties, path)
            return stream.readall()

        return self._again("ConditionNotMet", read)

    def pipe_file(self, path: str, value: bytes) -> None:
        """Write a file whole."""
        self._write(path, io.BytesIO(value), len(value))

    def put_file(self, lpath: str, rpath: str) -> None:
        """Copy a local file here."""
        with open(lpath, "rb") as source:
            self._write(rpath, source, os.fstat(source.fileno()).st_size)

    def get_file(self, rpath: str, lpath: str) -> None:
        """Copy a file to a local one."""

        def copy() -> None:
            stream = self._container.download_blob(rpath, max_concurrency=WORKERS)
            _refuse_folder(stream.properties, rpath)
            with open(lpath, "wb") as target:
                stream.readinto(target)

        self._again("ConditionNotMet", copy)

    def cp_file(self, path1: str, path2: str) -> None:
        """Copy a file by the service itself."""
        source, target = self._container.get_blob_client(path1), self._container.get_blob_client(path2)
        address = f"{source.url}?{self._sas}" if self._sas else source.url
        with self._asking():
            status, wait_seconds = target.start_copy_from_url(address).get("copy_status"), 0.05
            while status == "pending":
                time.sleep(wait_seconds)
                wait_seconds = min(5.0, wait_seconds * 2)
                status = target.get_blob_properties().copy.status
        if status != "success":
            raise BlobsError("CopyFailed")

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open a file, `rb` or `wb`."""
        if mode == "rb":
            return io.BufferedReader(_OpenedBlob(self._container, path, self._asking), PIECE_BYTES)
        return BlobUpload(self._container.get_blob_client(path), self._asking)

    def info(self, path: str) -> dict[str, Any]:
        """Describe a file, or a folder that Data Lake keeps as one."""
        with self._asking():
            return _described(self._container.get_blob_client(path).get_blob_properties())

    def ls(self, path: str, detail: bool = True) -> list[dict[str, Any]]:
        """Describe the files and folders in a folder."""
        with self._asking():
            entries = [
                _described(entry)
                for entry in self._container.walk_blobs(_start_of(path), include=["metadata"], delimiter="/")
            ]
        return list({(entry["name"], entry["type"]): entry for entry in entries}.values())  # a folder once

    def find(self, path: str, *, detail: bool = False) -> dict[str, dict[str, Any]]:
        """Describe the files in a folder, at any depth, by one listing."""
        with self._asking():
            entries = [
                _described(entry) for entry in self._container.list_blobs(_start_of(path), ["metadata"])
            ]
        return {entry["name"]: entry for entry in entries if entry["type"] == "file"}

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        with self._asking():
            self._container.delete_blob(path)

    def mv(self, path1: str, path2: str) -> None:
        """Do not rename: Blob Storage cannot."""
        raise NotImplementedError("Blob Storage has no rename.")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: a folder is there with its first file."""

    def _write(self, path: str, source: BinaryIO, size: int) -> None:
        blob = self._container.get_blob_client(path)
        if size <= SINGLE_BYTES:
            with self._asking():
                blob.upload_blob(source.read(), overwrite=True)
            return

        def write() -> None:
            source.seek(0)
            upload = BlobUpload(blob, self._asking)
            try:
                while piece := source.read(PIECE_BYTES):
                    upload.write(piece)
                upload.close()
            finally:
                upload.discard()

        self._again("InvalidBlockList", write)

    def _again(self, code: str, action: Any) -> Any:
        """Run an action again where it failed for what somebody else wrote meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._asking():
                    return action()
            except BlobsError as error:
                if error.code != code or attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")


class _OpenedBlob(io.RawIOBase):
    """A blob that is open for reading, as it was when it was opened."""

    def __init__(self, container: ContainerClient, path: str, asking: Asking) -> None:
        self._blob, self._asking = container.get_blob_client(path), asking
        with asking():
            properties = self._blob.get_blob_properties()
        _refuse_folder(properties, path)
        self._size, self._etag, self._offset = int(properties.size), str(properties.etag), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"There is nothing before the beginning of a file ({start + offset}).")
        self._offset = start + offset
        return self._offset

    def readinto(self, buffer: Any, /) -> int:
        wanted = min(len(buffer), self._size - self._offset)
        if wanted <= 0:
            return 0
        with self._asking():
            found = self._blob.download_blob(
                self._offset,
                wanted,
                etag=self._etag,
                match_condition=MatchConditions.IfNotModified,
                max_concurrency=WORKERS,
            ).readall()
        buffer[: len(found)] = found
        self._offset += len(found)
        return len(found)


def _start_of(folder: str) -> str | None:
    return f"{folder.rstrip('/')}/" if folder else None


def _described(entry: BlobProperties | BlobPrefix) -> dict[str, Any]:
    name = str(entry.name)
    if isinstance(entry, BlobPrefix) or _is_folder(entry):
        return {"name": name.rstrip("/"), "size": 0, "type": "directory"}
    return {"name": name, "size": int(entry.size), "type": "file", "mtime": entry.last_modified}


def _is_folder(properties: BlobProperties) -> bool:
    """Tell whether a blob is what Data Lake keeps of a folder."""
    metadata: dict[str, str] = properties.metadata or {}
    return any(name.lower() == "hdi_isfolder" and value == "true" for name, value in metadata.items())


def _refuse_folder(properties: BlobProperties, path: str) -> None:
    if _is_folder(properties):
        raise IsADirectoryError(path)
