"""The part of `StorageSuite` about local files and folders; inherit `StorageSuite`, not this."""

# ruff: noqa: D102 a test's name is its sentence

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from threading import Lock

import pytest

from blocks_core.capabilities import Storage
from blocks_core.errors import PathNotFound, PathRefused, StorageFailed
from blocks_core.transfers import Transferred

_BOUNDED = """
import pickle, resource, sys
from pathlib import Path

storage, folder, size, limit = pickle.loads(Path(sys.argv[1]).read_bytes())
small, large = Path(folder) / "small", Path(folder) / "large"
small.write_bytes(bytes(1 << 20))
storage.upload_from_path(small, "small")  # imports what is needed, opens connections
storage.download_to_path("small", Path(folder) / "small again")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with large.open("wb") as file:
    file.truncate(size)
    file.seek(size - 8)
    file.write(b"the end.")
storage.upload_from_path(large, "large")
storage.download_to_path("large", Path(folder) / "large again")
with storage.open_write("large streamed") as file, large.open("rb") as source:
    while piece := source.read(1 << 20):
        file.write(piece)
with storage.open_read("large streamed") as file, (Path(folder) / "streamed again").open("wb") as target:
    while piece := file.read(1 << 20):
        target.write(piece)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
for name in ("large again", "streamed again"):
    with (Path(folder) / name).open("rb") as file:
        assert file.seek(0, 2) == size, f"{name} has {file.tell()} bytes"
        file.seek(size - 8)
        assert file.read() == b"the end."
assert grown <= limit, f"{size >> 20} MiB took {grown} MiB of memory"
"""


class TransfersSuite:
    """Local files and folders, up and down."""

    huge_bytes = 256 * 1024 * 1024
    """Goes up and down in constant memory, both as a file and as a stream; 0 for a storage in memory."""
    memory_mebibytes = 150
    """How much of it: parts that are under way at once, not the file."""

    def test_a_huge_file_goes_up_and_down_in_constant_memory(self, storage: Storage, tmp_path: Path) -> None:
        if not self.huge_bytes:
            pytest.skip("this storage is itself in memory")
        job = tmp_path / "job"
        job.write_bytes(pickle.dumps((storage, str(tmp_path), self.huge_bytes, self.memory_mebibytes)))
        done = subprocess.run(
            [sys.executable, "-c", _BOUNDED, job], capture_output=True, text=True, check=False
        )
        for name in ("small", "large", "large streamed"):
            storage.remove(name)
        assert done.returncode == 0, done.stderr

    def test_a_local_file_is_uploaded_and_downloaded(self, storage: Storage, tmp_path: Path) -> None:
        local = tmp_path / "local file"
        local.write_bytes(bytes(range(256)) * 9_000)
        assert storage.upload_from_path(local, "up/file") == storage.location("up/file")
        assert storage.read("up/file") == local.read_bytes()
        target = storage.download_to_path("up/file", tmp_path / "new" / "folder" / "file")
        assert target == tmp_path / "new" / "folder" / "file"
        assert target.read_bytes() == local.read_bytes()
        assert [path.name for path in target.parent.iterdir()] == ["file"]

    def test_an_empty_file_is_uploaded_and_downloaded(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        storage.upload_from_path(str(tmp_path / "empty"), "empty")
        assert storage.read("empty") == b""
        assert storage.download_to_path("empty", str(tmp_path / "again")).read_bytes() == b""

    def test_a_local_file_that_is_not_there_is_an_error(self, storage: Storage, tmp_path: Path) -> None:
        for wrong in (tmp_path / "nowhere", tmp_path):
            with pytest.raises(PathNotFound, match="cannot be uploaded"):
                storage.upload_from_path(wrong, "file")
        assert not storage.exists("file")

    def test_a_path_outside_is_neither_uploaded_nor_downloaded(
        self, storage: Storage, tmp_path: Path
    ) -> None:
        (tmp_path / "local").write_bytes(b"x")
        with pytest.raises(PathRefused):
            storage.upload_from_path(tmp_path / "local", "../x")
        with pytest.raises(PathRefused):
            storage.download_to_path("../x", tmp_path / "target")
        assert not (tmp_path / "target").exists()

    def test_a_path_may_be_a_path_object(self, storage: Storage, tmp_path: Path) -> None:
        local, path = tmp_path / "local", Path("data") / "yellow" / "trips.parquet"
        local.write_bytes(b"x")
        assert storage.upload_from_path(from_path=local, to_path=path) == storage.location(path)
        assert storage.read(path) == b"x"
        assert [file.path for file in storage.list_files(path.parent)] == ["data/yellow/trips.parquet"]

    def test_a_folder_goes_up_and_down_whole(self, storage: Storage, tmp_path: Path) -> None:
        files = {
            "a.txt": b"a",
            "empty": b"",
            "sub/b c.bin": bytes(range(256)) * 500,
            "sub/deep/er/가.txt": b"c",
            ".hidden/d": b"d",
        }
        files |= {f"many/{number}": str(number).encode() for number in range(40)}
        local = tmp_path / "local"
        for path, data in files.items():
            (local / path).parent.mkdir(parents=True, exist_ok=True)
            (local / path).write_bytes(data)
        done = storage.upload_folder(local, "up/here")
        size = sum(map(len, files.values()))
        assert (done.files, done.files_in_all, done.size_bytes, done.bytes_in_all) == (45, 45, size, size)
        assert {file.path for file in storage.list_files()} == {f"up/here/{path}" for path in files}
        again = storage.download_folder("up/here", tmp_path / "again", workers=3)
        assert again.files == 45
        found = {
            path.relative_to(tmp_path / "again").as_posix(): path.read_bytes()
            for path in (tmp_path / "again").rglob("*")
            if path.is_file()
        }
        assert found == files
        assert storage.download_folder("", tmp_path / "whole").files == 45
        assert (tmp_path / "whole" / "up" / "here" / "a.txt").read_bytes() == b"a"

    def test_a_transfer_tells_how_far_it_is(self, storage: Storage, tmp_path: Path) -> None:
        for number in range(12):
            (tmp_path / str(number)).write_bytes(bytes(100))
        seen: list[Transferred] = []
        lock = Lock()

        def note(progress: Transferred) -> None:
            assert lock.acquire(blocking=False), "two threads at a time"
            seen.append(progress)
            lock.release()

        storage.upload_folder(tmp_path, on_progress=note)
        assert [progress.files for progress in seen] == list(range(1, 13))
        assert [progress.size_bytes for progress in seen] == list(range(100, 1300, 100))
        assert {(progress.files_in_all, progress.bytes_in_all) for progress in seen} == {(12, 1200)}
        assert {progress.path for progress in seen} == {str(number) for number in range(12)}

    def test_an_empty_folder_has_nothing_to_upload(self, storage: Storage, tmp_path: Path) -> None:
        assert storage.upload_folder(tmp_path, "up").files == 0
        assert list(storage.list_files()) == []

    def test_a_folder_that_is_not_there_is_an_error(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        for wrong in (tmp_path / "nowhere", tmp_path / "file"):
            with pytest.raises(PathNotFound, match="cannot be uploaded"):
                storage.upload_folder(wrong)
        with pytest.raises(PathNotFound, match="No file is below"):
            storage.download_folder("nowhere", tmp_path / "target")
        assert not (tmp_path / "target").exists()

    def test_a_folder_outside_is_refused(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(PathRefused):
            storage.upload_folder(tmp_path, "../x")
        with pytest.raises(PathRefused):
            storage.download_folder("../x", tmp_path / "target")

    def test_links_to_files_are_followed_and_links_to_folders_are_not(
        self, storage: Storage, tmp_path: Path
    ) -> None:
        local, elsewhere = tmp_path / "local", tmp_path / "elsewhere"
        (elsewhere / "sub").mkdir(parents=True)
        (elsewhere / "sub" / "file").write_bytes(b"x")
        local.mkdir()
        (local / "link").symlink_to(elsewhere / "sub" / "file")
        (local / "folder").symlink_to(elsewhere)
        (local / "circle").symlink_to(local)
        (local / "nothing").symlink_to(tmp_path / "nowhere")
        os.mkfifo(local / "pipe")
        storage.upload_folder(local)
        assert [file.path for file in storage.list_files()] == ["link"]

    def test_the_first_error_ends_a_transfer(self, storage: Storage, tmp_path: Path) -> None:
        for number in range(20):
            storage.write(f"down/{number:02}", b"x")
        (tmp_path / "down" / "00").mkdir(parents=True)
        done: list[Transferred] = []
        with pytest.raises(StorageFailed, match="00"):
            storage.download_folder("down", tmp_path / "down", workers=1, on_progress=done.append)
        assert len(done) <= 1
