"""Files of results: one line of JSON, which says what follows, and the bytes.

    {"format": 1, "serializer": "cloudpickle", "sha256": "…", "size": 5, "created": "…", "expires": null}

Read only what you trust: a pickle can run code. The checksum finds damage, not forgery.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from blocks_core.capabilities import Storage
from blocks_core.errors import PackageMissing
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.errors import ResultInvalid, ResultNotStorable
from blocks_flows.ids import new_id
from blocks_flows.serializers import DEFAULT_SERIALIZER, find_serializer

_FORMAT: Final = 1
_MAX_HEADER_BYTES: Final = 4096
_PIECE_BYTES: Final = 8 << 20
"""Of what is larger no copy is made to put the line before it: it is written in pieces, which takes more requests."""


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

    def is_over(self, now: datetime, lifetime_seconds: float | None = None) -> bool:
        """Tell whether it has expired, or is older than it may be now."""
        if self.expires is not None and self.expires <= now:
            return True
        return lifetime_seconds is not None and self.created + timedelta(seconds=lifetime_seconds) <= now


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file that was read; nothing of it has been run yet."""

    header: Header
    payload: memoryview
    location: str
    """For people."""

    def value(self) -> Any:
        """Return the value.

        Raises:  ResultInvalid: the file was changed, or the serializer cannot read it; PackageMissing.
        """
        header = self.header
        if len(self.payload) != header.size or hashlib.sha256(self.payload).hexdigest() != header.sha256:
            raise ResultInvalid(
                f"The result at {self.location} is not what was written: its checksum differs. It was not read, as "
                f"it may be damaged or forged; run the task again."
            )
        return _load(self.location, header.serializer, self.payload)


def write_result(
    storage: Storage,
    value: Any,
    *,
    serializer: str | None = None,
    path: str | None = None,
    expires: datetime | None = None,
    now: datetime | None = None,
) -> StoredResult:
    """Write a value to a file, by default to one of its own: `YYYY/M/D/<uuid>.result` of today in UTC.

    Args:    serializer: None is `cloudpickle`. now: when it counts as made.
    Raises:  ResultNotStorable, PackageMissing, PathRefused, StorageFailed.
    """
    serializer = serializer or DEFAULT_SERIALIZER
    payload = _dump(serializer, value)
    now = now or datetime.now(UTC)
    header = {
        "format": _FORMAT,
        "serializer": serializer,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "size": len(payload),
        "created": now.isoformat(),
        "expires": expires.astimezone(UTC).isoformat() if expires else None,
    }
    path = path or f"{now.year}/{now.month}/{now.day}/{new_id()}.result"
    line = json.dumps(header).encode() + b"\n"
    if len(payload) <= _PIECE_BYTES:
        storage.write(path, b"".join((line, payload)))
    else:
        with storage.open_write(path) as file:
            file.write(line)
            for start in range(0, len(payload), _PIECE_BYTES):
                file.write(payload[start : start + _PIECE_BYTES])
    return stored_at(storage, path)


def stored_at(storage: Storage, path: str) -> StoredResult:
    """Return what is recorded of a result at a path."""
    return StoredResult(address_of(storage), path, SECRETS_IN_USE.hide(storage.location(path)))


def address_of(storage: Storage) -> str:
    """Return the address of a storage block, or its type where it is not saved."""
    saved = storage.saved_as
    return saved.address if saved else storage.type_info.slug or type(storage).__name__


def open_result(storage: Storage, path: str) -> ResultFile:
    """Read a file and what its first line says; the value is not made yet.

    Raises:  PathNotFound, StorageFailed; ResultInvalid: the file is no result.
    """
    data = storage.read(path)
    end = data.find(b"\n", 0, _MAX_HEADER_BYTES)
    where = SECRETS_IN_USE.hide(storage.location(path))
    header = _parse_header(where, data[: max(end, 0)])
    return ResultFile(header, memoryview(data)[end + 1 :], where)


def read_result(storage: Storage, path: str) -> Any:
    """Read a value back.

    Raises:  PathNotFound, StorageFailed; ResultInvalid: the file is no result, or was changed; PackageMissing.
    """
    return open_result(storage, path).value()


def read_header(storage: Storage, path: str) -> Header:
    """Read what a result's first line says, without the value.

    Raises:  PathNotFound, StorageFailed, ResultInvalid.
    """
    line, newline, _rest = storage.read(path, start=0, end=_MAX_HEADER_BYTES).partition(b"\n")
    return _parse_header(SECRETS_IN_USE.hide(storage.location(path)), line if newline else b"")


def _parse_header(where: str, line: bytes) -> Header:
    try:
        found = cast("dict[str, Any]", json.loads(line))
        if found["format"] != _FORMAT:
            raise ValueError(f"format {found['format']}")
        return Header(
            serializer=str(found["serializer"]),
            sha256=str(found["sha256"]),
            size=int(found["size"]),
            created=_moment(found["created"]),
            expires=_moment(found["expires"]) if found["expires"] else None,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResultInvalid(
            f"The file at {where} is no result that this version can read: its first line is not the header "
            f"of one ({type(error).__name__})."
        ) from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone names no moment")
    return moment


def _dump(serializer: str, value: Any) -> memoryview:
    try:
        return memoryview(find_serializer(serializer).dumps(value)).cast("B")
    except (ResultInvalid, PackageMissing):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, ResultNotStorable) else type(error).__name__
        raise ResultNotStorable(
            f"A value of type {type(value).__name__} cannot be kept by the serializer '{serializer}': {reason}. "
            f"Return another value, choose another serializer (result_serializer), or keep no result "
            f"(persist_result=False)."
        ) from error


def _load(where: str, serializer: str, payload: memoryview) -> Any:
    try:
        return find_serializer(serializer).loads(payload)
    except PackageMissing:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, ResultInvalid) else type(error).__name__
        raise ResultInvalid(
            f"The result at {where} cannot be read by the serializer '{serializer[:40]}': {reason}. "
            f"Install what the value's class came from, in the version of then."
        ) from error
