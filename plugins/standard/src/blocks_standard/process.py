"""`Process`: jobs as processes of this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from blocks_core.capabilities import Infrastructure
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import InfrastructureFailed, JobNotFound
from blocks_core.jobs import Job, problem_of_variables, variables_of
from blocks_core.masking import secret_texts

if TYPE_CHECKING:
    from blocks_standard.process_job import ProcessJob

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
_CHECK_SECONDS = 30.0


def _as_text(value: object) -> object:
    return os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, os.PathLike) else value


class Process(Infrastructure, slug="process"):
    """Runs jobs as processes of this machine.

    Each job has a small supervisor of its own, so that it goes on when the program that submitted it ends, and
    can be found again by its id. A job ends with its command: what that leaves behind is killed. How much of the
    machine a job takes is not limited.

    ```python
    from blocks_core.jobs import Job
    from blocks_standard import Process

    process = Process(environment={"STAGE": "test"})
    handle = process.submit(Job(("sh", "-c", "echo stage $STAGE")))
    end = handle.wait()
    print(end.status, list(handle.logs()))  # completed ['stage test']
    process.save("this-machine")
    ```
    """

    working_directory: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        default=None,
        description="Folder to run commands in, from the root or from ~. Default: that of the program which submits.",
    )
    environment: dict[str, str] = Field(
        default_factory=dict[str, str], description="Variables for every job; a job's own come before them."
    )
    secret_environment: dict[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr], description="Variables that are secrets."
    )
    inherit_environment: bool = Field(
        default=True,
        description="Give jobs the variables of the program that submits, too; off, they have no PATH but the "
        "system's own unless you set one.",
    )
    grace_seconds: float = Field(
        default=10.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long a job that is cancelled may take to end before it is killed.",
    )
    keep_seconds: int = Field(
        default=86_400,
        ge=0,
        description="How long jobs that ended are kept, with what they printed; the next submit removes older ones.",
    )
    jobs_folder: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        default=None,
        description="Folder of a local disk where jobs are kept, from the root or from ~. Default: the folder 'jobs' "
        "in the Blocks home (BLOCKS_HOME, else ~/.blocks).",
    )

    @field_validator("working_directory", "jobs_folder")
    @classmethod
    def _is_absolute(cls, folder: str | None) -> str | None:
        if folder is None or folder.startswith("~") or os.path.isabs(folder):
            return folder
        raise ValueError(
            "it depends on the folder that a program is started in. Write it from the root, such as /srv/jobs, or "
            "from the home folder, such as ~/jobs."
        )

    @field_validator("environment")
    @classmethod
    def _variables_are_fit(cls, environment: dict[str, str]) -> dict[str, str]:
        if problem := problem_of_variables(environment, {}):
            raise ValueError(problem)
        return environment

    @field_validator("secret_environment")
    @classmethod
    def _secret_variables_are_fit(
        cls, secret_environment: dict[str, SecretStr], info: ValidationInfo
    ) -> dict[str, SecretStr]:
        if problem := problem_of_variables(info.data.get("environment", {}), secret_environment):
            raise ValueError(problem)
        return secret_environment

    def submit(self, job: Job) -> ProcessJob:
        """Start a job; it goes on when this process ends.

        Raises:  JobRefused: the program or the working directory is not there; InfrastructureFailed.
        """
        jobs = self._jobs()
        from blocks_standard.launcher import Launch, forget, launch  # late: start-up time

        request = Launch(
            job,
            environment=self._variables() | job.variables(),
            directory=self._directory(job),
            grace_seconds=self.grace_seconds,
            secrets=(*job.secrets(), *secret_texts(self)),
        )
        handle = launch(jobs, request)
        forget(jobs, self.keep_seconds)
        return handle

    def attach(self, job_id: str) -> ProcessJob:
        """Return the handle of a job that was submitted on this machine, by this process or another one.

        Raises:  JobNotFound.
        """
        if not _ID.fullmatch(job_id):
            raise JobNotFound(f"{job_id[:80]!r} is no job's id: 'submit' returns a handle that has it.")
        jobs = self._jobs()
        from blocks_standard.job_records import JobRecord  # late: start-up time
        from blocks_standard.process_job import ProcessJob

        record = JobRecord(jobs / job_id)
        record.refuse_missing()
        return ProcessJob(record)

    def check(self) -> CheckReport:
        """Run a small job: folder of jobs, start, output, end; and remove it."""
        checker, trial = Checker(), _Trial(self, self._jobs)
        steps = (
            ("folder of jobs", trial.use_folder),
            ("start", trial.start),
            ("output", trial.read),
            ("end", trial.wait),
        )
        for name, action in steps:
            if not checker.step(name, action):
                break
        trial.remove()
        return checker.report()

    def _variables(self) -> dict[str, str]:
        inherited = dict(os.environ) if self.inherit_environment else {}
        return inherited | variables_of(self.environment, self.secret_environment)

    def _directory(self, job: Job) -> str:
        base = Path(self.working_directory or ".").expanduser()
        return str((base / Path(job.working_directory or ".").expanduser()).absolute())

    def _jobs(self) -> Path:
        """Return the folder of jobs.

        Raises:  InfrastructureFailed: not on this system.
        """
        if not hasattr(os, "fork"):
            raise InfrastructureFailed(
                "Jobs run as processes on Linux and macOS only. Use a block of another type."
            )
        if self.jobs_folder is None:
            return Path(os.environ.get("BLOCKS_HOME") or "~/.blocks").expanduser() / "jobs"
        return Path(self.jobs_folder).expanduser()


class _Trial:
    """A small job that shows whether jobs run."""

    def __init__(self, process: Process, jobs: Callable[[], Path]) -> None:
        self._process = process
        self._jobs = jobs
        self._handle: ProcessJob | None = None

    def use_folder(self) -> str:
        jobs = self._jobs()
        from blocks_standard.launcher import use_folder  # late: start-up time

        use_folder(jobs)
        return str(jobs)

    def start(self) -> str:
        self._handle = self._process.submit(
            Job((sys.executable, "-I", "-S", "-c", "print('a line')"), name="check")
        )
        return self._handle.id

    def read(self) -> str:
        lines = list(self._handle.logs()) if self._handle else []
        if lines != ["a line"]:
            raise InfrastructureFailed(f"It printed other than it should: {lines[:5]!r}.")
        return lines[0]

    def wait(self) -> str:
        end = self._handle.wait(_CHECK_SECONDS) if self._handle else None
        if not end or not end.ok:
            raise InfrastructureFailed(f"It did not end as it should: {end!r}.")
        return end.status

    def remove(self) -> None:
        if self._handle:
            self._handle.remove()
