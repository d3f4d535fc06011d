"""The collector of results whose time is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from shelf_storage import ShelfStorage

from blocks_core import use_library
from blocks_core.errors import BlockNotFound, StorageFailed
from blocks_core.testing import memory_library
from blocks_flows.results import Collected, LocalResult, collect_expired, write_result
from blocks_flows.results_commands import results

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class WornShelf(ShelfStorage, slug="test-worn-shelf"):
    """Gives only what is asked for, and keeps some files for good."""

    def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        assert end is not None, "the whole file was read"
        if "unreadable" in path:
            raise StorageFailed("The disk is worn.")
        return super().read(path, start=start, end=end)

    def remove(self, path: str) -> None:
        if "stuck" in path:
            raise StorageFailed("The disk is worn.")
        super().remove(path)


def fill(storage) -> None:
    for path, days in {"over/a": -1, "over/b": 0, "good": 1, "stuck": -1, "unreadable": -1}.items():
        write_result(storage, "x" * 5000, path=path, expires=NOW + timedelta(days=days))
    write_result(storage, 1, path="for-ever")
    for path, data in {"mine.csv": b"a,b\n1,2", "empty": b"", "mine.json": b'{"format": 1}\n'}.items():
        storage.write(path, data)


def test_what_is_over_goes_and_everything_else_stays() -> None:
    shelf = WornShelf()
    fill(shelf)
    freed = len(shelf.files["over/a"]) + len(shelf.files["over/b"])
    expected = Collected(kept=2, removed=2, other=3, failed=2, freed_bytes=freed)
    before = set(shelf.files)
    assert collect_expired(shelf, now=NOW, dry_run=True).removed == 3  # what is stuck is not tried
    assert set(shelf.files) == before
    assert collect_expired(shelf, now=NOW) == expected
    assert before - set(shelf.files) == {"over/a", "over/b"}
    assert collect_expired(shelf, now=NOW).removed == 0


def test_only_a_folder_is_cleaned_where_one_is_given(shelf) -> None:
    write_result(shelf, 1, path="cache/a", expires=NOW)
    write_result(shelf, 1, path="other/a", expires=NOW)
    assert collect_expired(shelf, "cache", now=NOW).removed == 1
    assert set(shelf.files) == {"other/a"}


def test_the_command_cleans_a_saved_storage_and_says_what_it_did(tmp_path) -> None:
    from blocks_standard import LocalFileSystem

    files = LocalFileSystem(base_path=tmp_path / "results")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    write_result(files, 1, path="a", expires=long_ago)
    write_result(files, 1, path="b")
    with use_library(memory_library()):
        files.save("results")
        address = "local-file-system/results"
        done = CliRunner().invoke(results, ["clean", address, "--dry-run", "-o", "json"])
        assert done.exit_code == 0, done.output
        found = json.loads(done.output)
        assert (found["dry_run"], found["removed"], found["kept"]) == (True, 1, 1)
        assert files.exists("a")
        done = CliRunner().invoke(results, ["clean", address])
    assert "removed" in done.output
    assert [each.path for each in files.list_files()] == ["b"]


def test_the_command_cleans_the_default_folder() -> None:
    place = LocalResult()
    write_result(place.storage, 1, path="cache/a", expires=datetime(2020, 1, 1, tzinfo=UTC))
    done = CliRunner().invoke(results, ["clean", "default", "-o", "json"])
    assert json.loads(done.output)["removed"] == 1
    assert not place.exists("cache/a")


def test_a_storage_that_is_not_saved_is_an_error() -> None:
    with use_library(memory_library()):
        done = CliRunner().invoke(results, ["clean", "test-worn-shelf/nowhere"])
    assert isinstance(done.exception, BlockNotFound)


@pytest.mark.parametrize("count", [0, 2500])
def test_many_files_are_looked_at_a_batch_after_another(shelf, count) -> None:
    for number in range(count):
        write_result(shelf, number, path=f"{number}", expires=NOW)
    assert collect_expired(shelf, now=NOW).removed == count
    assert shelf.files == {}
