"""Whether a process that was seen before still lives: by its number, and by when and where it began.

A number alone would not do: it is given again, and means another process in another container, or on another host.

Source: proc_pid_stat(5) for the start (field 22), pid_namespaces(7), random(4) for `boot_id`, machine-id(5).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

_STATE, _START = 0, 19
"""Places behind the name, which is in parentheses and may hold some itself."""
_DEAD: Final = ("Z", "X")


class Life(StrEnum):
    """What is known of a process."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"
    """It ran elsewhere, or the system does not say when a process began."""


def own_mark() -> str:
    """Return what tells this process from all others; empty where the system does not say."""
    return _own_mark(os.getpid())


def life_of(host: str, process_id: int, mark: str | None) -> Life:
    """Tell whether a process still lives that had this mark, on this host name."""
    if host != socket.gethostname():
        return Life.UNKNOWN
    if not mark:
        return Life.UNKNOWN if _exists(process_id) else Life.GONE
    place = _place()
    if mark.rpartition(" ")[0] == place:
        return Life.ALIVE if _start_of(process_id) == mark.rpartition(" ")[2] else Life.GONE
    machine, boot, _namespace = place.split(" ")
    then = mark.split(" ")
    if len(then) == 4 and machine != "-" and then[0] == machine and then[1] != boot:
        return Life.GONE  # this machine was started anew since
    return Life.UNKNOWN


def life_of_run(about: Mapping[str, Any]) -> Life:
    """Tell whether the process still lives that a flow run's record, or checkpoint, names."""
    return life_of(about["host"], about["process_id"], about["process_mark"])


@lru_cache(maxsize=1)
def _own_mark(process_id: int) -> str:
    start = _start_of(process_id)
    return "" if start is None else f"{_place()} {start}"


@lru_cache(maxsize=1)
def _place() -> str:
    """Return machine, boot and process namespace: where a process number and its start mean something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "- - -"
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    return f"{machine or '-'} {boot} {namespace}"


def _start_of(process_id: int) -> str | None:
    """Return when a process began, in ticks since the boot; None: there is none, or it cannot be told."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if len(fields) <= _START or fields[_STATE] in _DEAD else fields[_START]


def _exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
