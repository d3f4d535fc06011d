"""The serializers `arrow` and `parquet`: data frames of pandas and tables of pyarrow, exactly or not at all.

`arrow` is quick to write and to read, `parquet` is small; other programs read both, behind the file's first line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from blocks_core.errors import PackageMissing
from blocks_flows.errors import ResultNotStorable

if TYPE_CHECKING:
    from typing_extensions import Buffer

_KIND: Final = b"blocks.kind"
"""Key of the schema's metadata that says what was written: a table may have come from a data frame, too."""


def dump_arrow(value: Any) -> Buffer:
    """Return a data frame or a table in Arrow's file format.

    Raises:  ResultNotStorable: it is none, or would come back changed; PackageMissing.
    """
    return _dump(value, _write_arrow, load_arrow)


def load_arrow(data: memoryview) -> Any:
    """Return what `dump_arrow` was given.

    Raises:  PackageMissing, and what pyarrow raises for other bytes.
    """
    arrow = _package("pyarrow")
    return _value_of(arrow.ipc.open_file(arrow.py_buffer(data)).read_all())


def dump_parquet(value: Any) -> Buffer:
    """Return a data frame or a table as a Parquet file, compressed by zstd.

    Raises:  ResultNotStorable: it is none, or would come back changed; PackageMissing.
    """
    return _dump(value, _write_parquet, load_parquet)


def load_parquet(data: memoryview) -> Any:
    """Return what `dump_parquet` was given.

    Raises:  PackageMissing, and what pyarrow raises for other bytes.
    """
    source = _package("pyarrow").BufferReader(_package("pyarrow").py_buffer(data))
    return _value_of(_package("pyarrow.parquet").read_table(source))


def _write_arrow(table: Any, sink: Any) -> None:
    with _package("pyarrow").ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _write_parquet(table: Any, sink: Any) -> None:
    _package("pyarrow.parquet").write_table(table, sink, compression="zstd")


def _dump(value: Any, write: Callable[[Any, Any], None], load: Callable[[memoryview], Any]) -> Buffer:
    """Write a table, and read it again: Arrow has no tuples, dicts have all keys of their column, and more."""
    arrow = _package("pyarrow")
    table = _table_of(value)
    sink = arrow.BufferOutputStream()
    write(table, sink)
    data = sink.getvalue()
    if not _are_same(load(memoryview(data)), value):
        raise ResultNotStorable(
            "it would come back with other types or values; cloudpickle keeps it as it is"
        )
    return data


def _table_of(value: Any) -> Any:
    arrow = _package("pyarrow")
    if isinstance(value, arrow.Table):
        return _with_kind(value, b"table")
    pandas = sys.modules.get("pandas")  # where it was never imported, nothing is a data frame
    if pandas is None or type(value) is not pandas.DataFrame:
        raise ResultNotStorable(
            f"it is a {type(value).__name__}, and only data frames of pandas and tables of pyarrow are kept so"
        )
    return _with_kind(arrow.Table.from_pandas(value), b"frame")


def _value_of(table: Any) -> Any:
    metadata: dict[bytes, bytes] = dict(table.schema.metadata or {})
    kind = metadata.pop(_KIND, b"")
    table = table.replace_schema_metadata(metadata or None)
    if kind == b"frame":
        _package("pandas")
        return table.to_pandas()
    return table


def _with_kind(table: Any, kind: bytes) -> Any:
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _KIND: kind})


def _are_same(found: Any, value: Any) -> bool:
    if isinstance(value, _package("pyarrow").Table):  # of its own types, the formats keep the values
        return bool(found.schema.equals(value.schema, check_metadata=True))
    try:
        _package("pandas.testing").assert_frame_equal(found, value, check_exact=True, check_freq=False)
    except AssertionError:
        return False
    return True


def _package(name: str) -> Any:
    try:
        __import__(name)  # late: an extra, which takes a third of a second
    except ImportError as error:
        raise PackageMissing(
            f"The serializers 'arrow' and 'parquet' need the package {name.partition('.')[0]}: "
            f"pip install 'blocks-flows[arrow]'."
        ) from error
    return cast("Any", sys.modules[name])
