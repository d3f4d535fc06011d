"""Values as a checkpoint keeps them: JSON where that holds a value exactly, else a pickle; never with a secret.

| form | what follows it |
|---|---|
| `json` | the value |
| `pickle` | its pickle in base64 |
| `file` | name, size and SHA-256 of a file with its pickle |
| `block` | the address of a saved block |
| `stored` | storage, path and location of a result |
| `none` | why the value is not kept |
"""

from __future__ import annotations

import io
import json
import pickle
import sys
from json.encoder import encode_basestring_ascii
from math import isfinite
from typing import Any, Final, cast

from blocks_core.masking import SECRETS_IN_USE
from blocks_core.secret import is_reference, is_secret

MAX_INLINE_BYTES: Final = 32_768
"""Of a pickle that stands in a line; a longer one has a file of its own."""

_MAX_PLAIN: Final = 200
"""Values in lists, dicts and tuples that are looked at one by one; of more, pickling takes less time."""

_MAX_BITS: Final = 10_000


_ENCODE: Final = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
"""For values that were counted, and so hold no circle."""


class ValueNotKept(Exception):
    """A value holds a secret, or cannot be pickled."""


def as_json(value: Any) -> str | None:
    """Return a value as JSON that holds it exactly; None: there is none that is short.

    Raises:  ValueNotKept.
    """
    kind = cast("type[Any]", type(value))
    if value is None or kind is bool:
        return "null" if value is None else "true" if value else "false"
    if kind is str:
        text = encode_basestring_ascii(value) if len(value) <= MAX_INLINE_BYTES else None
    elif kind is int:
        text = str(value) if value.bit_length() < _MAX_BITS else None
    elif kind is float:
        text = repr(value) if isfinite(value) else None
    elif kind in (list, dict) and _count_plain(value, _MAX_PLAIN) >= 0:
        text = _ENCODE(value)
    else:
        return None
    if text is None or len(text) > MAX_INLINE_BYTES:
        return None
    if SECRETS_IN_USE.is_in(text):
        raise ValueNotKept("it holds a secret")
    return text


def as_pickle(value: Any) -> bytes:
    """Return a value as a pickle.

    Raises:  ValueNotKept.
    """
    try:
        payload = _pickled(value)
    except ValueNotKept:
        raise
    except Exception as error:
        raise ValueNotKept(f"it cannot be pickled ({type(error).__name__})") from error
    if SECRETS_IN_USE.is_in(payload.decode(errors="replace")):
        raise ValueNotKept("it holds a secret")
    return payload


def from_pickle(payload: bytes, main: str) -> Any:
    """Return what was pickled; run it only where nobody else can have written it.

    Args:    main: name of the module that was the program which pickled it.
    """
    return _Unpickler(io.BytesIO(payload), main).load()


def _count_plain(value: Any, left: int, *, tuples: bool = False) -> int:
    """Return how many of so many values are left when those in this one are counted.

    Negative: there are more, or some that JSON does not hold exactly; tuples, unless they are to count.
    """
    kind = cast("type[Any]", type(value))
    if kind is list or (tuples and kind is tuple):
        items: Any = cast("list[Any]", value)
    elif kind is dict:
        pairs = cast("dict[Any, Any]", value)
        if any(type(key) is not str for key in pairs):
            return -1
        items = pairs.values()
    elif kind is float:
        return left - 1 if isfinite(value) else -1
    elif kind is int:
        return left - 1 if value.bit_length() < _MAX_BITS else -1
    else:
        return left - 1 if value is None or kind in (str, bool) else -1
    left -= 1
    for item in items:
        if left < 0:
            return left
        left = _count_plain(item, left, tuples=tuples)
    return left


def _pickled(value: Any) -> bytes:
    if type(value) is tuple and _count_plain(value, _MAX_PLAIN, tuples=True) >= 0:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)  # there is no object in it that could be a secret
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    except ValueNotKept:
        raise
    except Exception:  # noqa: BLE001 - the other pickler can do more, and says what is wrong
        import cloudpickle  # late: start-up time; few values need it

        class _CodePickler(cloudpickle.Pickler):
            """Pickles functions and classes too that have no module to be found in."""

            def reducer_override(self, obj: Any) -> Any:
                return _refuse_secret(obj) or super().reducer_override(obj)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

        buffer = io.BytesIO()
        _CodePickler(buffer).dump(value)  # pyright: ignore[reportUnknownMemberType]
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    """Refuses secrets, however deep."""

    def reducer_override(self, obj: Any) -> Any:
        """Look at an object of a class that is none of Python's own."""
        return _refuse_secret(obj) or NotImplemented


def _refuse_secret(obj: Any) -> None:
    if is_secret(obj) or is_reference(obj):
        raise ValueNotKept("it holds a secret")


class _Unpickler(pickle.Unpickler):
    """Finds in a flow's module what was pickled when that was the program: it was called `__main__` then."""

    def __init__(self, file: io.BytesIO, main: str) -> None:
        super().__init__(file)
        self._main = main

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a class or function."""
        if module == "__main__" and self._main in sys.modules:
            return super().find_class(self._main, name)
        return super().find_class(module, name)
