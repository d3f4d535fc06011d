"""Checkpoints, read back: what is whole and was written by this user; the rest counts as not kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any, Final, cast
from zlib import crc32

from blocks_core.block import Block
from blocks_flows.checkpoints import ENDING, Place, remove
from blocks_flows.errors import CheckpointInvalid
from blocks_flows.kept_values import from_pickle
from blocks_flows.liveness import Life, life_of_run

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FILE: Final = re.compile(r"[0-9a-f-]{36}(-[0-9]+)?\.pickle")
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class KeptForm:
    """A value as it was kept: see `kept_values`."""

    run_id: str
    form: str
    data: Any
    mark: str = ""
    """Of the call; see `call_marks`."""


@dataclass(slots=True)
class Notes:
    """What a checkpoint says; of a task or child that stands there twice, the last holds."""

    place: Place
    about: dict[str, Any] = field(default_factory=dict[str, Any])
    """Of the run, when it was last started; empty where nothing is kept of it."""
    tasks: dict[tuple[str, int], KeptForm] = field(default_factory=dict[tuple[str, int], KeptForm])
    children: dict[str, str] = field(default_factory=dict[str, str])
    """Slug of a child flow run -> its id."""
    ended: dict[str, KeptForm] = field(default_factory=dict[str, KeptForm])
    """Child flow runs that succeeded, by their slug."""
    damaged: int = 0
    """How many lines were not as they had been written."""


def read_checkpoint(place: Place) -> Notes:
    """Return what was kept of a run, nothing where there is no file.

    Raises:  CheckpointInvalid: others than this user can write the file.
    """
    notes = Notes(place)
    try:
        raw = _read_own(place.file)
    except FileNotFoundError:
        return notes
    for line in _lines(raw, notes):
        try:
            _take(notes, line)
        except (LookupError, TypeError, ValueError):
            notes.damaged += 1
    return notes


def find_checkpoint(home: Path, prefix: str) -> list[str]:
    """Return the ids of flow runs that something is kept of, and that begin like this."""
    try:
        names = os.listdir(home)
    except OSError:
        return []
    ids = [name.removesuffix(ENDING) for name in names if name.endswith(ENDING)]
    return [each for each in ids if each.startswith(prefix) and is_run_id(each)]


def is_run_id(text: str) -> bool:
    """Tell whether a text is a run's id, and so can be a part of a path."""
    return _UUID.fullmatch(text) is not None


def decode(place: Place, kept: KeptForm, main: str) -> Any:
    """Return a value that was kept, other than a result in a storage.

    Raises:  CheckpointInvalid: it was not kept, or cannot be read any more.
    """
    if kept.form == "json":
        return kept.data
    try:
        if kept.form == "block":
            return Block.load(kept.data)
        if kept.form == "pickle":
            return from_pickle(b64decode(kept.data, validate=True), main)
        if kept.form == "file":
            return from_pickle(_read_value(place, *kept.data), main)
    except Exception as error:
        raise CheckpointInvalid(f"what was kept cannot be read ({type(error).__name__}: {error})") from error
    raise CheckpointInvalid(str(kept.data))


def sweep(home: Path, days: float) -> None:
    """Remove what is older than so many days, but for runs that still go on; what cannot be removed stays."""
    before = time() - days * _DAY_SECONDS
    try:
        entries = list(os.scandir(home))
    except OSError:
        return
    for entry in entries:
        run_id = entry.name.removesuffix(ENDING)
        try:
            if not is_run_id(run_id) or entry.stat(follow_symlinks=False).st_mtime >= before:
                continue
            place = Place(home, run_id, run_id)
            if _is_in_use(place, before):
                continue
            remove(place)
        except (OSError, CheckpointInvalid):
            continue


def _is_in_use(place: Place, before: float) -> bool:
    """Tell whether a run with something old still goes on, or has kept something later."""
    for path in (place.file, place.folder):
        if path.exists() and path.stat().st_mtime >= before:
            return True
    about = read_checkpoint(place).about
    return bool(about) and life_of_run(about) is Life.ALIVE


def _lines(raw: bytes, notes: Notes) -> Iterator[Any]:
    *whole, rest = raw.split(b"\n")
    notes.damaged += bool(rest)  # the process was killed in the middle of a line
    for line in whole:
        if not line:
            continue
        checksum, _, data = line.partition(b" ")
        if checksum != b"%08x" % crc32(data):
            notes.damaged += 1
            continue
        try:
            yield json.loads(data)
        except ValueError:
            notes.damaged += 1


def _take(notes: Notes, line: Any) -> None:
    kind, *rest = cast("list[Any]", line)
    if kind == "run":
        notes.about = dict(rest[0])
    elif kind == "task":
        slug, map_index, mark, run_id, form, data = rest
        notes.tasks[str(slug), int(map_index)] = KeptForm(str(run_id), form, data, str(mark))
    elif kind == "child":
        slug, run_id = rest
        if not is_run_id(run_id):
            raise ValueError(run_id)
        notes.children[slug] = run_id
    elif kind == "ended":
        slug, run_id, form, data = rest
        notes.ended[slug] = KeptForm(run_id, form, data)


def _read_value(place: Place, name: str, size: int, digest: str) -> bytes:
    if _FILE.fullmatch(name) is None:
        raise ValueError("its name is none of a checkpoint's")
    payload = _read_own(place.folder / name)
    if len(payload) != size or hashlib.sha256(payload).hexdigest() != digest:
        raise ValueError("its checksum differs")
    return payload


def _read_own(path: Path) -> bytes:
    """Return what is in a file that only this user can have written: there may be pickles in it."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        found = os.fstat(file.fileno())
        if (
            found.st_uid != os.geteuid()
            or stat.S_IMODE(found.st_mode) & 0o022
            or not stat.S_ISREG(found.st_mode)
        ):
            raise CheckpointInvalid(
                f"{path} can be written by others than you, so it is not trusted: what it says may be run. If you "
                f"know that it is yours, take the rights from others (chmod go-w, chown) and restart again."
            )
        return file.read()
