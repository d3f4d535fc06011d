"""Where a container stands, and how it ended, by what the engine tells of it; pure.

Source:  https://docs.docker.com/reference/api/engine/ (ContainerInspect, State).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from blocks_core.jobs import JobEnd, JobStatus, end_of

CANCELLED = ".cancelled"
"""At the end of the name of a container that was cancelled: labels cannot be changed, and a name is seen by all."""

_NOT_RUN = re.compile(r"\[FATAL tini \(\d+\)\] exec (?P<program>.*) failed: (?P<why>.*)")
_NOT_RUN_CODES = frozenset({126, 127})
_LOST = 255
_WHY_LOST = "exit code 255: the engine's machine went down meanwhile, or the program ended with this code"


@dataclass(frozen=True)
class ContainerState:
    """What an engine tells of one of our containers."""

    name: str
    status: str
    """In the engine's words, such as `running` or `exited`."""
    exit_code: int
    out_of_memory: bool
    error: str
    """Why it was not started, in the engine's words."""
    program: str
    has_memory_limit: bool

    @classmethod
    def of(cls, inspected: Mapping[str, Any]) -> ContainerState:
        """Return what matters of the engine's answer."""
        state = cast("Mapping[str, Any]", inspected["State"])
        config = cast("Mapping[str, Any]", inspected["Config"])
        return cls(
            name=str(inspected["Name"]).lstrip("/"),
            status=str(state["Status"]),
            exit_code=int(state["ExitCode"]),
            out_of_memory=bool(state.get("OOMKilled")),
            error=str(state.get("Error") or ""),
            program=str((config.get("Entrypoint") or [""])[0]),
            has_memory_limit=bool(inspected["HostConfig"].get("Memory")),
        )

    @property
    def is_cancelled(self) -> bool:
        """Tell whether somebody cancelled it."""
        return self.name.endswith(CANCELLED)

    @property
    def is_pending(self) -> bool:
        """Tell whether it is still to be started."""
        return self.status == "created" and not self.error and not self.is_cancelled

    @property
    def is_running(self) -> bool:
        """Tell whether its program runs, or is about to go on."""
        return self.status in ("running", "paused", "restarting")

    @property
    def has_stopped(self) -> bool:
        """Tell whether its program ran, and does not any more."""
        return not self.is_running and self.status != "created"

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more will happen."""
        return not self.is_pending and not self.is_running

    def job_status(self) -> JobStatus:
        """Return where the job stands."""
        if self.is_pending:
            return "pending"
        return "running" if self.is_running else self.end(()).status

    def end(self, lines: Sequence[str]) -> JobEnd:
        """Return how it ended.

        Args:    lines: the last that it printed.
        """
        if self.is_cancelled:
            return JobEnd("cancelled", None if self.status == "created" else self.exit_code, "", tuple(lines))
        if self.status == "created":
            return JobEnd("crashed", None, f"it was not started: {self.error}", tuple(lines))
        if self.exit_code in _NOT_RUN_CODES and (not_run := self.not_run(lines)):
            return JobEnd("crashed", self.exit_code, not_run, tuple(lines))
        if self.exit_code == _LOST:  # nothing tells the two apart, and the first is the more frequent
            return JobEnd("crashed", _LOST, _WHY_LOST, tuple(lines))
        is_short = self.out_of_memory and self.exit_code != 0
        return end_of(self.exit_code, lines, reason="out of memory" if is_short else "")

    def not_run(self, lines: Sequence[str]) -> str:
        """Return why the program was not run, where the engine's small init process says so; else nothing."""
        found = _NOT_RUN.fullmatch(lines[-1]) if lines else None
        if found is None:
            return ""
        return f"the program '{found['program']}' could not be run in the image: {found['why']}"
