"""`DockerContainer`: commands in containers."""

from __future__ import annotations

from contextlib import suppress

from pydantic import Field, SecretStr, field_validator

from blocks_core.capabilities import ContainerRegistry, Infrastructure, RegistryLogin
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import InfrastructureFailed
from blocks_core.jobs import Job, check_variables
from blocks_docker import pulling
from blocks_docker.creating import ContainerPlan, create, image_name, name_for
from blocks_docker.errors import EngineRefused
from blocks_docker.handle import JOB_LABEL, ContainerHandle
from blocks_docker.host import DockerHost
from blocks_docker.images import parse_image, server_name
from blocks_docker.pulling import PullPolicy
from blocks_docker.reasons import remedy_for
from blocks_docker.sweeping import KEEP_LABEL, sweep
from blocks_docker.volumes import mount_of

_MIN_MEMORY_BYTES = 6 * 1024 * 1024
_OWN_LABELS = "blocks."


class DockerContainer(Infrastructure, slug="docker-container"):
    """Commands in containers of a Docker engine, each in a container of its own.

    A job goes on when the program that submitted it ends, and is found again by its id, which is the
    container's. The command runs as it is, in place of the image's entry point. Secret variables are
    variables of the container: whoever may use the engine can read them, as all else that runs there.

    ```python
    from blocks_core.jobs import Job
    from blocks_docker import DockerContainer

    container = DockerContainer(image="python:3.12-slim", memory_bytes=512 * 1024**2)
    handle = container.submit(Job(("python", "-c", "print('hello')"), name="greeting"))
    print(handle.wait().status, list(handle.logs()))
    container.save("small")
    ```
    """

    image: str = Field(
        description="Image to run, with its tag or digest, such as registry.example.com/team/etl:1.4; without "
        "one, the tag is latest."
    )
    image_pull_policy: PullPolicy = Field(
        default="if-not-present",
        description="When the engine pulls the image: if it does not have it, before each job, or never.",
    )
    registry: ContainerRegistry | None = Field(
        default=None,
        description="Login to the registry that the image is pulled from; used for images on its server only. "
        "Default: that of Docker's own configuration.",
    )
    host: DockerHost | None = Field(
        default=None, description="The engine. Default: found as Docker's own command finds it."
    )
    environment: dict[str, str] = Field(
        default_factory=dict[str, str], description="Variables of each container; a job's own come on top."
    )
    secret_environment: dict[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr], description="Variables whose values are secrets."
    )
    working_directory: str | None = Field(
        default=None, pattern=r"^/", description="Folder to start in. Default: the image's."
    )
    volumes: list[str] = Field(
        default_factory=list[str],
        description="Folders of the engine's machine, or volumes, that containers see: source:target, or "
        "source:target:ro to read only.",
    )
    network: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Network of the containers: bridge, host, none, or the name of one. Default: the engine's.",
    )
    user: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
        description="User, or user:group, by name or number. Default: the image's.",
    )
    memory_bytes: int | None = Field(
        default=None,
        ge=_MIN_MEMORY_BYTES,
        description="Memory that a container may use, swap included; a job that needs more is killed. Default: no "
        "limit.",
    )
    cpus: float | None = Field(
        default=None, ge=0.01, description="Processors that a container may use. Default: no limit."
    )
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], description="Labels of each container; a job's own come on top."
    )
    grace_seconds: int = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long a job that is cancelled may take to end by itself, before it is killed.",
    )
    keep_seconds: int | None = Field(
        default=86400,
        ge=0,
        description="How long a container is kept after its end, with its log, for who waits for it or looks at it; "
        "the next job removes it then. None keeps it until somebody removes it.",
    )
    reconnect_seconds: float = Field(
        default=60.0,
        ge=0,
        le=86400,
        description="How long to go on without an engine that answers, such as while it is restarted, when waiting "
        "or reading a log.",
    )

    @field_validator("image")
    @classmethod
    def _is_an_image(cls, image: str) -> str:
        parse_image(image)
        return image

    _are_variables = field_validator("environment", "secret_environment")(check_variables)

    @field_validator("volumes")
    @classmethod
    def _are_volumes(cls, volumes: list[str]) -> list[str]:
        targets = [mount_of(text)["Target"] for text in volumes]
        if len(set(targets)) < len(targets):
            raise ValueError("two of them have the same place in the container. Give each its own.")
        return volumes

    @field_validator("labels")
    @classmethod
    def _are_not_ours(cls, labels: dict[str, str]) -> dict[str, str]:
        if ours := [name for name in labels if name.startswith(_OWN_LABELS) or not name]:
            raise ValueError(f"{ours[0]!r} is a name that this block uses itself. Choose others.")
        return labels

    def submit(self, job: Job) -> ContainerHandle:
        """Start a job in a container of its own; the image is pulled first, if the policy says so.

        Raises:  JobRefused: the engine has not what the job asks for; InfrastructureFailed, CredentialsRefused.
        """
        host = self._host()
        plan = self._plan(job)
        pulling.have_image(host, plan.image, self.image_pull_policy, lambda: self._login(plan.image))
        sweep(host)
        return self._handle(create(host, plan))

    def attach(self, job_id: str) -> ContainerHandle:
        """Return the handle of a job by the id of its container.

        Raises:  JobNotFound: there is none, or it is not one of ours; InfrastructureFailed.
        """
        return self._handle(job_id).find()

    def check(self) -> CheckReport:
        """Find out whether a job could run: engine, image, container, log; nothing is run, and nothing stays."""
        checker, host = Checker(), self._host()
        if not checker.step("engine", host.describe):
            return checker.report()
        there: list[bool] = []
        if checker.step("image", lambda: self._check_image(host, there)) and there:
            made: list[str] = []
            try:
                if checker.step("container", lambda: self._check_container(host, made)):
                    checker.step("log", lambda: self._check_log(host, made[0]))
            finally:
                with suppress(InfrastructureFailed):
                    for container_id in made:
                        host.ask(
                            lambda client, gone=container_id: client.remove_container(
                                gone, v=True, force=True
                            )
                        )
        return checker.report()

    def _check_image(self, host: DockerHost, there: list[bool]) -> str:
        if pulling.is_there(host, self.image):
            there.append(True)
            if self.image_pull_policy != "always":
                return f"The engine has the image '{self.image}'."
        if self.image_pull_policy == "never":
            pulling.have_image(host, self.image, "never", lambda: None)
        pulling.can_be_pulled(host, self.image, self._login(self.image))
        return f"The engine can pull the image '{self.image}'" + (
            "." if there else "; the first job does that."
        )

    def _check_container(self, host: DockerHost, made: list[str]) -> str:
        plan = self._plan(Job(("true",), name="check"))
        made.append(create(host, plan, started=False))
        return "A container was created as for a job, and removed again; it was not started."

    def _check_log(self, host: DockerHost, container_id: str) -> str:
        from blocks_docker.following import read  # late: it imports Docker's SDK

        try:
            list(read(host, container_id))
        except EngineRefused as error:
            raise InfrastructureFailed(
                f"The log of a container cannot be read ({error.said}). {remedy_for(error.said)}"
            ) from error
        return "The log of a container can be read."

    def _plan(self, job: Job) -> ContainerPlan:
        image_name(job.image or self.image)
        own = {name: value.get_secret_value() for name, value in self.secret_environment.items()}
        labels = {**self.labels, **job.labels, JOB_LABEL: job.name[:200]}
        if self.keep_seconds is not None:
            labels[KEEP_LABEL] = str(self.keep_seconds)
        return ContainerPlan(
            image=job.image or self.image,
            command=job.command,
            name=name_for(job.name),
            environment={**self.environment, **own, **job.variables()},
            labels=labels,
            mounts=tuple(mount_of(text) for text in self.volumes),
            working_directory=job.working_directory or self.working_directory,
            user=self.user,
            network=self.network,
            memory_bytes=job.resources.memory_bytes or self.memory_bytes,
            cpus=job.resources.cpus or self.cpus,
            grace_seconds=self.grace_seconds,
            secrets=(*own.values(), *job.secrets()),
        )

    def _host(self) -> DockerHost:
        return self.host or DockerHost()

    def _login(self, image: str) -> RegistryLogin | None:
        """Return the login for an image: none for one on another server, which must not get to see it."""
        if self.registry is None:
            return None
        login = self.registry.login()
        return login if server_name(login.server) == parse_image(image).server else None

    def _handle(self, container_id: str) -> ContainerHandle:
        return ContainerHandle(container_id, self._host(), self.grace_seconds, self.reconnect_seconds)
