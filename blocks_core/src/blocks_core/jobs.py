"""Jobs: a command to run somewhere, the handle of one that runs, and how it ended."""

from __future__ import annotations

import os
import re
import signal
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from pydantic import SecretStr, ValidationInfo

from blocks_core.errors import JobRefused

JobStatus = Literal["pending", "running", "completed", "failed", "crashed", "cancelled"]

ENDED: frozenset[JobStatus] = frozenset({"completed", "failed", "crashed", "cancelled"})

LOG_TAIL_LINES = 50
"""Last lines of what a job printed that its end keeps."""
LOG_TAIL_CHARACTERS = 1_000
"""Of each of these; the rest of a longer one is cut off."""
MAX_LINE_CHARACTERS = 1 << 20
"""A longer line of a log comes in pieces of this length, so that nobody holds it whole."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGNALLED = 128
"""Added to a signal's number by shells and container engines: 137 is SIGKILL."""


@dataclass(frozen=True)
class Resources:
    """What a job needs and may have; an infrastructure without such limits runs it without."""

    cpus: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Job:
    """A command to run somewhere.

    Raises:  JobRefused: there is no command, or a name or a text that no process can be given.
    """

    command: tuple[str, ...]
    """The program and its arguments, as they are: no shell reads them."""
    name: str = "job"
    """For people; infrastructures make an id of their own from it."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secret_environment: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr], repr=False)
    """Variables that are secrets: never in arguments, manifests, labels or logs of the infrastructure."""
    working_directory: str | None = None
    image: str | None = None
    """In place of the image of the block, where the infrastructure runs images."""
    resources: Resources = Resources()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """To find the job by, in the infrastructure's own tools; in a form that these take."""

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.command), str):
            object.__setattr__(self, "command", tuple(os.fspath(part) for part in self.command))
        problem = _problem_of(self)
        if problem:
            raise JobRefused(f"The job '{self.name[:80]}' cannot be run: {problem}")

    def variables(self) -> dict[str, str]:
        """Return all variables in clear, secrets among them: for the process, and for nothing that is kept.

        Raises:  JobRefused: a secret is a text that no process can be given; SecretUnresolved.
        """
        return variables_of(self.environment, self.secret_environment)

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that nothing may show."""
        return tuple(value.get_secret_value() for value in self.secret_environment.values())


@dataclass(frozen=True)
class JobEnd:
    """How a job ended."""

    status: Literal["completed", "failed", "crashed", "cancelled"]
    """`completed`: exit code 0; `failed`: the command ended by itself with another; `crashed`: something else ended
    it, or it never ran; `cancelled`: by `cancel()`."""
    exit_code: int | None = None
    """None where there was no process, or nobody saw it end; of a signal 128 and its number, as shells say it."""
    reason: str = ""
    """Why it crashed, for people, such as `killed by SIGKILL (out of memory)`."""
    log_tail: tuple[str, ...] = ()
    """The last lines that it printed."""

    @property
    def ok(self) -> bool:
        """Tell whether the command did what it was for."""
        return self.status == "completed"


class JobHandle(Protocol):
    """A job that was submitted; found again from another process by its id."""

    @property
    def id(self) -> str:
        """Return what `attach` of the same block takes, in this process and in others."""
        ...

    def status(self) -> JobStatus:
        """Return where the job stands.

        Raises:  JobNotFound: it was removed; InfrastructureFailed.
        """
        ...

    def wait(self, timeout_seconds: float | None = None) -> JobEnd:
        """Wait for the end; of a job that has ended, return it at once.

        Raises:  TimeoutError: it has not ended yet, and goes on; JobNotFound, InfrastructureFailed.
        """
        ...

    def logs(self) -> Iterator[str]:
        """Yield the lines that the job prints, from the first, until it ends; both of its streams.

        A line ends with a line feed, which it comes without; bytes that are no UTF-8 are replaced.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        ...

    def cancel(self) -> None:
        """Stop the job and all that it started: asked by SIGTERM, killed after the block's grace period.

        It may return before the end, which `wait` tells: `cancelled`, also where the command ended by itself when
        it was asked. One that has ended stays as it is, and is no error.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        ...

    def remove(self) -> None:
        """Remove all that the infrastructure keeps of the job; again is no error. One that runs is killed.

        Raises:  InfrastructureFailed.
        """
        ...


def end_of(exit_code: int, log_tail: Iterable[str] = (), *, reason: str = "") -> JobEnd:
    """Return how a job ended by the code that its process ended with.

    A negative one, or one above 128, is that of a signal: the job crashed.

    Args:    log_tail: lines of which the last are kept.
             reason: what is known beside the signal, such as `out of memory`.

    >>> end_of(3).status, end_of(-9).reason, end_of(137, reason="out of memory").reason
    ('failed', 'killed by SIGKILL', 'killed by SIGKILL (out of memory)')
    """
    tail = tail_of(log_tail)
    code = exit_code if exit_code >= 0 else _SIGNALLED - exit_code
    name = _signal_of(code)
    if name:
        return JobEnd(
            "crashed", code, f"killed by {name} ({reason})" if reason else f"killed by {name}", tail
        )
    if reason:
        return JobEnd("crashed", code, reason, tail)
    return JobEnd("failed" if code else "completed", code, "", tail)


def tail_of(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the last lines of a log as a job's end keeps them: few, and long ones cut."""
    return tuple(
        line if len(line) <= LOG_TAIL_CHARACTERS else f"{line[:LOG_TAIL_CHARACTERS]} ..."
        for line in deque(lines, LOG_TAIL_LINES)
    )


def lines_of(pieces: Iterable[bytes]) -> Iterator[str]:
    r"""Yield the lines of a log that comes in pieces of any size, each as soon as it is whole; the last at the end.

    >>> list(lines_of([b"a\nb", b"c\n", b"\xff"]))
    ['a', 'bc', '�']
    """
    decoder = getincrementaldecoder("utf-8")("replace")
    begun = ""
    for piece in pieces:
        *whole, begun = (begun + decoder.decode(piece)).split("\n")
        for line in whole:
            yield from _in_pieces(line)
        while len(begun) > MAX_LINE_CHARACTERS:
            yield begun[:MAX_LINE_CHARACTERS]
            begun = begun[MAX_LINE_CHARACTERS:]
    begun += decoder.decode(b"", final=True)
    if begun:
        yield begun


def _in_pieces(line: str) -> Iterator[str]:
    yield line[:MAX_LINE_CHARACTERS]
    for start in range(MAX_LINE_CHARACTERS, len(line), MAX_LINE_CHARACTERS):
        yield line[start : start + MAX_LINE_CHARACTERS]


def _signal_of(code: int) -> str:
    try:
        return signal.Signals(code - _SIGNALLED).name if code > _SIGNALLED else ""
    except ValueError:
        return ""


def variables_of(
    environment: Mapping[str, str], secret_environment: Mapping[str, SecretStr]
) -> dict[str, str]:
    """Return variables of both kinds in clear: for a process, and for nothing that is kept.

    Raises:  JobRefused: a secret is a text that no process can be given; SecretUnresolved.
    """
    variables = dict(environment)
    for name, secret in secret_environment.items():
        variables[name] = secret.get_secret_value()
        if not _is_fit(variables[name]):
            raise JobRefused(
                f"The secret variable {name} cannot be given to a process: it {_UNFIT}"
            ) from None
    return variables


def problem_of_variables(environment: Mapping[str, str], secret_environment: Mapping[str, SecretStr]) -> str:
    """Return why no process can have these variables, or nothing; of secrets the names alone are looked at."""
    for name in (*environment, *secret_environment):
        if not _VARIABLE.fullmatch(name):
            return f"{name[:80]!r} is no name of a variable. Use letters, digits and '_'."
    twice = sorted(set(environment).intersection(secret_environment))
    if twice:
        return f"{', '.join(twice)} is in environment and in secret_environment. Give it once."
    unfit = [name for name, text in environment.items() if not _is_fit(text)]
    return f"the variable {unfit[0]} {_UNFIT}" if unfit else ""


def check_variables(variables: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    """Refuse variables that no process can have: a validator of the fields `environment` and `secret_environment`.

    Raises:  ValueError.
    """
    if info.field_name == "environment":
        problem = problem_of_variables(variables, {})
    else:
        problem = problem_of_variables(info.data.get("environment", {}), variables)
    if problem:
        raise ValueError(problem)
    return variables


_UNFIT = "has a zero byte, or half of a character, which no process can be given. Take it out."


def _is_fit(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _problem_of(job: Job) -> str:
    if isinstance(cast("object", job.command), str):
        return "its command is one text, and no shell reads it. Give a list, such as ['python', 'flow.py']."
    if not job.command or not job.command[0]:
        return "it has no command. Give the program and its arguments, such as ['python', 'flow.py']."
    if not all(_is_fit(text) for text in (*job.command, job.working_directory or "")):
        return f"its command or its working directory {_UNFIT}"
    return problem_of_variables(job.environment, job.secret_environment)
