"""`ReadableStorageSuite`: what every `ReadableStorage` must do, tried on one that holds known files.

    class TestMyFiles(ReadableStorageSuite):
        @pytest.fixture
        def stocked(self, server):
            server.fill(self.STOCK)
            return MyFiles(address=server.url)

No test writes to the storage, nor takes it for one that cannot be written to.
"""

# ruff: noqa: D102 a test's name is its sentence

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from random import Random
from typing import Any, ClassVar

import pytest

from blocks_core.capabilities import ReadableStorage
from blocks_core.errors import PathNotFound, PathRefused, StorageFailed
from blocks_core.testing.tried_paths import HOSTILE_FOLDERS, HOSTILE_PATHS
from blocks_core.transfers import Transferred

LARGE_BYTES = 1_300_000

_RANGES = (
    (0, None),
    (0, 4),
    (3, 7),
    (3, None),
    (0, 0),
    (5, 5),
    (7, 3),
    (9, 10),
    (0, 10),
    (0, 99),
    (6, 99),
    (10, None),
    (10, 20),
    (99, None),
    (99, 100),
)


class ReadableStorageSuite:
    """Inherit it in a test class, give it a fixture `stocked`, and every test here runs on your storage."""

    STOCK: ClassVar[dict[str, bytes]] = {
        "digits": b"0123456789",
        "empty": b"",
        "folder/deeper/still/lines.txt": "one\ntwo é\r\n\nfour".encode(),
        "folder/every byte.bin": bytes(range(256)),
        "folder/table.csv": b"name,count\nx,1\ny,2\n",
        "folder-2/digits": b"of another folder whose name begins alike",
        "large.bin": Random(4711).randbytes(LARGE_BYTES),
        "가나다/é/🦉.txt": "부엉이\n".encode(),
    }
    """What the storage holds: path -> bytes."""

    @pytest.fixture
    def stocked(self) -> ReadableStorage:
        """Return a storage that holds exactly the files of `STOCK`."""
        raise NotImplementedError("Give your test class a fixture 'stocked'.")

    @pytest.fixture
    def here(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return an empty local folder."""
        return tmp_path_factory.mktemp("here")

    def test_each_file_reads_as_the_bytes_that_it_has(self, stocked: ReadableStorage) -> None:
        assert {path: stocked.read(path) for path in self.STOCK} == self.STOCK

    def test_a_range_that_is_read_is_a_slice_of_the_bytes(self, stocked: ReadableStorage) -> None:
        for start, end in _RANGES:
            assert stocked.read("digits", start=start, end=end) == b"0123456789"[start:end], (start, end)

    def test_a_range_of_a_large_file_is_a_slice_too(self, stocked: ReadableStorage) -> None:
        data = self.STOCK["large.bin"]
        for start, end in ((0, 1), (1_048_570, 1_048_590), (LARGE_BYTES - 7, None), (LARGE_BYTES, None)):
            assert stocked.read("large.bin", start=start, end=end) == data[start:end], (start, end)

    def test_a_range_that_is_read_of_an_empty_file_is_empty(self, stocked: ReadableStorage) -> None:
        assert stocked.read("empty", start=0, end=5) == b""
        assert stocked.read("empty", start=5) == b""

    def test_a_range_that_counts_from_the_end_is_refused(self, stocked: ReadableStorage) -> None:
        for start, end in ((-1, None), (0, -1)):
            with pytest.raises(StorageFailed, match="offsets"):
                stocked.read("digits", start=start, end=end)

    def test_an_opened_file_reads_as_the_bytes_that_it_has(self, stocked: ReadableStorage) -> None:
        for path, data in self.STOCK.items():
            with stocked.open_read(path) as stream:
                assert stream.readable()
                assert stream.read() == data, path
                assert stream.read() == b""
                assert stream.read(1) == b""
            assert stream.closed

    def test_an_opened_file_is_read_in_pieces(self, stocked: ReadableStorage) -> None:
        copy = io.BytesIO()
        with stocked.open_read("large.bin") as stream:
            shutil.copyfileobj(stream, copy, 100_000)
        assert copy.getvalue() == self.STOCK["large.bin"]

    def test_an_opened_file_goes_to_any_offset(self, stocked: ReadableStorage) -> None:
        data = self.STOCK["large.bin"]
        with stocked.open_read("large.bin") as stream:
            assert stream.seekable()
            assert stream.tell() == 0
            assert stream.seek(1_000_000) == 1_000_000
            assert stream.read(10) == data[1_000_000:1_000_010]
            assert stream.tell() == 1_000_010
            assert stream.seek(-4, io.SEEK_END) == LARGE_BYTES - 4
            assert stream.read() == data[-4:]
            assert stream.seek(0) == 0
            assert stream.read(3) == data[:3]
            assert stream.seek(2, io.SEEK_CUR) == 5
            assert stream.read(3) == data[5:8]

    def test_an_opened_file_gives_its_lines(self, stocked: ReadableStorage) -> None:
        lines = [b"one\n", "two é\r\n".encode(), b"\n", b"four"]
        with stocked.open_read("folder/deeper/still/lines.txt") as stream:
            assert list(stream) == lines
        with stocked.open_read("folder/deeper/still/lines.txt") as stream:
            assert [stream.readline() for _ in range(5)] == [*lines, b""]
        with stocked.open_read("folder/deeper/still/lines.txt") as stream:
            assert stream.readlines() == lines

    def test_an_opened_file_is_read_as_text(self, stocked: ReadableStorage) -> None:
        with io.TextIOWrapper(stocked.open_read("folder/deeper/still/lines.txt"), encoding="utf-8") as text:
            assert text.read() == "one\ntwo é\n\nfour"

    def test_an_opened_file_fills_a_buffer(self, stocked: ReadableStorage) -> None:
        with io.BufferedReader(stocked.open_read("large.bin"), 8192) as stream:  # type: ignore[arg-type]
            assert stream.peek(3)[:3] == self.STOCK["large.bin"][:3]
            assert stream.read() == self.STOCK["large.bin"]

    def test_two_opened_files_do_not_move_each_other(self, stocked: ReadableStorage) -> None:
        with stocked.open_read("digits") as first, stocked.open_read("digits") as second:
            assert first.read(4) == b"0123"
            assert second.read() == b"0123456789"
            assert first.read() == b"456789"

    def test_each_file_exists_and_nothing_else_does(self, stocked: ReadableStorage) -> None:
        assert all(stocked.exists(path) for path in self.STOCK)
        for path in ("nowhere", "folder/nowhere", "nowhere/digits", "digits/below", "Digits.txt"):
            assert not stocked.exists(path)

    def test_a_folder_is_not_read_as_a_file(self, stocked: ReadableStorage, here: Path) -> None:
        for path in ("folder", "folder/deeper", "가나다"):
            assert not stocked.exists(path)
            for call in _readings(stocked, path, here):
                assert _raised(StorageFailed, call), path

    def test_each_file_is_listed_with_its_size_and_sorted_by_path(self, stocked: ReadableStorage) -> None:
        found = list(stocked.list_files())
        assert [(file.path, file.size_bytes) for file in found] == [
            (path, len(data)) for path, data in sorted(self.STOCK.items())
        ]
        for file in found:
            if file.modified_at is not None:
                assert file.modified_at < datetime.now(UTC) + timedelta(hours=1)

    def test_what_is_listed_below_a_folder_is_in_it(self, stocked: ReadableStorage) -> None:
        expected = sorted(path for path in self.STOCK if path.startswith("folder/"))
        for prefix in ("folder", "folder/", "./folder", PurePosixPath("folder")):
            assert [file.path for file in stocked.list_files(prefix)] == expected, prefix

    def test_a_folder_is_listed_at_every_depth(self, stocked: ReadableStorage) -> None:
        for folder in ("folder/deeper", "folder/deeper/still"):
            assert [file.path for file in stocked.list_files(folder)] == ["folder/deeper/still/lines.txt"]

    def test_what_is_no_folder_lists_nothing(self, stocked: ReadableStorage) -> None:
        for prefix in ("nowhere", "fold", "nowhere/deeper/", "digits", "folder/table.csv"):
            assert list(stocked.list_files(prefix)) == [], prefix

    def test_a_file_has_one_path_however_that_is_spelled(self, stocked: ReadableStorage) -> None:
        assert stocked.read("./folder//./table.csv") == self.STOCK["folder/table.csv"]
        assert stocked.location("./folder//table.csv") == stocked.location("folder/table.csv")

    def test_each_call_takes_a_path_object(self, stocked: ReadableStorage, here: Path) -> None:
        path = PurePosixPath("folder", "table.csv")
        data = self.STOCK["folder/table.csv"]
        assert stocked.read(path) == data
        assert stocked.exists(path)
        assert stocked.location(path) == stocked.location("folder/table.csv")
        assert stocked.download_to_path(path, here / "table.csv").read_bytes() == data
        with stocked.open_read(path) as stream:
            assert stream.read() == data

    def test_each_location_is_of_one_file(self, stocked: ReadableStorage) -> None:
        assert len({stocked.location(path) for path in self.STOCK}) == len(self.STOCK)
        assert stocked.location("folder/table.csv").endswith("folder/table.csv")

    def test_a_path_without_a_file_is_an_error_with_its_location(
        self, stocked: ReadableStorage, here: Path
    ) -> None:
        for path in ("nowhere", "folder/nowhere", "nowhere/digits", "digits/below"):
            for call in (
                *_readings(stocked, path, here),
                partial(stocked.read, path, start=2, end=5),
                partial(stocked.read, path, start=5, end=5),
            ):
                found = _raised(PathNotFound, call)
                assert stocked.location(path) in str(found)
                assert isinstance(found, FileNotFoundError)
        assert list(here.iterdir()) == []

    def test_a_path_that_leads_out_or_is_none_is_not_read(self, stocked: ReadableStorage, here: Path) -> None:
        for path in HOSTILE_PATHS:
            for call in (
                *_readings(stocked, path, here),
                partial(stocked.exists, path),
                partial(stocked.location, path),
            ):
                assert _raised(PathRefused, call), ascii(path)
        assert list(here.iterdir()) == []

    def test_a_folder_that_leads_out_is_neither_listed_nor_downloaded(
        self, stocked: ReadableStorage, here: Path
    ) -> None:
        for folder in HOSTILE_FOLDERS:
            assert _raised(PathRefused, lambda folder=folder: list(stocked.list_files(folder))), ascii(folder)
            assert _raised(PathRefused, partial(stocked.download_folder, folder, here)), ascii(folder)

    def test_a_file_is_downloaded_whole(self, stocked: ReadableStorage, here: Path) -> None:
        target = here / "new" / "folder" / "file"
        for path in ("empty", "large.bin", "folder/every byte.bin"):
            assert stocked.download_to_path(path, target) == target  # in place of what is there
            assert target.read_bytes() == self.STOCK[path]
            assert stocked.download_to_path(path, str(target)) == target
            assert [found.name for found in target.parent.iterdir()] == ["file"]

    def test_what_cannot_be_downloaded_leaves_the_local_file_as_it_was(
        self, stocked: ReadableStorage, here: Path
    ) -> None:
        local = here / "place" / "local"
        local.parent.mkdir()
        local.write_bytes(b"as it was")
        for path in ("nowhere", "folder"):
            with pytest.raises(PathNotFound):
                stocked.download_to_path(path, local)
        with pytest.raises(StorageFailed, match="is a folder"):
            stocked.download_to_path("digits", local.parent)
        assert local.read_bytes() == b"as it was"
        assert [found.name for found in local.parent.iterdir()] == ["local"]

    @pytest.mark.parametrize("workers", [1, 4])
    def test_all_files_are_downloaded_with_progress(
        self, stocked: ReadableStorage, workers: int, here: Path
    ) -> None:
        (here / "other").write_bytes(b"stays")
        seen: list[Transferred] = []
        done = stocked.download_folder("", here, workers=workers, on_progress=seen.append)
        size = sum(map(len, self.STOCK.values()))
        assert (done.files, done.size_bytes) == (done.files_in_all, done.bytes_in_all)
        assert (done.files, done.size_bytes) == (len(self.STOCK), size)
        assert [step.files for step in seen] == list(range(1, len(self.STOCK) + 1))
        assert {step.path for step in seen} == set(self.STOCK)
        assert _files_in(here) == {**self.STOCK, "other": b"stays"}

    def test_one_folder_is_downloaded_without_the_others(self, stocked: ReadableStorage, here: Path) -> None:
        stocked.download_folder("folder", here / "new")
        assert _files_in(here / "new") == {
            path.removeprefix("folder/"): data
            for path, data in self.STOCK.items()
            if path.startswith("folder/")
        }

    def test_a_folder_that_is_not_there_is_not_downloaded(self, stocked: ReadableStorage, here: Path) -> None:
        for folder in ("nowhere", "digits"):
            with pytest.raises(PathNotFound, match="No file is below"):
                stocked.download_folder(folder, here / "new")
        assert not (here / "new").exists()

    def test_its_filesystem_shows_what_is_in_a_folder(self, stocked: ReadableStorage) -> None:
        files = stocked.filesystem()
        tops = {path.partition("/")[0] for path in self.STOCK}
        assert set(files.ls("", detail=False)) == tops
        assert {entry["name"]: (entry["type"], entry["size"]) for entry in files.ls("folder")} == {
            "folder/deeper": ("directory", 0),
            "folder/every byte.bin": ("file", 256),
            "folder/table.csv": ("file", len(self.STOCK["folder/table.csv"])),
        }
        assert files.ls("digits", detail=False) == ["digits"]
        with pytest.raises(FileNotFoundError):
            files.ls("nowhere")

    def test_its_filesystem_tells_files_from_folders(self, stocked: ReadableStorage) -> None:
        files = stocked.filesystem()
        assert files.info("digits")["type"] == "file"
        assert files.info("digits")["size"] == files.size("digits") == 10
        assert files.info("folder/deeper")["type"] == files.info("")["type"] == "directory"
        assert (files.isfile("digits"), files.isdir("digits"), files.exists("digits")) == (True, False, True)
        assert (files.isfile("folder"), files.isdir("folder"), files.exists("folder")) == (False, True, True)
        assert not files.exists("nowhere")
        with pytest.raises(FileNotFoundError):
            files.info("nowhere/file")

    def test_its_filesystem_finds_files(self, stocked: ReadableStorage) -> None:
        files = stocked.filesystem()
        assert files.find("") == sorted(self.STOCK)
        assert files.find("folder") == sorted(path for path in self.STOCK if path.startswith("folder/"))
        assert files.find("digits") == ["digits"]
        assert files.find("nowhere") == []
        assert files.glob("folder/*.csv") == ["folder/table.csv"]
        assert files.glob("**/*.txt") == ["folder/deeper/still/lines.txt", "가나다/é/🦉.txt"]
        assert [(top, folders, names) for top, folders, names in files.walk("folder")] == [
            ("folder", ["deeper"], ["every byte.bin", "table.csv"]),
            ("folder/deeper", ["still"], []),
            ("folder/deeper/still", [], ["lines.txt"]),
        ]

    def test_its_filesystem_reads(self, stocked: ReadableStorage, here: Path) -> None:
        files = stocked.filesystem()
        assert files.cat("digits") == b"0123456789"
        assert files.cat(["digits", "empty"]) == {"digits": b"0123456789", "empty": b""}
        assert files.cat_file("digits", start=2, end=5) == b"234"
        assert files.cat_file("digits", start=-3) == b"789"
        with files.open("folder/table.csv", "r", encoding="utf-8") as text:
            assert text.read() == "name,count\nx,1\ny,2\n"
        with files.open("large.bin") as stream:
            stream.seek(1_000_000)
            assert stream.read(5) == self.STOCK["large.bin"][1_000_000:1_000_005]
        files.get("folder/", str(here / "got"), recursive=True)
        assert (here / "got/deeper/still/lines.txt").is_file()
        with pytest.raises(FileNotFoundError):
            files.cat("nowhere")

    def test_its_filesystem_refuses_to_leave_it(self, stocked: ReadableStorage) -> None:
        files = stocked.filesystem()
        for path in ("../x", "a/../../x", "%2e%2e/x"):
            with pytest.raises(PathRefused):
                files.cat_file(path)
            with pytest.raises(PathRefused):
                files.open(path)

    def test_its_filesystem_goes_to_other_processes(self, stocked: ReadableStorage) -> None:
        copy: Any = pickle.loads(pickle.dumps(stocked.filesystem()))
        assert copy.cat("digits") == b"0123456789"

    def test_a_copy_by_any_means_reads_the_same(self, stocked: ReadableStorage) -> None:
        stocked.read("digits")
        for copy in (
            stocked.model_copy(),
            stocked.model_copy(deep=True),
            pickle.loads(pickle.dumps(stocked)),
        ):
            assert copy == stocked
            assert copy.read("digits") == b"0123456789"

    def test_many_threads_read_at_once(self, stocked: ReadableStorage) -> None:
        def read(number: int) -> tuple[int, bytes, int]:
            with stocked.open_read("large.bin") as stream:
                stream.seek(number * 1000)
                piece = stream.read(50)
            return number, piece, len(list(stocked.list_files("folder")))

        with ThreadPoolExecutor(6) as pool:
            for number, piece, count in pool.map(read, range(24)):
                assert piece == self.STOCK["large.bin"][number * 1000 : number * 1000 + 50]
                assert count == 3

    def test_a_check_says_one_line_for_each_thing(self, stocked: ReadableStorage) -> None:
        report = stocked.check()
        assert report.ok, report
        names = [result.name for result in report.results]
        assert len(set(names)) == len(names) > 0
        assert all(len(result.detail.splitlines()) <= 1 for result in report.results)


def _readings(storage: ReadableStorage, path: str, here: Path) -> tuple[Callable[[], object], ...]:
    """Return each way to read a file."""
    return (
        partial(storage.read, path),
        partial(storage.open_read, path),
        partial(storage.download_to_path, path, here / "file"),
    )


def _raised(kind: type[Exception], call: Callable[[], object]) -> Exception | None:
    """Return what a call raised, if it is of a kind; None where it raised nothing."""
    try:
        call()
    except kind as error:
        return error
    return None


def _files_in(folder: Path) -> dict[str, bytes]:
    return {
        found.relative_to(folder).as_posix(): found.read_bytes()
        for found in folder.rglob("*")
        if found.is_file()
    }
