"""Results: what tasks return, kept in a storage block.

A file is one line of JSON, which says what follows, and the bytes:

    {"format": 1, "serializer": "cloudpickle", "sha256": "…", "size": 5, "created": "…", "expires": null}

Read only what you trust: a pickle can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from blocks_core.capabilities import Storage
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.errors import ResultInvalid, ResultNotStorable
from blocks_flows.ids import new_id

_FORMAT: Final = 1
_MAX_HEADER_BYTES: Final = 4096
DEFAULT_SERIALIZER: Final = "cloudpickle"


@dataclass(frozen=True, slots=True)
class StoredResult:
    """Where a result is kept."""

    storage: str
    """Address of the storage block, or its type where it is not saved."""
    path: str
    """In the storage: what `read_result` takes."""
    location: str
    """For people."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a result's first line says."""

    serializer: str
    sha256: str
    size: int
    """Of what follows the line, in bytes."""
    created: datetime
    expires: datetime | None


def write_result(
    storage: Storage,
    value: Any,
    *,
    serializer: str = DEFAULT_SERIALIZER,
    path: str | None = None,
    expires: datetime | None = None,
) -> StoredResult:
    """Write a value to a file of its own, by default `YYYY/M/D/<uuid>.result` of today in UTC.

    Raises:  ResultNotStorable, StorageFailed.
    """
    payload = _dump(serializer, value)
    now = datetime.now(UTC)
    header = {
        "format": _FORMAT,
        "serializer": serializer,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "size": len(payload),
        "created": now.isoformat(),
        "expires": expires.astimezone(UTC).isoformat() if expires else None,
    }
    path = path or f"{now.year}/{now.month}/{now.day}/{new_id()}.result"
    storage.write(path, json.dumps(header).encode() + b"\n" + payload)
    saved = storage.saved_as
    address = saved.address if saved else storage.type_info.slug or type(storage).__name__
    return StoredResult(address, path, SECRETS_IN_USE.hide(storage.location(path)))


def read_result(storage: Storage, path: str) -> Any:
    """Read a value back.

    Raises:  PathNotFound, StorageFailed; ResultInvalid: the file is no result, or was changed.
    """
    line, newline, payload = storage.read(path).partition(b"\n")
    where = storage.location(path)
    header = _parse_header(where, line if newline else b"")
    if len(payload) != header.size or hashlib.sha256(payload).hexdigest() != header.sha256:
        raise ResultInvalid(
            f"The result at {where} is not what was written: its checksum differs. It was not read, as it may "
            f"be damaged or forged; run the task again."
        )
    return _load(where, header.serializer, payload)


def read_header(storage: Storage, path: str) -> Header:
    """Read what a result's first line says, without the value.

    Raises:  PathNotFound, StorageFailed, ResultInvalid.
    """
    line, newline, _rest = storage.read(path, start=0, end=_MAX_HEADER_BYTES).partition(b"\n")
    return _parse_header(storage.location(path), line if newline else b"")


def load_storage(given: Storage | str) -> Storage:
    """Return a storage block: the given one, or the one saved under an address such as `s3/results`.

    Raises:  BlockNotFound and what else `Storage.load` raises.
    """
    return Storage.load(given) if isinstance(given, str) else given


def _parse_header(where: str, line: bytes) -> Header:
    try:
        found = cast("dict[str, Any]", json.loads(line))
        if found["format"] != _FORMAT:
            raise ValueError(f"format {found['format']}")
        return Header(
            serializer=found["serializer"],
            sha256=found["sha256"],
            size=found["size"],
            created=datetime.fromisoformat(found["created"]),
            expires=datetime.fromisoformat(found["expires"]) if found["expires"] else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ResultInvalid(
            f"The file at {where} is no result that this version can read: its first line is not the header "
            f"of one ({type(error).__name__})."
        ) from error


def _dump(serializer: str, value: Any) -> bytes:
    try:
        return _serializer(serializer)[0](value)
    except ResultInvalid:
        raise
    except Exception as error:
        raise ResultNotStorable(
            f"A value of type {type(value).__name__} cannot be kept by the serializer '{serializer}' "
            f"({type(error).__name__}). Return another value, or keep no result (persist_result=False)."
        ) from error


def _load(where: str, serializer: str, payload: bytes) -> Any:
    try:
        return _serializer(serializer)[1](payload)
    except ResultInvalid:
        raise
    except Exception as error:
        raise ResultInvalid(
            f"The result at {where} cannot be read by the serializer '{serializer}' ({type(error).__name__}). "
            f"Install what the value's class came from, in the version of then."
        ) from error


def _serializer(name: str) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    if name == "cloudpickle":
        import cloudpickle  # late: start-up time; only runs that keep results need it

        return cloudpickle.dumps, cloudpickle.loads  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if name == "json":
        return lambda value: json.dumps(value).encode(), json.loads
    raise ResultInvalid(f"There is no serializer '{name[:40]}'. There are: cloudpickle, json.")
