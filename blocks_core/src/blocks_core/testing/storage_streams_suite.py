"""The part of `StorageSuite` about open files, copies and the view of fsspec; inherit `StorageSuite`, not this."""

# ruff: noqa: D102 a test's name is its sentence

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import pytest

from blocks_core.capabilities import Storage
from blocks_core.errors import PathNotFound, PathRefused, StorageFailed

LINES = b"first\nsecond \xea\xb0\x80\n\nlast without an end"


class StreamsSuite:
    """Open files, copies, and what pandas and others see."""

    streamed_bytes = 12 * 1024 * 1024
    """Written and read in pieces: more than what stores take in one part."""

    def test_an_open_file_is_read_in_pieces_and_lines(self, storage: Storage) -> None:
        storage.write("a/lines", LINES)
        with storage.open_read("a/lines") as file:
            assert file.readable()
            assert (file.read(3), file.readline(), file.tell()) == (b"fir", b"st\n", 6)
            assert list(file) == LINES.splitlines(keepends=True)[1:]
            assert file.read() == b""
            assert file.seek(-3, io.SEEK_END) == len(LINES) - 3
            assert file.read() == b"end"
            assert file.seek(0) == 0
            assert file.read() == LINES
        assert file.closed
        with io.TextIOWrapper(storage.open_read("a/lines"), "utf-8") as text:
            assert text.readlines()[1] == "second 가\n"

    def test_a_file_is_written_in_pieces(self, storage: Storage) -> None:
        with storage.open_write("a/pieces") as file:
            assert file.writable()
            assert [
                file.write(piece) for piece in (b"one", b"", bytearray(b" two"), memoryview(b" three"))
            ] == [
                3,
                0,
                4,
                6,
            ]
            assert file.tell() == 13
        assert storage.read("a/pieces") == b"one two three"
        with io.TextIOWrapper(storage.open_write("a/text"), "utf-8") as text:
            print("가나다", file=text)
        assert storage.read("a/text") == "가나다\n".encode()

    def test_an_empty_file_is_written(self, storage: Storage) -> None:
        with storage.open_write("empty"):
            pass
        assert storage.read("empty") == b""

    def test_a_large_file_is_written_and_read_in_pieces(self, storage: Storage) -> None:
        piece = bytes(range(256)) * 4096
        count = self.streamed_bytes // len(piece)
        with storage.open_write("large") as file:
            for number in range(count):
                file.write(number.to_bytes(4, "big") + piece[4:])
        with storage.open_read("large") as file:
            for number in range(count):
                assert file.read(len(piece)) == number.to_bytes(4, "big") + piece[4:]
            assert file.read(1) == b""
            file.seek(len(piece) * (count - 1))
            assert file.read(4) == (count - 1).to_bytes(4, "big")

    def test_nobody_sees_a_file_before_it_is_closed(self, storage: Storage) -> None:
        storage.write("file", b"as it was")
        with storage.open_write("file") as file, storage.open_write("other") as other:
            for _ in range(self.streamed_bytes // (1 << 20)):
                file.write(bytes(1 << 20))
                other.write(b"x")
            assert storage.read("file") == b"as it was"
            assert not storage.exists("other")
            assert [found.path for found in storage.list_files()] == ["file"]
        assert len(storage.read("file")) == self.streamed_bytes // (1 << 20) * (1 << 20)
        assert {found.path for found in storage.list_files()} == {"file", "other"}

    @pytest.mark.parametrize("size", [5, 7 * 1024 * 1024], ids=["small", "large"])
    def test_a_write_that_ends_with_an_error_leaves_what_was_there(self, storage: Storage, size: int) -> None:
        storage.write("file", b"as it was")
        for path in ("file", "new"):
            with suppress(ZeroDivisionError), storage.open_write(path) as file:
                file.write(bytes(size))
                raise ZeroDivisionError
        assert storage.read("file") == b"as it was"
        assert not storage.exists("new")
        assert [found.path for found in storage.list_files()] == ["file"]

    def test_a_file_that_nobody_closed_is_not_kept(self, storage: Storage) -> None:
        file = storage.open_write("file")
        file.write(b"half of it")
        del file
        assert not storage.exists("file")
        assert list(storage.list_files()) == []

    def test_what_is_closed_is_not_written_to(self, storage: Storage) -> None:
        with storage.open_write("file") as file:
            file.write(b"x")
        with pytest.raises(ValueError, match="closed"):
            file.write(b"y")
        file.close()
        assert storage.read("file") == b"x"

    @pytest.mark.parametrize("path", ["../x", "/x", "", "a/..", "%2e%2e/x", "folder/"], ids=ascii)
    def test_a_path_outside_is_neither_opened_nor_copied(self, storage: Storage, path: str) -> None:
        storage.write("file", b"x")
        for call in (storage.open_read, storage.open_write):
            with pytest.raises(PathRefused):
                call(path)
        with pytest.raises(PathRefused):
            storage.copy_file("file", path)
        with pytest.raises(PathRefused):
            storage.copy_file(path, "copy")
        assert [found.path for found in storage.list_files()] == ["file"]

    def test_a_file_is_copied_inside_of_the_storage(self, storage: Storage) -> None:
        data = bytes(range(256)) * 20_000
        storage.write("from/file", data)
        storage.write("to/file", b"in its way")
        assert storage.copy_file("from/file", "to/file") == storage.location("to/file")
        assert storage.copy_file("from/file", "to/new/가 b%20c") == storage.location("to/new/가 b%20c")
        for path in ("from/file", "to/file", "to/new/가 b%20c"):
            assert storage.read(path) == data

    def test_a_file_is_copied_to_itself_and_stays(self, storage: Storage) -> None:
        storage.write("file", b"x")
        assert storage.copy_file("file", "./file") == storage.location("file")
        assert storage.read("file") == b"x"

    def test_what_is_not_there_is_not_copied(self, storage: Storage) -> None:
        storage.write("folder/file", b"x")
        for path in ("nowhere", "folder"):
            with pytest.raises(PathNotFound) as caught:
                storage.copy_file(path, "copy")
            assert storage.location(path) in str(caught.value)
        assert [found.path for found in storage.list_files()] == ["folder/file"]

    def test_the_view_reads_and_writes_the_same_files(self, storage: Storage) -> None:
        view = storage.filesystem()
        storage.write("a/one.csv", b"1,2\n3,4\n")
        with view.open("a/one.csv", "rt") as file:
            assert file.readlines() == ["1,2\n", "3,4\n"]
        with view.open("a/b/two.csv", "wt", encoding="utf-8") as file:
            file.write("가,나\n")
        assert storage.read("a/b/two.csv") == "가,나\n".encode()
        view.pipe("a/three", b"0123456789")
        assert view.cat_file("a/three", 2, 5) == b"234"
        assert view.cat_file("a/three", -3) == b"789"
        assert view.cat(["a/three", "a/one.csv"]) == {"a/three": b"0123456789", "a/one.csv": b"1,2\n3,4\n"}

    def test_the_view_copies_moves_and_removes(self, storage: Storage, tmp_path: Any) -> None:
        view = storage.filesystem()
        (tmp_path / "local").write_bytes(b"x")
        view.put_file(str(tmp_path / "local"), "a/1")
        view.cp_file("a/1", "a/2")
        view.mv("a/2", "b/3")
        view.get_file("b/3", str(tmp_path / "again"))
        assert (tmp_path / "again").read_bytes() == b"x"
        assert {file.path for file in storage.list_files()} == {"a/1", "b/3"}
        view.rm("a", recursive=True)
        assert [file.path for file in storage.list_files()] == ["b/3"]

    def test_the_view_refuses_what_the_storage_refuses(self, storage: Storage) -> None:
        view = storage.filesystem()
        storage.write("a/file", b"x")
        with pytest.raises(FileNotFoundError):
            view.open("nowhere")
        with pytest.raises(FileNotFoundError):
            view.ls("nowhere")
        with pytest.raises(FileNotFoundError):
            view.info("nowhere")
        for path in ("../x", "a/../../x", "%2e%2e/x"):
            with pytest.raises(PathRefused):
                view.open(path)
            with pytest.raises(PathRefused):
                view.pipe_file(path, b"x")
            with pytest.raises(PathRefused):
                view.ls(path)
        with pytest.raises((NotImplementedError, StorageFailed)):
            view.open("a/file", "ab")
