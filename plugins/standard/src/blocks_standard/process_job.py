"""`ProcessJob`: the handle of a job that runs as a process of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import monotonic
from typing import BinaryIO

from blocks_core.errors import InfrastructureFailed
from blocks_core.jobs import LOG_TAIL_CHARACTERS, LOG_TAIL_LINES, JobEnd, JobStatus, end_of, lines_of, tail_of
from blocks_standard.job_records import Ending, JobRecord
from blocks_standard.supervisor import CANCEL, KILL

_PIECE_BYTES = 1 << 16
_TAIL_BYTES = 4 * LOG_TAIL_LINES * LOG_TAIL_CHARACTERS
_LOOK_SECONDS = (0.01, 0.1)
"""How soon new lines are looked for at first, and after a while without."""
_KILL_SECONDS = 30.0


@dataclass(frozen=True)
class ProcessJob:
    """A job that runs as a process of this machine."""

    record: JobRecord

    @property
    def id(self) -> str:
        """Return the name of the job's folder."""
        return self.record.folder.name

    def status(self) -> JobStatus:
        """Return where the job stands."""
        ending = self.record.ending()
        return "running" if ending is None else _end_of(ending, ()).status

    def wait(self, timeout_seconds: float | None = None) -> JobEnd:
        """Wait for the end."""
        until = None if timeout_seconds is None else monotonic() + timeout_seconds
        while (ending := self.record.ending()) is None:
            left = None if until is None else max(0.0, until - monotonic())
            if self.record.wait(left) and left == 0:
                raise TimeoutError(f"Job '{self.id}' has not ended within {timeout_seconds} s; it goes on.")
        return _end_of(ending, self._last_lines())

    def logs(self) -> Iterator[str]:
        """Yield the lines that the job prints, from the first, until it ends."""
        self.record.refuse_missing()
        try:
            with self.record.log.open("rb", buffering=0) as file:
                yield from lines_of(self._pieces(file))
        except FileNotFoundError:
            self.record.refuse_missing()
            raise

    def cancel(self) -> None:
        """Ask the job to end; its supervisor kills it after the grace period."""
        if self.record.ending() is None:
            self.record.order(CANCEL)

    def remove(self) -> None:
        """Remove the job's folder; a job that runs is killed first."""
        self.record.order(KILL)
        if self.record.wait(_KILL_SECONDS):
            raise InfrastructureFailed(
                f"Job '{self.id}' was killed and does not end: the system waits for a device or a network disk. "
                f"Try again when that answers."
            )
        if self.record.is_there():
            self.record.ending()  # of one that lost its supervisor the command is killed
        self.record.remove()

    def _pieces(self, file: BinaryIO) -> Iterator[bytes]:
        soon, late = _LOOK_SECONDS
        seconds = soon
        while True:
            ended = self.record.ending() is not None  # before the last look, so that nothing is missed
            while piece := file.read(_PIECE_BYTES):
                seconds = soon
                yield piece
            if ended:
                return
            self.record.wait(seconds)
            seconds = min(late, 1.5 * seconds)

    def _last_lines(self) -> tuple[str, ...]:
        try:
            with self.record.log.open("rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
                file.seek(start)
                return tail_of(lines_of([file.read(_TAIL_BYTES)]))
        except FileNotFoundError:
            return ()


def _end_of(ending: Ending, lines: tuple[str, ...]) -> JobEnd:
    if ending.code is None:
        return JobEnd("crashed", None, ending.reason, lines)
    end = end_of(ending.code, lines)
    if ending.word == "cancelled":
        return replace(end, status="cancelled", reason="")
    if ending.word == "stopped":
        return replace(end, status="crashed", reason=f"its supervisor was asked to end by {ending.reason}")
    return end
