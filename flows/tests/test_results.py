from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from blocks_core import use_library
from blocks_core.errors import PathNotFound
from blocks_core.testing import memory_library
from blocks_flows import Flow, Parameter, flow, task
from blocks_flows.errors import ResultInvalid, ResultNotStorable, ResultStorageMissing
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.results import read_header, read_result, write_result


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


def test_a_changed_result_is_refused_before_it_is_unpickled(shelf) -> None:
    stored = write_result(shelf, "value")
    shelf.files[stored.path] = shelf.files[stored.path].replace(b"value", b"valve")
    with pytest.raises(ResultInvalid, match="its checksum differs"):
        read_result(shelf, stored.path)


@pytest.mark.parametrize("data", [b"", b"{}\n", b"no header\npayload", b'{"format": 2}\n'])
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
