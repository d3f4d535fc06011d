r"""Checkpoints: what a restart needs of a flow run, written as it comes about, one line after another.

    ~/.blocks/restart/<flow run>.lines            of a flow run
    ~/.blocks/restart/<flow run>/<child>.lines    of a flow run that it began
    ~/.blocks/restart/<flow run>/….pickle         values that are too long for a line

A line is a checksum (CRC-32) and JSON: the run itself, once for each start, and then what succeeded:

    9ab6e3f1 ["task","train-1",3,"<task run>","json",0.5]

Each is one write, so that it outlives its process whenever that is killed; it does not wait for the disk, so a loss
of power may take the last ones. Files are for their owner only: pickles in them are run at a restart. A run that
succeeds removes its own; those of others are kept for seven days, or as many as `BLOCKS_RESTART_DAYS` says: 0 keeps
nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from pathlib import Path
from threading import Lock
from typing import Any, Final
from zlib import crc32

from blocks_core.block import Block
from blocks_flows.calls import Outcome
from blocks_flows.errors import SettingInvalid
from blocks_flows.failures import describe
from blocks_flows.kept_values import MAX_INLINE_BYTES, ValueNotKept, as_json, as_pickle
from blocks_flows.results import StoredResult
from blocks_registry.settings import Settings

ENDING: Final = ".lines"
_DEFAULT_DAYS: Final = 7.0
_FLAGS: Final = os.O_CREAT | os.O_WRONLY | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Place:
    """Where the checkpoint of one flow run lies; `root_id` is that of the run which began it all."""

    home: Path
    """The folder of all checkpoints."""
    root_id: str
    run_id: str

    @property
    def folder(self) -> Path:
        """Return the folder of long values and of child runs."""
        return self.home / self.root_id

    @property
    def file(self) -> Path:
        """Return the file of lines."""
        return (self.home if self.root_id == self.run_id else self.folder) / f"{self.run_id}{ENDING}"


def checkpoint_home() -> Path:
    """Return the folder of all checkpoints."""
    return Settings.from_environment().home / "restart"


def kept_days() -> float:
    """Return for how many days a checkpoint is kept; 0: there are none.

    Raises:  SettingInvalid.
    """
    text = os.environ.get("BLOCKS_RESTART_DAYS")
    if not text:
        return _DEFAULT_DAYS
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise SettingInvalid(
            f"BLOCKS_RESTART_DAYS is '{text[:40]}'. Set it to for how many days a run that did not succeed can be "
            f"restarted: a number, 0 for not at all."
        )
    return days


class CheckpointFile:
    """Writes the checkpoint of one flow run; called on any thread.

    Args:    about: returns what is known of the run, for the first line.
             warn: is told, once, that nothing can be written.
    """

    def __init__(
        self, place: Place, about: Callable[[], dict[str, Any]], warn: Callable[[str], None]
    ) -> None:
        self.place = place
        self._about = about
        self._warn = warn
        self._lock = Lock()
        self._descriptor: int | None = None
        self._slugs: dict[str, str] = {}
        """As JSON."""
        self._is_torn = False
        """The last line was not written to its end."""
        self._has_warned = False
        self._is_over = False

    def keep(self, slug: str, map_index: int, mark: str, run_id: str, outcome: Outcome) -> None:
        """Take note that a task run succeeded; never raises."""
        try:
            slug_text = self._slugs.get(slug)
            if slug_text is None:
                slug_text = self._slugs[slug] = encode_basestring_ascii(slug)
            value = self._form(outcome.value, outcome.stored, run_id)
            self._append(f'["task",{slug_text},{map_index},"{mark}","{run_id}",{value}]')
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop a flow
            self._fail(error)

    def note_child(self, slug: str, run_id: str) -> None:
        """Take note that a child flow run began; never raises."""
        self._note(lambda: json.dumps(["child", slug, run_id]))

    def keep_child(self, slug: str, run_id: str, value: Any, stored: StoredResult | None) -> None:
        """Take note that a child flow run succeeded; never raises."""
        self._note(
            lambda: (
                f'["ended",{encode_basestring_ascii(slug)},"{run_id}",{self._form(value, stored, run_id)}]'
            )
        )

    def note_run(self) -> None:
        """Write down now what is known of the run, and not only when something has succeeded; never raises."""
        self._note(lambda: None)

    def close(self) -> None:
        """Let go of the file, when nothing is written any more: its number is given to other files."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def discard(self) -> None:
        """Remove what was kept, of child runs too: the run succeeded."""
        was_used = self._descriptor is not None
        self._is_over = True
        self.close()
        if was_used:
            with suppress(OSError):  # what is left over is removed when it is old
                remove(self.place)

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _note(self, line: Callable[[], str | None]) -> None:
        try:
            self._append(line())
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _form(self, value: Any, stored: StoredResult | None, run_id: str) -> str:
        """Return a value's form and what follows it, as they stand in a line."""
        if stored is not None:
            return f'"stored",{json.dumps([stored.storage, stored.path, stored.location])}'
        try:
            text = as_json(value)
            if text is not None:
                return f'"json",{text}'
            payload = as_pickle(value)
        except ValueNotKept as reason:
            return f'"none",{encode_basestring_ascii(str(reason))}'
        if len(payload) <= MAX_INLINE_BYTES:
            return f'"pickle","{b64encode(payload).decode()}"'
        name = f"{run_id}.pickle"
        self._write_file(name, payload)
        return f'"file",["{name}",{len(payload)},"{hashlib.sha256(payload).hexdigest()}"]'

    def _append(self, text: str | None) -> None:
        if self._descriptor is None:
            self._open()
        if text is not None:
            self._write(text)

    def _write(self, text: str) -> None:
        data = text.encode()
        line = b"%08x %s\n" % (crc32(data), data)
        if self._is_torn:
            line = b"\n" + line
        descriptor = self._descriptor
        if descriptor is None:
            return
        self._is_torn = os.write(descriptor, line) != len(line)
        if self._is_torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self) -> None:
        with self._lock:
            if self._descriptor is not None or self._is_over:
                return
            file = self.place.file
            try:
                descriptor = os.open(file, _FLAGS, 0o600)
            except FileNotFoundError:
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(file, _FLAGS, 0o600)
            self._is_torn = (
                os.fstat(descriptor).st_size > 0
            )  # by another process, maybe: an empty line does no harm
            self._descriptor = descriptor
            self._write(json.dumps(["run", self._described()]))

    def _described(self) -> dict[str, Any]:
        about = self._about()
        parameters: Mapping[str, Any] = about["parameters"]
        forms = {
            name: self._parameter(place, value) for place, (name, value) in enumerate(parameters.items())
        }
        return {**about, "parameters": forms}

    def _parameter(self, place: int, value: Any) -> Any:
        if isinstance(value, Block) and value.saved_as is not None:
            return ["block", value.saved_as.address]
        return json.loads(f"[{self._form(value, None, f'{self.place.run_id}-{place}')}]")

    def _write_file(self, name: str, payload: bytes) -> None:
        """Write a file whole, or not at all."""
        folder = self.place.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = folder / f"{name}.unfinished"
        try:
            with open(os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(payload)
            unfinished.rename(folder / name)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def _fail(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._warn(
                f"What a restart of this run needs cannot be kept now: {describe(error)}. The run goes on; a restart "
                f"would run more of its tasks again."
            )


def remove(place: Place) -> None:
    """Remove a flow run's checkpoint, and those of its child runs."""
    place.file.unlink(missing_ok=True)
    if place.root_id == place.run_id:
        _remove_folder(place.folder)


def _remove_folder(folder: Path) -> None:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
