"""Serializers: how a value becomes bytes, and a value again.

| name | what it holds |
|---|---|
| `cloudpickle`, or `pickle` for short | nearly everything; reading it can run code |
| `json` | None, booleans, numbers, texts, and lists and dicts of them: exactly, or it refuses |
| `arrow`, `parquet` | data frames of pandas and tables of pyarrow: `pip install 'blocks-flows[arrow]'` |
| `compressed/…` | what another one makes, in gzip: `compressed/json` |

Whoever reads a file finds the serializer by the word that stands in it, so there are these and no others: one of a
program's own would be missing where its results are read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, cast

from blocks_flows.errors import FlowInvalid, ResultInvalid, ResultNotStorable

if TYPE_CHECKING:
    from typing_extensions import Buffer

    Pair = tuple[Callable[[Any], Buffer], Callable[[memoryview], Any]]

DEFAULT_SERIALIZER: Final = "cloudpickle"
MAX_INFLATED_BYTES: Final = 2 << 30
"""Of what is compressed: a file of 2 MB can be made to hold more than fits into the memory."""

_COMPRESSED: Final = "compressed/"
_GZIP: Final = 31
"""What zlib calls the format that `gunzip` reads."""
_LEVEL: Final = 1
"""On tables and texts five times as fast as zlib's own choice, and at most a sixth larger (measured)."""


@dataclass(frozen=True, slots=True)
class Serializer:
    """Makes bytes of values and values of bytes; both raise whatever they like."""

    name: str
    dumps: Callable[[Any], Buffer]
    loads: Callable[[memoryview], Any]


def find_serializer(name: str) -> Serializer:
    """Return a serializer by its name.

    Raises:  ResultInvalid: there is none of that name.
    """
    inner = name.removeprefix(_COMPRESSED)
    make = _TABLE.get(inner)
    if make is None:
        raise ResultInvalid(f"There is no serializer '{name[:40]}'. {_there_are()}")
    dumps, loads = make()
    if inner == name:
        return Serializer(name, dumps, loads)
    return Serializer(
        name, lambda value: _compress(dumps(value)), lambda data: loads(memoryview(_decompress(data)))
    )


def read_serializer(what: str, given: Any) -> str | None:
    """Return the name of a serializer that a task or a flow is declared with; None stays None.

    Raises:  FlowInvalid: there is none of that name.
    """
    if given is None or (isinstance(given, str) and given.removeprefix(_COMPRESSED) in _TABLE):
        return given
    raise FlowInvalid(f"{what} has result_serializer={str(given)[:40]!r}. {_there_are()}")


def _cloudpickle() -> Pair:
    import cloudpickle  # late: start-up time; only runs that keep results need it

    return cloudpickle.dumps, cloudpickle.loads  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _json() -> Pair:
    return _dump_json, lambda data: json.loads(str(data, "utf-8"))


def _arrow() -> Pair:
    from blocks_flows.data_frames import dump_arrow, load_arrow  # late: it imports pyarrow, which is an extra

    return dump_arrow, load_arrow


def _parquet() -> Pair:
    from blocks_flows.data_frames import dump_parquet, load_parquet  # late, as above

    return dump_parquet, load_parquet


_TABLE: Final = {
    "arrow": _arrow,
    "cloudpickle": _cloudpickle,
    "json": _json,
    "parquet": _parquet,
    "pickle": _cloudpickle,
}


def _there_are() -> str:
    return (
        f"There are: {', '.join(_TABLE)}, and each of them behind '{_COMPRESSED}', such as 'compressed/json'."
    )


def _dump_json(value: Any) -> bytes:
    _check_json(value)
    return json.dumps(value, allow_nan=False).encode()


def _check_json(value: Any) -> None:
    """Refuse what JSON would change: it makes a list of a tuple, and a text of a number that is a key."""
    kind = cast("type[object]", type(value))
    if kind is list:
        for item in value:
            _check_json(item)
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise ResultNotStorable(f"it has a key of type {type(key).__name__}, and JSON has texts only")
            _check_json(item)
    elif kind is float and not isfinite(value):
        raise ResultNotStorable("it has a number that is not finite, which JSON cannot hold")
    elif kind not in (str, int, float, bool, type(None)):
        raise ResultNotStorable(f"it has a {kind.__name__}, which JSON would change or cannot hold")


def _compress(data: Buffer) -> bytes:
    size = memoryview(data).nbytes
    if size > MAX_INFLATED_BYTES:
        raise ResultNotStorable(
            f"it has {size} bytes, and at most {MAX_INFLATED_BYTES} are compressed; keep it uncompressed"
        )
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    return packer.compress(data) + packer.flush()


def _decompress(data: memoryview) -> bytes:
    unpacker = zlib.decompressobj(wbits=_GZIP)
    inflated = unpacker.decompress(data, MAX_INFLATED_BYTES)
    if not unpacker.eof or unpacker.unused_data:
        raise ResultInvalid(
            f"it is no gzip of at most {MAX_INFLATED_BYTES} bytes, as which it was written; it may be forged"
        )
    return inflated
