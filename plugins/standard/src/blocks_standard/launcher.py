"""Starting the supervisor of a job, and forgetting jobs that ended long ago."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from blocks_core.errors import BlocksError, InfrastructureFailed, JobRefused
from blocks_core.jobs import Job
from blocks_core.masking import without
from blocks_standard import supervisor
from blocks_standard.job_records import JobRecord
from blocks_standard.process_job import ProcessJob

_ABANDONED_SECONDS = 3600.0
"""Age of a folder without a job in it: whoever made it was killed before the job began."""
_MAX_NAME_CHARACTERS = 40


@dataclass(frozen=True)
class Launch:
    """A job as a process block starts it."""

    job: Job
    environment: dict[str, str] = field(repr=False)
    """All of it, with secrets in clear."""
    directory: str
    grace_seconds: float
    secrets: tuple[str, ...] = field(repr=False)
    """What no error may show."""


def launch(jobs: Path, request: Launch) -> ProcessJob:
    """Start a supervisor and its command.

    Raises:  JobRefused: the program or its directory is not there; InfrastructureFailed.
    """
    record = JobRecord(jobs / _id_of(request.job))
    handle = ProcessJob(record)
    try:
        _make(jobs)
        record.write(request.job.name, request.job.labels)
    except OSError as error:
        shutil.rmtree(record.folder, ignore_errors=True)
        raise _unusable(jobs, error) from error
    try:
        answer = _ask(record.folder, request)
        if answer != "ok":
            raise _refusal(jobs, request, answer)
    except BaseException:
        handle.remove()
        raise
    return handle


def use_folder(jobs: Path) -> None:
    """Make the folder of jobs, and write to it.

    Raises:  InfrastructureFailed.
    """
    tried = jobs / f".check-{os.urandom(6).hex()}"
    try:
        _make(jobs)
        try:
            tried.write_bytes(b"x")
        finally:
            tried.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(jobs, error) from error


def forget(jobs: Path, keep_seconds: float) -> None:
    """Remove the jobs that ended longer ago than that; of those that lost their supervisors kill the commands."""
    before = time() - keep_seconds
    with (
        suppress(OSError),
        os.scandir(jobs) as entries,
    ):  # the job that was submitted runs, whatever is the matter
        for folder in [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]:
            with suppress(
                BlocksError, OSError
            ):  # one that cannot be looked at now is looked at again next time
                _forget(folder, before)


def _forget(folder: str, before: float) -> None:
    try:
        if os.stat(f"{folder}/end").st_mtime < before:
            JobRecord(Path(folder)).remove()
    except FileNotFoundError:
        record = JobRecord(Path(folder))
        if record.is_there():
            record.ending()
        elif os.stat(folder).st_mtime < before - _ABANDONED_SECONDS:
            record.remove()


def _make(jobs: Path) -> None:
    for folder in (jobs.parent, jobs):  # the home of Blocks is for its user alone, too
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _unusable(jobs: Path, error: OSError) -> InfrastructureFailed:
    """Return the error for a folder of jobs that cannot be used."""
    remedy = {
        errno.ENOSPC: "Free some space",
        errno.EDQUOT: "Free some space",
        errno.EACCES: "Let this user write there",
        errno.EPERM: "Let this user write there",
        errno.EROFS: "Let this user write there",
    }.get(error.errno or 0, "Look at the folder")
    return InfrastructureFailed(
        f"The folder of jobs {jobs} cannot be used: {error.strerror or error}. {remedy}, or name a folder of a local "
        f"disk in the block's jobs_folder."
    )


def _ask(folder: Path, request: Launch) -> str:
    """Start the supervisor, and return its answer: when it comes, the command has started."""
    asked = supervisor.request_of(
        request.job.command, request.environment, request.directory, request.grace_seconds
    )
    command = [sys.executable, "-I", "-S", supervisor.__file__, str(folder)]
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        ) as process:
            answer, _ = process.communicate(asked)
    except OSError as error:
        raise _unsupervised(f"{error.strerror} ({sys.executable or 'there is no Python'})") from error
    return answer.decode(errors="replace").strip().rpartition("\n")[2]  # the last line of what Python may say


def _refusal(jobs: Path, request: Launch, answer: str) -> InfrastructureFailed:
    step, _, number = answer.partition(" ")
    if step not in ("folder", "directory", "program") or not number.isdecimal():
        return _unsupervised(answer or "it was killed")
    code = int(number)
    if code in (errno.EAGAIN, errno.ENOMEM):
        return _unsupervised(os.strerror(code))
    if step == "folder":
        return _unusable(jobs, OSError(code, os.strerror(code)))
    if step == "directory":
        what, remedy = f"The working directory '{request.directory}'", _DIRECTORY
    else:
        what, remedy = f"The program '{request.job.command[0]}'", _PROGRAM.get(code, _ANY_PROGRAM)
    told = f"{what} cannot be used: {os.strerror(code)}. {remedy}"
    return JobRefused(without(told, request.secrets))


def _unsupervised(reason: str) -> InfrastructureFailed:
    return InfrastructureFailed(
        f"The job was not started, as the process that would watch over it was not: {reason}. Look at this machine's "
        f"memory and at how many processes a user may have, and submit it again."
    )


_DIRECTORY = "Make it, or name another one in working_directory."
_ANY_PROGRAM = "Try it in a shell of this machine."
_PROGRAM = {
    errno.ENOENT: "Install it, give its whole path, or set PATH in environment; of a script, look at its first line, "
    "which names a program, too.",
    errno.EACCES: 'Let it be executed (chmod +x), or give the program that reads it first, such as "python".',
    errno.ENOEXEC: "It is built for another machine, or a script whose first line does not begin with #!.",
    errno.E2BIG: "The arguments and variables are too long together: pass a file's path instead.",
}


def _id_of(job: Job) -> str:
    name = re.sub("[^a-z0-9]+", "-", job.name.lower()).strip("-")[:_MAX_NAME_CHARACTERS].strip("-")
    return f"{name or 'job'}-{os.urandom(6).hex()}"
