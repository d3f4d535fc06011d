"""`DockerHost`: where an engine is, and how it is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

from pydantic import Field, SecretStr, field_validator, model_validator

from blocks_core import Block
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import InfrastructureFailed
from blocks_docker.environment import find_settings
from blocks_docker.settings import EngineSettings, problem_of_address

T = TypeVar("T")


class DockerHost(Block, slug="docker-host"):
    """Where an engine of Docker is, and how it is reached.

    Without an address it is found as Docker's own command finds it: DOCKER_HOST, then the context that is
    chosen, then the standard socket. An engine on the network shows a certificate and asks for one; give
    them as texts. Whoever may use an engine has its whole machine, so an engine without certificates
    belongs on no network.

    ```python
    from blocks_docker import DockerHost

    DockerHost(host="ssh://etl@docker.example.com").save("build-machine")
    ```
    """

    host: str | None = Field(
        default=None,
        description="Address of the engine: unix:///var/run/docker.sock, tcp://docker.example.com:2376 or "
        "ssh://user@docker.example.com. Default: found as Docker's own command finds it.",
    )
    ca_cert: str | None = Field(
        default=None, min_length=1, description="Certificate that signs the engine's, as text (PEM)."
    )
    client_cert: str | None = Field(
        default=None, min_length=1, description="Certificate to show to the engine, as text (PEM)."
    )
    client_key: SecretStr | None = Field(
        default=None, min_length=1, description="Key of the certificate to show, as text (PEM)."
    )
    timeout_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("host")
    @classmethod
    def _is_an_address(cls, host: str | None) -> str | None:
        if host is not None and (problem := problem_of_address(host)):
            raise ValueError(problem)
        return host

    @field_validator("ca_cert", "client_cert")
    @classmethod
    def _is_a_certificate(cls, text: str | None) -> str | None:
        if text is not None and ("BEGIN CERTIFICATE" not in text or "PRIVATE KEY" in text):
            raise ValueError(
                "give the certificate as text, with its lines BEGIN CERTIFICATE and END CERTIFICATE, and without a "
                "key, which goes into client_key."
            )
        return text

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        if (self.client_cert is None) != (self.client_key is None):
            raise ValueError(
                "A certificate to show needs its key: give client_cert and client_key, or neither."
            )
        if (self.ca_cert or self.client_cert) and not (self.host or "").startswith("tcp:"):
            raise ValueError(
                "Certificates are for an engine on the network: give host an address with tcp://."
            )
        return self

    def settings(self) -> EngineSettings:
        """Return what a connection needs, the key in clear."""
        return EngineSettings(
            address=self.host,
            ca_cert=self.ca_cert,
            client_cert=self.client_cert,
            client_key=self.client_key.get_secret_value() if self.client_key else None,
            timeout_seconds=self.timeout_seconds,
        )

    def ask(self, call: Callable[[Any], T], *, secrets: tuple[str, ...] = ()) -> T:
        """Return what a call of the SDK's client for the API (`docker.APIClient`) gives.

        Args:    secrets: texts, besides the block's own, that no error may repeat.
        Raises:  InfrastructureFailed: no answer came, or a refusal.
        """
        from blocks_docker import connection  # late: it imports Docker's SDK

        return connection.ask(self.settings(), call, secrets=secrets)

    def address(self) -> str:
        """Return the engine's address, also where the environment decides.

        Raises:  InfrastructureFailed: the environment's settings lead nowhere.
        """
        return find_settings(self.settings()).address or ""

    def check(self) -> CheckReport:
        """Find out whether the engine answers, and lets its containers be listed."""
        checker = Checker()
        if checker.step("connection", self.describe):
            checker.step("containers", self._count)
        return checker.report()

    def describe(self) -> str:
        """Return which engine answers, in a sentence.

        Raises:  InfrastructureFailed.
        """
        found: dict[str, Any] = self.ask(lambda client: client.version())
        platform = f"{found.get('Os', '?')}/{found.get('Arch', '?')}"
        version, api = found.get("Version", "?"), found.get("ApiVersion", "?")
        return f"Engine {version} ({platform}, API {api}) answers at {self.address()}."

    def _count(self) -> str:
        running: list[Any] = self.ask(lambda client: client.containers(quiet=True))
        if not isinstance(running, list):  # pyright: ignore[reportUnnecessaryIsInstance] what answers may be anything
            raise InfrastructureFailed(f"What answered at {self.address()} is no engine of Docker.")
        return f"{len(running)} containers run."
