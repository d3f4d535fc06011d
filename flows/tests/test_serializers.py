from __future__ import annotations

import gzip
import subprocess
import sys
import zlib

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_core.errors import PackageMissing
from blocks_flows import serializers, task
from blocks_flows.errors import FlowInvalid, ResultInvalid, ResultNotStorable
from blocks_flows.results import open_result, read_result, write_result
from blocks_flows.serializers import find_serializer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FRAMES = [
    pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, float("nan")]}),
    pd.DataFrame({"t": pd.date_range("2020", periods=2, tz="Asia/Seoul")}, index=["r", "s"]),
    pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["b", "a"], ordered=True)}),
    pd.DataFrame({"i": pd.array([1, None], dtype="Int64")}),
    pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
    pd.DataFrame(),
]


def there_and_back(name: str, value):
    serializer = find_serializer(name)
    return serializer.loads(memoryview(serializer.dumps(value)))


@given(value=JSON)
def test_json_gives_back_exactly_what_it_took(value) -> None:
    found = there_and_back("json", value)
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ((1, 2), "it has a tuple"),
        ({"a": [{1}]}, "it has a set"),
        ({1: "a"}, "a key of type int"),
        ([float("nan")], "not finite"),
        ([b"x"], "it has a bytes"),
        ([pd.Timestamp("2020")], "it has a Timestamp"),
    ],
)
def test_json_refuses_what_it_would_change(shelf, value, reason) -> None:
    with pytest.raises(ResultNotStorable, match=f"the serializer 'json': .*{reason}.*result_serializer"):
        write_result(shelf, value, serializer="json")
    assert shelf.files == {}


def test_a_value_that_holds_itself_is_refused_by_json(shelf) -> None:
    value: list = []
    value.append(value)
    with pytest.raises(ResultNotStorable, match="RecursionError"):
        write_result(shelf, value, serializer="json")


@pytest.mark.parametrize("name", ["cloudpickle", "pickle", "compressed/pickle"])
def test_pickles_hold_functions_too(name) -> None:
    assert there_and_back(name, lambda x: x + 1)(1) == 2


@pytest.mark.parametrize("name", ["arrow", "parquet", "compressed/arrow", "compressed/parquet"])
@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_a_data_frame_comes_back_with_its_types_and_its_index(name, frame) -> None:
    found = there_and_back(name, frame)
    pd.testing.assert_frame_equal(found, frame, check_exact=True, check_freq=False)


@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_a_table_comes_back_as_a_table(name) -> None:
    table = pa.Table.from_pandas(FRAMES[0])
    found = there_and_back(name, table)
    assert type(found) is pa.Table
    assert found.schema.equals(table.schema, check_metadata=True)
    assert found.to_pydict()["b"] == ["x", None]


@pytest.mark.parametrize("name", ["arrow", "parquet"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (pd.DataFrame({"t": [(1, 2)]}), "with other types or values"),
        (pd.DataFrame({"d": [{"a": 1}, {"b": 2}]}), "with other types or values"),
        (pd.DataFrame({"o": pd.Series(["x"], dtype=object)}), "with other types or values"),
        (pd.DataFrame({"m": [1, "a"]}), "Arrow"),
        (pd.Series([1]), "it is a Series"),
        ([1], "it is a list"),
    ],
)
def test_what_arrow_would_change_is_refused(shelf, name, value, reason) -> None:
    with pytest.raises(ResultNotStorable, match=reason):
        write_result(shelf, value, serializer=name)


def test_data_frames_need_an_extra_and_the_error_says_which(tmp_path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('none here')")
    program = (
        "from blocks_flows.serializers import find_serializer\n"
        "from blocks_core.errors import PackageMissing\n"
        "try:\n    find_serializer('parquet').dumps(1)\n"
        "except PackageMissing as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert "pip install 'blocks-flows[arrow]'" in done.stdout, done.stderr


def test_a_missing_package_is_no_fault_of_the_file_or_the_value(shelf, monkeypatch) -> None:
    stored = write_result(shelf, FRAMES[0], serializer="parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PackageMissing, match=r"blocks-flows\[arrow\]"):
        read_result(shelf, stored.path)
    with pytest.raises(PackageMissing, match=r"blocks-flows\[arrow\]"):
        write_result(shelf, FRAMES[0], serializer="arrow")


def test_what_is_compressed_is_gzip_behind_the_first_line(shelf) -> None:
    stored = write_result(shelf, ["x" * 10_000], serializer="compressed/json")
    assert len(shelf.files[stored.path]) < 500
    assert gzip.decompress(open_result(shelf, stored.path).payload) == b'["' + b"x" * 10_000 + b'"]'


def test_a_file_that_swells_when_it_is_read_is_refused(shelf, monkeypatch) -> None:
    monkeypatch.setattr(serializers, "MAX_INFLATED_BYTES", 1_000)  # the real limit takes 2 GiB to reach
    with pytest.raises(ResultNotStorable, match="at most 1000 are compressed"):
        write_result(shelf, "x" * 2_000, serializer="compressed/json")
    monkeypatch.setattr(serializers, "MAX_INFLATED_BYTES", 10_000)
    stored = write_result(shelf, "x" * 2_000, serializer="compressed/json")
    monkeypatch.setattr(serializers, "MAX_INFLATED_BYTES", 1_000)
    with pytest.raises(ResultInvalid, match="no gzip of at most 1000 bytes"):
        read_result(shelf, stored.path)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: data + b"more", lambda _: b"", zlib.compress]
)
def test_what_is_no_whole_gzip_is_refused(damage) -> None:
    serializer = find_serializer("compressed/json")
    with pytest.raises((ResultInvalid, zlib.error)):
        serializer.loads(memoryview(damage(bytes(serializer.dumps([1])))))


@pytest.mark.parametrize("name", ["jsn", "compressed/", "compressed/compressed/json", "Pickle", 3])
def test_a_serializer_that_there_is_not_is_refused_where_it_is_named(shelf, name) -> None:
    with pytest.raises(
        FlowInvalid, match=r"Task 'f' has result_serializer=.*There are: arrow, cloudpickle, json"
    ):
        task(name="f", result_serializer=name)(lambda: 1)
    if isinstance(name, str):
        with pytest.raises(ResultInvalid, match="There is no serializer"):
            write_result(shelf, 1, serializer=name)
