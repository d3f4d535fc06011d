"""Whole folders up and down, several files at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from blocks_core.errors import PathNotFound
from blocks_core.storage_paths import StoragePath, clean_folder, clean_path


@dataclass(frozen=True)
class Transferred:
    """How far a transfer is, or what it did."""

    files: int
    size_bytes: int
    files_in_all: int
    bytes_in_all: int
    path: str = ""
    """The file that was done last."""


class _Listed(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...


class _Source(Protocol):
    def list_files(self, prefix: StoragePath = "") -> Iterator[_Listed]: ...
    def location(self, path: StoragePath) -> str: ...
    def download_to_path(self, from_path: StoragePath, to_path: str | os.PathLike[str]) -> Path: ...


class _Target(Protocol):
    def upload_from_path(self, from_path: str | os.PathLike[str], to_path: StoragePath) -> str: ...


OnProgress = Callable[[Transferred], object]


@dataclass(frozen=True)
class _Step:
    path: str
    size_bytes: int
    action: Callable[[], object]


def upload_all(
    storage: _Target,
    from_path: str | os.PathLike[str],
    to_path: StoragePath,
    *,
    workers: int,
    on_progress: OnProgress | None,
) -> Transferred:
    """Do `Storage.upload_folder`."""
    top, folder = Path(from_path), clean_folder(to_path)
    if not top.is_dir():
        kind = "a file" if top.exists() else "not there"
        raise PathNotFound(f"{top} cannot be uploaded as a folder: it is {kind}. Name a local folder.")

    def step(local: Path) -> _Step:
        path = clean_path("/".join(part for part in (folder, local.relative_to(top).as_posix()) if part))
        return _Step(path, local.stat().st_size, lambda: storage.upload_from_path(local, path))

    return _transfer([step(local) for local in _files_in(top)], workers, on_progress)


def download_all(
    storage: _Source,
    from_path: StoragePath,
    to_path: str | os.PathLike[str],
    *,
    workers: int,
    on_progress: OnProgress | None,
) -> Transferred:
    """Do `ReadableStorage.download_folder`."""
    folder, top = clean_folder(from_path), Path(to_path)
    found = list(storage.list_files(folder))
    if not found:
        where = storage.location(folder) if folder else "the storage"
        raise PathNotFound(f"No file is below {where}. Check the path; list_files() shows what there is.")

    def step(path: str, size_bytes: int) -> _Step:
        below = clean_path(path[len(folder) :].lstrip("/"))  # whatever the store lists, nothing leads out
        return _Step(path, size_bytes, lambda: storage.download_to_path(path, top / below))

    return _transfer([step(file.path, file.size_bytes) for file in found], workers, on_progress)


def _files_in(top: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(top, onerror=_raise):
        folders.sort()
        for name in sorted(files):
            if (found := Path(folder) / name).is_file():  # no pipe, no link to nothing
                yield found


def _raise(error: OSError) -> None:
    raise error


def _transfer(steps: Iterable[_Step], workers: int, on_progress: OnProgress | None) -> Transferred:
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait  # late: start-up time

    planned = list(steps)
    in_all, bytes_in_all = len(planned), sum(step.size_bytes for step in planned)
    done, lock = Transferred(0, 0, in_all, bytes_in_all), Lock()

    def run(step: _Step) -> None:
        nonlocal done
        step.action()
        with lock:
            done = Transferred(
                done.files + 1, done.size_bytes + step.size_bytes, in_all, bytes_in_all, step.path
            )
            if on_progress:
                on_progress(done)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        running = [pool.submit(run, step) for step in planned]
        try:
            for ended in wait(running, return_when=FIRST_EXCEPTION).done:
                ended.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return done
