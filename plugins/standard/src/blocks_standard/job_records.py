"""What is kept of a job that runs as a process: a folder, whose files `supervisor` describes."""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast, get_args

from blocks_core.errors import InfrastructureFailed, JobNotFound
from blocks_standard.supervisor import began

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MAX_POLL_SECONDS = 3600.0

Word = Literal["ended", "cancelled", "stopped", "lost"]
_WORDS = get_args(Word)


@dataclass(frozen=True)
class Ending:
    """How a supervisor says that a job ended."""

    code: int | None
    """Negative: of a signal. None where nobody saw it."""
    word: Word
    reason: str = ""


@dataclass(frozen=True)
class JobRecord:
    """The folder of one job."""

    folder: Path

    @property
    def log(self) -> Path:
        """Return the file of what the command prints."""
        return self.folder / "log"

    def write(self, name: str, labels: Mapping[str, str]) -> None:
        """Make the folder; the supervisor makes a job of it.

        Raises:  OSError.
        """
        self.folder.mkdir(mode=0o700)
        machine, boot = _here()
        kept = {
            "name": name,
            "labels": dict(labels),
            "submitted_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "machine": machine,
            "boot": boot,
        }
        (self.folder / "record.new").write_text(json.dumps(kept, indent=2), "utf-8")

    def is_there(self) -> bool:
        """Tell whether this is a job."""
        return os.path.isfile(self.folder / "record")

    def refuse_missing(self) -> None:
        """Let only go on who asks for a job that is there.

        Raises:  JobNotFound.
        """
        if not self.is_there():
            raise JobNotFound(
                f"No job '{self.folder.name}' is kept in {self.folder.parent}: it was removed, or runs elsewhere. "
                f"Look at the job's id and at the block's jobs_folder."
            )

    def ending(self) -> Ending | None:
        """Return how the job ended, or None while it runs.

        One that lost its supervisor ends here: its command is killed, and that is written down.

        Raises:  JobNotFound, InfrastructureFailed: it runs on another machine.
        """
        self.refuse_missing()
        return self._written() or (None if self.wait(0) else self._written() or self._lose())

    def wait(self, seconds: float | None) -> bool:
        """Wait until the supervisor ends, but not longer than so many seconds; tell whether it still is there."""
        with self._control() as control:
            if control is None:
                return False
            poll = select.poll()
            poll.register(control, 0)  # a pipe that nobody reads any more is an error, which is always told
            most = _MAX_POLL_SECONDS if seconds is None else min(seconds, _MAX_POLL_SECONDS)
            return not poll.poll(most * 1000)

    def order(self, what: bytes) -> None:
        """Give the supervisor an order; none is there to obey once the job has ended."""
        with self._control() as control, suppress(BrokenPipeError, BlockingIOError):
            if control is not None:
                os.write(control, what)

    def remove(self) -> None:
        """Remove the folder; what cannot be removed now is no job any more."""
        for name in ("record", "record.new"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _control(self) -> Generator[int | None]:
        """Open the pipe that the supervisor reads; None where none does."""
        try:
            number = os.open(self.folder / "control", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):  # anything else says nothing about the job
                raise InfrastructureFailed(
                    f"Job '{self.folder.name}' cannot be looked at: {error.strerror} ({self.folder}). It goes on."
                ) from error
            yield None
            return
        try:
            yield number
        finally:
            os.close(number)

    def _written(self) -> Ending | None:
        try:
            text = (self.folder / "end").read_text("utf-8")
        except FileNotFoundError:
            return None
        code, _, rest = text.strip(" \0").partition(" ")
        word, _, reason = rest.partition(" ")
        if word not in _WORDS:
            return Ending(None, "lost", "what is written of its end cannot be read")
        return Ending(None if code == "-" else int(code), cast("Word", word), reason)

    def _lose(self) -> Ending:
        """Kill what a job that lost its supervisor has left, and write down that it has ended."""
        machine, boot = self._place()
        here, now = _here()
        if machine != here:
            raise InfrastructureFailed(
                f"Job '{self.folder.name}' runs on the machine '{machine}', and this is '{here}'. Look at it there; "
                f"if that machine is gone, delete {self.folder}."
            )
        if boot == now:
            reason = "its supervisor was killed, so its command was killed, too"
            self._kill_group()
        else:
            reason = "the machine was restarted"
        new = self.folder / f"end.{os.getpid()}"
        with suppress(OSError):  # of a full disk: who looks next finds out the same
            new.write_text(f"- lost {reason}", "utf-8")
            new.replace(self.folder / "end")
        return Ending(None, "lost", reason)

    def _place(self) -> tuple[str, str]:
        try:
            kept = json.loads((self.folder / "record").read_text("utf-8"))
        except FileNotFoundError:
            self.refuse_missing()
            raise
        return kept["machine"], kept["boot"]

    def _kill_group(self) -> None:
        """Kill the command and what it started, if they still are what they were."""
        try:
            number, _, then = (self.folder / "group").read_text("utf-8").partition(" ")
        except FileNotFoundError:
            return  # it was not started
        if not number.isdecimal():
            return  # nor will it be
        now = began(int(number))
        if now in ("", then):  # while one of a group is there, no other process gets the group's number
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(int(number), signal.SIGKILL)


def _here() -> tuple[str, str]:
    """Return the machine, and what tells its boots apart."""
    try:
        boot = _BOOT_ID.read_text("utf-8").strip()
    except OSError:
        boot = ""  # when processes began tells them apart
    return os.uname().nodename, boot
