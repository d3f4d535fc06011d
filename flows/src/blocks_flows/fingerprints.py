"""Fingerprints: digests of values that are the same in each process and on each machine.

Equal values of one type have one fingerprint, whatever order a dict or a set has; values of different types have
different ones (1, 1.0 and True). Objects count by what pickle would take of them, functions by their bytecode, so
by what runs, not by comments and layout; another minor version of Python has other bytecode, and so computes anew.

A secret goes through scrypt, which is slow on purpose: who finds a fingerprint, in a storage's list of files, could
else try out passwords by the million. A key of our own would serve better and cannot be: Dask workers have none.
"""

from __future__ import annotations

import copyreg
import hashlib
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    MethodType,
    ModuleType,
    NoneType,
    NotImplementedType,
)
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel

from blocks_core.secret import is_reference, is_secret

_SALT: Final = b"blocks_flows.fingerprints"
_CONSTANT: Final = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    NoneType,
    Decimal,
    UUID,
    date,
    time,
    timedelta,
    Enum,
)
"""What a closure's variable counts with; others may change while the function is used, and count as their type."""


def fingerprint(value: Any) -> bytes:
    """Return the digest of a value: 32 bytes.

    Raises:  TypeError: it holds something that cannot be pickled, such as a connection; whatever its own code raises.
    """
    return _joined("value", [_Walk().digest(value)])


def code_fingerprint(functions: Iterable[Callable[..., Any]]) -> bytes:
    """Return the digest of what functions do: their bytecode, their defaults, and constants of their closures."""
    walk = _Walk()
    return _joined("code", [walk.digest(function) for function in functions])


class _Walk:
    """Walks one value; what it has seen is kept, so that it is not walked again, nor its id used again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, bytes]] = {}
        self._open: dict[int, int] = {}
        """Objects that are being walked, and at which depth: a value may hold itself."""

    def digest(self, value: Any) -> bytes:
        """Return what stands for a value: itself where it is small, else a digest."""
        scalar = _SCALARS.get(cast("type[object]", type(value)))
        if scalar is not None:
            return scalar(value)
        number = id(value)
        if number in self._known:
            return self._known[number][1]
        if number in self._open:
            return b"circle %d" % (len(self._open) - self._open[number])
        self._open[number] = len(self._open)
        try:
            found = self._digest_of(value)
        finally:
            del self._open[number]
        self._known[number] = value, found
        return found

    def _digest_of(self, value: Any) -> bytes:
        kind = cast("type[object]", type(value))
        if kind in (list, tuple):
            return _joined(kind.__name__, map(self.digest, value))
        if kind is dict:
            return self._mapping("dict", value.items())
        if kind in (set, frozenset):
            return _joined(kind.__name__, sorted(map(self.digest, value)))
        if is_reference(value):
            return _joined("reference", [_name(kind), value.reference.encode()])
        if is_secret(value):
            return _joined("secret", [_slow(self.digest(value.get_secret_value()))])
        if isinstance(value, Enum):
            return _joined("enum", [_name(kind), value.name.encode()])
        package = kind.__module__.partition(".")[0]
        if package in _ARRAYS and (found := _ARRAYS[package](self, value)) is not None:
            return found
        return self._object(value, kind)

    def _object(self, value: Any, kind: type[object]) -> bytes:
        if isinstance(value, type):
            return _joined("class", [_name(value)])
        if isinstance(value, ModuleType):
            return _joined("module", [value.__name__.encode()])
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, (ModuleType, NoneType)):
            return _joined("builtin", [_name(value)])
        if isinstance(value, MethodType):
            return _joined("method", [self.digest(value.__self__), self.digest(value.__func__)])
        if isinstance(value, CodeType):
            return self._code(value, value.co_consts)
        if isinstance(value, BaseModel):
            fields = {**value.__dict__, **(value.__pydantic_extra__ or {})}
            return _joined("model", [_name(kind), self._mapping("fields", fields.items())])
        return self._reduced(value, kind)

    def _reduced(self, value: Any, kind: type[object]) -> bytes:
        """Digest what pickle would write: what to call with what, and a state."""
        reduce: Any = copyreg.dispatch_table.get(kind)
        found: Any = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(found, str):  # the name of something in a module
            return _joined("global", [_name(kind), found.encode()])
        parts: list[bytes] = [_name(kind)]
        for part in found:
            is_iterator = isinstance(part, Iterator)
            parts.append(self.digest(list(cast("Iterator[Any]", part)) if is_iterator else part))
        return _joined("object", parts)

    def _function(self, function: FunctionType) -> bytes:
        code, consts = function.__code__, function.__code__.co_consts
        if consts and consts[0] is not None and consts[0] == function.__doc__:
            consts = (None, *consts[1:])  # as where there is none
        cells: list[bytes] = []
        for cell in function.__closure__ or ():
            try:
                cells.append(self._of_closure(cell.cell_contents))
            except ValueError:  # nothing was put in yet
                cells.append(b"empty")
        defaults = [self._of_closure(each) for each in function.__defaults__ or ()]
        named = {name: self._of_closure(each) for name, each in (function.__kwdefaults__ or {}).items()}
        return _joined("function", [self._code(code, consts), *cells, b"|", *defaults, self.digest(named)])

    def _of_closure(self, value: Any) -> bytes:
        if isinstance(value, (*_CONSTANT, FunctionType)):
            return self.digest(value)
        if type(value) in (tuple, frozenset):
            items = [self._of_closure(item) for item in value]
            return _joined(type(value).__name__, items if isinstance(value, tuple) else sorted(items))
        return _joined("of type", [_name(cast("type[object]", type(value)))])

    def _code(self, code: CodeType, consts: tuple[Any, ...]) -> bytes:
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        return _joined("bytecode", [code.co_code, *map(self.digest, (*names, counts, consts))])

    def _mapping(self, tag: str, pairs: Iterable[tuple[Any, Any]]) -> bytes:
        return _joined(tag, sorted(_joined("", [self.digest(key), self.digest(each)]) for key, each in pairs))


def _numpy(walk: _Walk, value: Any) -> bytes | None:
    numpy: Any = sys.modules["numpy"]
    if isinstance(value, numpy.generic):
        value = numpy.asarray(value)
    if type(value) is not numpy.ndarray:
        return None
    about = [str(value.dtype.descr).encode(), str(value.shape).encode()]
    if value.dtype.hasobject:
        return _joined("objects", [*about, walk.digest(value.reshape(-1).tolist())])
    return _joined("array", [*about, numpy.ascontiguousarray(value).reshape(-1).view("u1").data])


def _pandas(walk: _Walk, value: Any) -> bytes | None:
    pandas: Any = sys.modules["pandas"]
    if isinstance(value, pandas.DataFrame):
        columns = [_pandas_array(walk, value.iloc[:, place]) for place in range(value.shape[1])]
        return _joined("frame", [_index(walk, value.columns), _index(walk, value.index), *columns])
    if isinstance(value, pandas.Series):
        parts = [walk.digest(value.name), _index(walk, value.index), _pandas_array(walk, value)]
        return _joined("series", parts)
    return _index(walk, value) if isinstance(value, pandas.Index) else None


def _index(walk: _Walk, index: Any) -> bytes:
    levels = [index.get_level_values(place) for place in range(index.nlevels)]
    return _joined("index", [walk.digest(list(index.names)), *(_pandas_array(walk, each) for each in levels)])


def _pandas_array(walk: _Walk, values: Any) -> bytes:
    """Digest a column: its bytes, codes and categories of a categorical one, else pandas' hash of each row."""
    dtype = values.dtype
    if isinstance(dtype, sys.modules["numpy"].dtype):
        return walk.digest(values.to_numpy())
    if str(dtype) == "category":
        found = values.array
        parts = [walk.digest(found.codes), _index(walk, found.categories), walk.digest(bool(found.ordered))]
        return _joined("category", parts)
    hashes: Any = cast("Any", sys.modules["pandas"]).util.hash_array(values.array)
    return _joined("hashed", [str(dtype).encode(), walk.digest(hashes)])


_ARRAYS: Final[dict[str, Callable[[_Walk, Any], bytes | None]]] = {"numpy": _numpy, "pandas": _pandas}
"""Whose values have better than what pickle would take; they are imported where there are such values."""

_SCALARS: Final[dict[type[object], Callable[[Any], bytes]]] = {
    NoneType: lambda value: b"None",
    EllipsisType: lambda value: b"...",
    NotImplementedType: lambda value: b"NotImplemented",
    bool: lambda value: b"b1" if value else b"b0",
    int: lambda value: b"i%x" % value,
    float: lambda value: b"f" + struct.pack(">d", value),
    complex: lambda value: b"c" + struct.pack(">dd", value.real, value.imag),
    str: lambda value: b"s" + value.encode(errors="surrogatepass"),
    bytes: lambda value: b"y" + value,
    bytearray: lambda value: b"Y" + bytes(value),
}


def _joined(tag: str, parts: Iterable[Any]) -> bytes:
    """Return the digest of parts, each with its length before it, so that no two lists of parts are one text."""
    found = hashlib.sha256(tag.encode() + b"\n")
    for part in parts:
        found.update(struct.pack(">Q", len(part)))
        found.update(part)
    return found.digest()


def _name(named: Any) -> bytes:
    return f"{named.__module__}.{named.__qualname__}".encode()


@lru_cache(maxsize=256)
def _slow(secret: bytes) -> bytes:
    """Return a digest that takes 16 MiB and some hundredths of a second to make.

    Source:  RFC 7914 (scrypt).
    """
    return hashlib.scrypt(secret, salt=_SALT, n=2**14, r=8, p=1)
