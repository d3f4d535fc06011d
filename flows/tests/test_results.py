from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import PrivateAttr
from shelf_storage import ShelfStorage

from blocks_core import use_library
from blocks_core.errors import PathNotFound
from blocks_core.testing import memory_library
from blocks_flows import Flow, Parameter, flow, task
from blocks_flows.errors import ResultInvalid, ResultNotStorable, ResultRefused, ResultStorageMissing
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.results import StoredResult, read_header, read_recorded, read_result, write_result


class CountingShelf(ShelfStorage, slug="test-counting-shelf"):
    """Knows how many bytes were asked of it, and in how many pieces it was written."""

    _ranges: list[tuple[int, int | None]] = PrivateAttr(default_factory=list)
    _pieces: list[int] = PrivateAttr(default_factory=list)

    def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        self._ranges.append((start, end))
        return super().read(path, start=start, end=end)

    def open_write(self, path: str):
        file, pieces = super().open_write(path), self._pieces
        write = file.write
        file.write = lambda data: pieces.append(len(data)) or write(data)
        return file


@pytest.mark.parametrize("serializer", ["cloudpickle", "json"])
def test_a_value_comes_back_as_it_went(shelf, serializer) -> None:
    value = {"model": [1.5, None, "x"]}
    stored = write_result(shelf, value, serializer=serializer)
    now = datetime.now(UTC)
    assert stored.path.startswith(f"{now.year}/{now.month}/{now.day}/")
    assert stored.path.endswith(".result")
    assert stored.location == f"shelf://{stored.path}"
    assert read_result(shelf, stored.path) == value


def test_the_first_line_says_what_follows(shelf) -> None:
    expires = datetime(2030, 1, 2, tzinfo=UTC)
    stored = write_result(shelf, "x" * 100, serializer="json", expires=expires)
    line, payload = shelf.files[stored.path].split(b"\n", 1)
    header = json.loads(line)
    assert list(header) == ["format", "serializer", "sha256", "size", "created", "expires"]
    assert (header["format"], header["serializer"], header["size"]) == (1, "json", len(payload))
    read = read_header(shelf, stored.path)
    assert (read.serializer, read.size, read.expires) == ("json", 102, expires)


def test_a_header_is_read_without_the_value() -> None:
    shelf = CountingShelf()
    stored = write_result(shelf, "x" * 1_000_000)
    assert read_header(shelf, stored.path).size > 1_000_000
    assert shelf._ranges == [(0, 4096)]


def test_a_large_value_is_written_in_pieces_and_a_small_one_at_once() -> None:
    shelf = CountingShelf()
    value = bytes(range(256)) * 80_000
    stored = write_result(shelf, value)
    assert read_result(shelf, stored.path) == value
    line, *pieces = shelf._pieces
    assert line < 300
    assert pieces == [8 << 20, 8 << 20, len(shelf.files[stored.path]) - line - (16 << 20)]
    shelf._pieces.clear()
    write_result(shelf, "small")
    assert shelf._pieces == []


@pytest.mark.parametrize("length", [0, 50, 300, 4096])
def test_a_file_that_was_cut_is_refused(shelf, length) -> None:
    stored = write_result(shelf, list(range(5000)))
    shelf.files[stored.path] = shelf.files[stored.path][:length]
    with pytest.raises(ResultInvalid):
        read_result(shelf, stored.path)


def test_a_result_is_over_when_it_says_so_or_is_older_than_allowed(shelf) -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    stored = write_result(shelf, 1, now=made, expires=made + timedelta(days=2))
    header = read_header(shelf, stored.path)
    assert stored.path.startswith("2026/1/1/")
    assert not header.is_over(made + timedelta(days=1))
    assert header.is_over(made + timedelta(days=2))
    assert header.is_over(made + timedelta(days=1), lifetime_seconds=3600)
    assert not header.is_over(made + timedelta(minutes=59), lifetime_seconds=3600)


def test_a_changed_result_is_refused_before_it_is_unpickled(shelf) -> None:
    stored = write_result(shelf, "value")
    shelf.files[stored.path] = shelf.files[stored.path].replace(b"value", b"valve")
    with pytest.raises(ResultInvalid, match="its checksum differs"):
        read_result(shelf, stored.path)


@pytest.mark.parametrize(
    "data", [b"", b"{}\n", b"no header\npayload", b'{"format": 2}\n', b"[" * 3000 + b"\n"]
)
def test_a_file_that_is_no_result_is_refused(shelf, data) -> None:
    shelf.files["a.result"] = data
    with pytest.raises(ResultInvalid, match=r"shelf://a\.result is no result"):
        read_result(shelf, "a.result")
    with pytest.raises(PathNotFound):
        read_result(shelf, "b.result")


def test_a_value_that_the_serializer_cannot_hold_is_refused(shelf) -> None:
    with pytest.raises(ResultNotStorable, match="type set"):
        write_result(shelf, {1}, serializer="json")
    assert shelf.files == {}


def test_a_flow_keeps_the_results_of_its_tasks_and_records_where(shelf, records, last_run) -> None:
    @task
    def train(alpha):
        return f"model_{alpha}"

    @task(persist_result=False)
    def forget():
        return 1

    with Flow("f", result_storage=shelf, executor=LocalDaskExecutor(num_workers=2)) as f:
        train.map(Parameter("alphas"))
        forget()
    f.run(alphas=[0.1, 1.0])
    rows = {row["name"]: row for row in records.task_runs(last_run()["id"])}
    assert read_result(shelf, rows["train[1]"]["result_path"]) == "model_1.0"
    assert rows["train[0]"]["result_location"] == f"shelf://{rows['train[0]']['result_path']}"
    assert rows["forget"]["result_path"] is rows["alphas"]["result_path"] is None
    assert len(shelf.files) == 2


def test_a_saved_storage_is_loaded_by_its_address_on_threads_too(shelf, records, last_run) -> None:
    @flow(result_storage="test-shelf/results")
    def keep():
        return [task(lambda x: x, name="same").submit(1).result()]

    with use_library(memory_library()):
        shelf.save("results")
        assert keep() == [1]
    run = last_run()
    assert run["result_storage"] == "test-shelf/results"
    [row] = records.task_runs(run["id"])
    assert row["result_storage"] == "test-shelf/results"


def test_a_result_that_cannot_be_kept_fails_the_task(shelf) -> None:
    with Flow("f", result_storage=shelf) as f:
        kept = task(lambda: (each for each in "abc"))()
    state = f.run().result[kept]
    assert state.is_failed()
    assert isinstance(state.result, ResultNotStorable)


def test_a_result_to_keep_needs_a_storage(last_run) -> None:
    with Flow("f") as f:
        task(persist_result=True)(lambda: 1)()
    with pytest.raises(ResultStorageMissing, match="result_storage='s3/results'"):
        f.run()
    assert last_run()["state_type"] == "Crashed"


class Trap:
    """Says when it is unpickled."""

    sprung: list[str] = []

    def __reduce__(self):
        return Trap.sprung.append, ("run",)


def test_a_recorded_result_is_read_from_the_storage_that_the_task_names(shelf) -> None:
    stored = write_result(shelf, {"a": 1})
    assert read_recorded(stored, shelf) == {"a": 1}
    with use_library(memory_library()):
        shelf.save("results")
        stored = write_result(shelf, 2)
        assert stored.storage == "test-shelf/results"
        assert read_recorded(stored, shelf) == 2


def test_a_row_that_names_another_storage_is_refused_and_nothing_is_unpickled(shelf) -> None:
    other = ShelfStorage()
    with use_library(memory_library()):
        other.save("uploads")
        shelf.save("results")
        forged = write_result(other, Trap())
        for named in (shelf, "test-shelf/results"):
            with pytest.raises(
                ResultRefused, match=r"'test-shelf/uploads'.*keeps results in 'test-shelf/results'"
            ):
                read_recorded(forged, named)
        with pytest.raises(ResultRefused, match="keeps no results"):
            read_recorded(forged, None)
    assert Trap.sprung == []


def test_an_unsaved_storage_is_known_by_where_its_files_are(shelf) -> None:
    stored = write_result(shelf, Trap())
    moved = StoredResult(stored.storage, stored.path, "shelf-of-others://x")
    with pytest.raises(ResultRefused, match="would keep it at shelf://"):
        read_recorded(moved, shelf)
    assert Trap.sprung == []
