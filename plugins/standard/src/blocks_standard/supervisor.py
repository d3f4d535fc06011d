"""The supervisor of a job: starts one command, stays until it ends, and writes down how.

It is a program of its own, which `launcher` runs as `python -I -S supervisor.py FOLDER`. It imports next to nothing,
so that it starts in a moment, and it outlives who started it. What is kept of the job lies in the folder:

| file | what |
|---|---|
| `record` | what the job is, in JSON; it gets this name when `control` is there, so that no job is without one |
| `control` | a named pipe. Its one reader is the supervisor: so others see that it lives. They write orders |
| `log` | what the command prints: it writes it itself, so a supervisor that is lost holds nobody up |
| `group` | the command's process group, and when that began; written before the command is |
| `end` | how it ended: an exit code (negative: of a signal), and `ended`, `cancelled` or `stopped` |

The request comes by standard input (`request_of`), so that no secret stands in arguments or in a file. The answer
goes to standard output: `ok`, or what failed and the error's number.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

CANCEL = b"c"
"""An order: ask the command to end, and kill it after the grace period."""
KILL = b"k"
"""An order: kill the command at once."""

_END_BYTES = 64
"""Taken on the disk before the command starts, so that a full one does not hide how it ended."""
_LOOK_SECONDS = 0.05
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def request_of(
    command: Sequence[str], environment: Mapping[str, str], directory: str, grace_seconds: float
) -> bytes:
    """Return what the supervisor reads: texts that each end with a zero byte, which none of them can have."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    texts = [str(grace_seconds), directory, str(len(command)), *command, *variables, "end"]
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def began(pid: int, *, proc: str = "/proc") -> str:
    """Return when a process began, as the system says it, or nothing where there is no such process."""
    if os.path.exists(f"{proc}/self/stat"):
        try:
            with open(f"{proc}/{pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[19].decode()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    import subprocess  # late: it costs more than all the rest, and Linux does without

    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, check=False)
    return asked.stdout.decode().strip()


def main() -> None:
    """Read the request, leave who asked, and do it."""
    request = _read_all(0).split(b"\0")
    if request[-2:] != [b"end", b""]:
        sys.exit(1)  # who asked was killed while it asked
    if os.fork():
        os._exit(0)  # who asked waits for this process, and the system for the other one
    try:
        os.chdir(sys.argv[1])
        supervisor = _Supervisor(request)
    except OSError as error:
        _answer(f"folder {error.errno}")
        return
    _answer(supervisor.problem or "ok")
    if not supervisor.problem:
        supervisor.watch()


class _Supervisor:
    def __init__(self, request: list[bytes]) -> None:
        """Start the command; `problem` says why it was not.

        Raises:  OSError: of the folder.
        """
        self._grace_seconds = float(request[0])
        self._signals, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *_STOPPING):
            signal.signal(number, _wake)
        self._end = os.open("end.new", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(self._end, b" " * _END_BYTES)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.mkfifo("control", 0o600)
        self._control = os.open("control", os.O_RDWR | os.O_NONBLOCK)  # a writer, too: it is never at its end
        os.rename("record.new", "record")
        self._group, self.problem = _start(request[1:-2], log)
        os.close(log)
        self._code: int | None = None
        self._word = "ended"
        self._kill_at: float | None = None
        self._killed = False

    def watch(self) -> None:
        """Stay until the command has ended, and what it started if they were asked to; write down how."""
        while not self._is_over():
            orders = self._wait()
            self._reap()
            if self._code is None or self._kill_at is not None:
                self._obey(orders)
            if self._kill_at is not None and not self._killed and time.monotonic() >= self._kill_at:
                self._send(signal.SIGKILL)
                self._killed = True
        self._send(signal.SIGKILL)  # what the command left behind ends with it, as in a container
        os.pwrite(self._end, f"{self._code} {self._word}".encode(), 0)
        os.fsync(self._end)
        os.rename("end.new", "end")

    def _is_over(self) -> bool:
        return self._code is not None and (
            self._kill_at is None or self._killed or not self._send(0)  # a shell ends before what it runs has
        )

    def _wait(self) -> bytes:
        """Return the orders that come, by signal or pipe; none when it is time to look."""
        seconds = None if self._code is None else _LOOK_SECONDS
        if self._kill_at is not None and not self._killed:
            left = max(0.0, self._kill_at - time.monotonic())
            seconds = left if seconds is None else min(left, seconds)
        ready, _, _ = select.select([self._control, self._signals], [], [], seconds)
        if self._signals in ready:
            stops = [number for number in os.read(self._signals, 4096) if number in _STOPPING]
            if stops and self._kill_at is None:
                self._ask(f"stopped {signal.Signals(stops[0]).name}")
        return os.read(self._control, 4096) if self._control in ready else b""

    def _reap(self) -> None:
        if self._code is None:
            pid, status = os.waitpid(self._group, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None

    def _obey(self, orders: bytes) -> None:
        if CANCEL in orders and self._kill_at is None:
            self._ask("cancelled")
        if KILL in orders:
            self._word, self._kill_at = "cancelled", time.monotonic()

    def _ask(self, word: str) -> None:
        self._word, self._kill_at = word, time.monotonic() + self._grace_seconds
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)  # one that is halted could not answer

    def _send(self, number: int) -> bool:
        """Send a signal to the group; tell whether it is there."""
        try:
            os.killpg(self._group, number)
        except (ProcessLookupError, PermissionError):  # gone, or another user's by now
            return False
        return True


def _start(request: list[bytes], log: int) -> tuple[int, str]:
    """Start the command in a session of its own; return its number, and the problem if it was not started."""
    directory, count = request[0], int(request[1])
    command, variables = request[2 : 2 + count], request[2 + count :]
    environment = {name: value for name, _, value in (variable.partition(b"=") for variable in variables)}
    reading, writing = os.pipe()  # closed by the command's start
    me = os.getpid()
    pid = os.fork()
    if pid:
        os.close(writing)
        problem = _read_all(reading).decode()
        os.close(reading)
        if problem:
            os.waitpid(pid, 0)
        return pid, problem
    step = "folder"
    try:
        os.setsid()
        with open("group", "w") as file:
            file.write(f"{os.getpid()} {began(os.getpid())}")
        if (
            os.getppid() != me
        ):  # killed meanwhile, and whoever noticed may have looked for the group before it was there
            return 0, step
        step = "directory"
        os.chdir(directory)
        for number, target in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(target, number)
        _reset_signals()
        step = "program"
        os.execvpe(command[0], command, environment)  # noqa: S606 a shell would change the arguments
    except OSError as error:
        os.write(writing, f"{step} {error.errno}".encode())
    except ValueError:
        os.write(writing, f"{step} {errno.EINVAL}".encode())
    finally:
        os._exit(127)


def _wake(_number: int, _frame: object) -> None:
    """Do nothing: the number was written to the pipe before."""


def _reset_signals() -> None:
    """Let the command have the signals as every program expects them: whoever submitted may ignore some."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):  # one that the system keeps for itself
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _answer(text: str) -> None:
    """Tell who asked, if it still is there, and let go of it."""
    with suppress(BrokenPipeError):
        os.write(1, text.encode())
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.close(null)


def _read_all(number: int) -> bytes:
    parts = [b""]
    while part := os.read(number, 1 << 16):
        parts.append(part)
    return b"".join(parts)


if __name__ == "__main__":
    main()
