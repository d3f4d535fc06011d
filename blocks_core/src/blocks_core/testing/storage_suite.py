"""`StorageSuite`: what every `Storage` must do, tried on a real one.

    class TestMyStorage(StorageSuite):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(folder=str(tmp_path))

The storage must be an empty place that the tests may write to.
"""

# ruff: noqa: D102 a test's name is its sentence

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import cast

import pytest

from blocks_core.capabilities import Storage
from blocks_core.errors import PathRefused, StorageFailed, ValueNotStorable
from blocks_core.testing.readable_storage_suite import ReadableStorageSuite
from blocks_core.testing.storage_streams_suite import StreamsSuite
from blocks_core.testing.storage_transfers_suite import TransfersSuite
from blocks_core.testing.tried_paths import HOSTILE_PATHS, UNUSUAL_PATHS

EVERY_BYTE = bytes(range(256))


class StorageSuite(StreamsSuite, TransfersSuite, ReadableStorageSuite):
    """Inherit it in a test class, give it a fixture `storage`, and every test here runs on your storage."""

    writers = 8
    """How many threads write the same file at once."""
    tells_cases_apart = True
    """Whether `A` is another name than `a`."""
    large_bytes = 5 * 1024 * 1024

    @pytest.fixture
    def storage(self) -> Storage:
        """Return a storage on an empty place."""
        raise NotImplementedError("Give your test class a fixture 'storage'.")

    @pytest.fixture
    def stocked(self, storage: Storage) -> Storage:
        """Return the storage with the files of `STOCK`."""
        for path, data in self.STOCK.items():
            storage.write(path, data)
        return storage

    @pytest.mark.parametrize(
        "data",
        [b"", b"\n", b"text", EVERY_BYTE, b"\xff\xfe\x00", b"\r\n\r\n"],
        ids=lambda data: repr(data[:6]),
    )
    def test_bytes_come_back_as_they_were_written(self, storage: Storage, data: bytes) -> None:
        storage.write("file.bin", data)
        assert storage.read("file.bin") == data

    def test_a_large_file_comes_back_as_it_was_written(self, storage: Storage) -> None:
        data = EVERY_BYTE * (self.large_bytes // len(EVERY_BYTE))
        storage.write("large.bin", data)
        assert storage.read("large.bin") == data
        assert [file.size_bytes for file in storage.list_files()] == [self.large_bytes]

    def test_a_text_is_refused_and_nothing_is_written(self, storage: Storage) -> None:
        with pytest.raises((ValueNotStorable, TypeError)):
            storage.write("file.txt", cast("bytes", "text"))
        assert not storage.exists("file.txt")

    @pytest.mark.parametrize("data", [b"short", b"much longer than before", b""])
    def test_a_second_write_takes_the_place_of_the_first(self, storage: Storage, data: bytes) -> None:
        storage.write("file", b"as it was first")
        assert storage.read("file") == b"as it was first"
        storage.write("file", data)
        assert storage.read("file") == data
        assert [(file.path, file.size_bytes) for file in storage.list_files()] == [("file", len(data))]

    def test_a_file_exists_from_its_write_to_its_removal(self, storage: Storage) -> None:
        assert not storage.exists("a/file")
        storage.write("a/file", b"x")
        assert storage.exists("a/file")
        storage.remove("a/file")
        assert not storage.exists("a/file")

    def test_a_folder_is_no_file(self, storage: Storage) -> None:
        storage.write("a/b/file", b"x")
        assert not storage.exists("a")
        assert not storage.exists("a/b")
        with pytest.raises(StorageFailed):
            storage.read("a/b")

    def test_one_file_has_one_path_however_it_is_spelled(self, storage: Storage) -> None:
        storage.write("./a//./b.txt", b"x")
        assert storage.read("a/b.txt") == b"x"
        assert storage.location("./a//b.txt") == storage.location("a/b.txt")
        assert [file.path for file in storage.list_files("./a//")] == ["a/b.txt"]

    def test_files_are_listed_at_every_depth_and_sorted_by_path(self, storage: Storage) -> None:
        paths = ["b.txt", "a/z", "a/b/c/d", "a.txt", "a/b/c-d", "a b", "0/1"]
        if self.tells_cases_apart:
            paths.append("A")
        for path in paths:
            storage.write(path, path.encode())
        assert [file.path for file in storage.list_files()] == sorted(paths)

    def test_a_listing_tells_the_size_and_the_time(self, storage: Storage) -> None:
        storage.write("folder/file", b"12345")
        [file] = storage.list_files("folder")
        assert (file.path, file.size_bytes) == ("folder/file", 5)
        if file.modified_at is not None:
            assert abs(datetime.now(UTC) - file.modified_at) < timedelta(hours=1)

    def test_an_empty_storage_lists_nothing(self, storage: Storage) -> None:
        assert list(storage.list_files()) == []

    def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(self, storage: Storage) -> None:
        for path in (
            ("a/1", "ab/2", "a.txt", "a", "sub/a/3") if self._may_have_both(storage) else ("a/1", "ab/2")
        ):
            storage.write(path, b"x")
        for prefix in ("a", "a/", "./a"):
            assert [file.path for file in storage.list_files(prefix)] == ["a/1"]

    def test_a_listing_shows_what_was_written_and_removed_since_the_last(self, storage: Storage) -> None:
        for path in ("a/1", "a/2"):
            storage.write(path, b"x")
            assert path in [file.path for file in storage.list_files("a")]
        storage.remove("a/1")
        assert [file.path for file in storage.list_files("a")] == ["a/2"]

    def test_what_another_object_wrote_is_seen(self, storage: Storage) -> None:
        other = pickle.loads(pickle.dumps(storage))
        assert not storage.exists("a/file")
        assert list(storage.list_files("a")) == []
        other.write("a/file", b"first")
        assert storage.read("a/file") == b"first"
        assert [file.size_bytes for file in storage.list_files("a")] == [5]
        other.write("a/file", b"second")
        assert storage.read("a/file") == b"second"
        other.remove("a/file")
        assert not storage.exists("a/file")

    def test_a_file_is_removed_once_and_again(self, storage: Storage) -> None:
        storage.write("a/file", b"x")
        storage.write("a/other", b"y")
        for _ in range(2):
            storage.remove("a/file")
            assert [file.path for file in storage.list_files()] == ["a/other"]

    def test_removing_what_never_was_is_no_error(self, storage: Storage) -> None:
        storage.remove("nowhere/file")

    @pytest.mark.parametrize("path", HOSTILE_PATHS, ids=ascii)
    def test_a_path_that_leads_outside_or_is_none_is_refused(self, storage: Storage, path: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: storage.read(path),
            lambda: storage.write(path, b"x"),
            lambda: storage.exists(path),
            lambda: storage.remove(path),
            lambda: storage.location(path),
            lambda: storage.open_read(path),
            lambda: storage.open_write(path),
        ]
        for call in calls:
            with pytest.raises(PathRefused):
                call()
        assert list(storage.list_files()) == []

    @pytest.mark.parametrize("path", UNUSUAL_PATHS, ids=lambda path: ascii(path)[:20])
    def test_a_path_may_have_any_other_character(self, storage: Storage, path: str) -> None:
        storage.write(path, path.encode())
        storage.write(f"folder/{path}", b"x")
        assert storage.read(path) == path.encode()
        assert storage.exists(path)
        assert {file.path for file in storage.list_files()} == {path, f"folder/{path}"}
        assert path in storage.location(path)
        storage.remove(path)
        assert not storage.exists(path)
        assert [file.path for file in storage.list_files()] == [f"folder/{path}"]

    def test_names_that_differ_in_their_encoding_only_are_two_files(self, storage: Storage) -> None:
        storage.write("a b", b"space")
        storage.write("a%20b", b"encoded")
        storage.write("a+b", b"plus")
        found = {path: storage.read(path) for path in ("a b", "a%20b", "a+b")}
        assert found == {"a b": b"space", "a%20b": b"encoded", "a+b": b"plus"}

    def test_of_many_writers_at_once_one_whole_file_remains(self, storage: Storage) -> None:
        def write(data: bytes) -> str:
            return storage.write("shared/file", data)

        write(b"\x00" * 300_000)
        whole = [bytes([number]) * 300_000 for number in range(self.writers)]
        with ThreadPoolExecutor(self.writers) as pool, _reading(storage, "shared/file") as seen:
            list(pool.map(write, whole))
        assert storage.read("shared/file") in whole
        assert seen, "the reader read nothing"
        assert all(len(data) == 300_000 and len(set(data)) == 1 for data in seen)
        assert [file.path for file in storage.list_files()] == ["shared/file"]

    def test_many_files_are_written_at_once(self, storage: Storage) -> None:
        def write(number: int) -> bytes:
            storage.write(f"many/{number % 5}/{number}", str(number).encode())
            return storage.read(f"many/{number % 5}/{number}")

        with ThreadPoolExecutor(self.writers) as pool:
            assert list(pool.map(write, range(40))) == [str(number).encode() for number in range(40)]
        assert len(list(storage.list_files("many"))) == 40

    def test_a_write_returns_the_location(self, storage: Storage) -> None:
        assert storage.write("a/b.txt", b"x") == storage.location("a/b.txt")
        assert storage.location("a/b.txt").endswith("/a/b.txt")

    def test_a_check_finds_the_four_permissions_and_leaves_nothing(self, storage: Storage) -> None:
        report = storage.check()
        assert report.ok, report
        assert [result.name for result in report.results] == ["list", "write", "read", "delete"]
        assert list(storage.list_files()) == []

    def test_a_copy_and_a_changed_copy_work(self, storage: Storage) -> None:
        storage.write("file", b"x")
        for copy in (
            storage.model_copy(),
            storage.model_copy(deep=True),
            pickle.loads(pickle.dumps(storage)),
        ):
            assert copy.read("file") == b"x"
            assert copy == storage

    def _may_have_both(self, storage: Storage) -> bool:
        """Tell whether a file `a` and a file `a/1` can be together, as in object stores."""
        try:
            storage.write("both", b"x")
            storage.write("both/1", b"x")
        except StorageFailed:
            return False
        finally:
            storage.remove("both")
        storage.remove("both/1")
        return True


@contextmanager
def _reading(storage: Storage, path: str) -> Generator[list[bytes]]:
    """Read a file again and again in another thread, and give what was read."""
    seen: list[bytes] = []
    done = Event()

    def read() -> None:
        seen.append(storage.read(path))
        while not done.wait(0.002):  # else a storage in memory is read a million times
            seen.append(storage.read(path))

    reader = Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        done.set()
        reader.join()
