"""`DockerRegistry`: a login to a registry of images."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from blocks_core.capabilities import ContainerRegistry, RegistryLogin
from blocks_core.checks import Checker, CheckReport
from blocks_docker.images import DOCKER_HUB, problem_of_server, server_name


class DockerRegistry(ContainerRegistry, slug="docker-registry"):
    """A login to a registry of container images: Docker Hub, GitHub, GitLab, Harbor, or one of one's own.

    A block that runs containers gives the login to its engine, for images on this server only. Where the
    registry offers tokens, make one that may pull and nothing else, and give it as the password.

    ```python
    from blocks_docker import DockerContainer, DockerRegistry

    registry = DockerRegistry(server="registry.example.com", username="etl", password="hunter2")
    registry.save("team")
    DockerContainer(image="registry.example.com/team/etl:1.4", registry=registry).save("etl")
    ```
    """

    server: str = Field(
        default=DOCKER_HUB,
        description="Server as it stands in the names of its images, such as ghcr.io or "
        "registry.example.com:5000. Default: Docker Hub.",
    )
    username: str = Field(min_length=1, max_length=500, description="Who logs in.")
    password: SecretStr = Field(min_length=1, description="Password, or a token in its place.")
    insecure: bool = Field(
        default=False,
        description="Let the check log in over plain HTTP, where the password can be read on its way; on this "
        "machine it may always.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=300, description="How long the check waits for each answer."
    )

    @field_validator("server")
    @classmethod
    def _is_a_server(cls, server: str) -> str:
        if problem := problem_of_server(server):
            raise ValueError(problem)
        return server_name(server)

    @field_validator("username")
    @classmethod
    def _is_a_name(cls, username: str) -> str:
        if ":" in username or not username.isprintable():
            raise ValueError("a name has no colon and no line's end: the password is a field of its own.")
        return username

    def login(self) -> RegistryLogin:
        """Return the login, as it is."""
        return RegistryLogin(self.server, self.username, self.password)

    def check(self) -> CheckReport:
        """Find out whether the registry answers, and takes the login; no engine is asked."""
        from blocks_docker import registry_access  # late: it imports requests

        checker, found = Checker(), list[registry_access.Registry]()

        def reach() -> str:
            allow_http = self.insecure or registry_access.is_loopback(self.server)
            found.append(registry_access.reach(self.server, self.timeout_seconds, allow_http=allow_http))
            return f"A registry answers at {found[0].url}."

        def log_in() -> str:
            return found[0].log_in(self.username, self.password.get_secret_value())

        if checker.step("connection", reach):
            checker.step("login", log_in)
        return checker.report()
