"""`EcrRegistry`: images in a private registry of Amazon ECR."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from blocks_aws.clients import VENDORS, cause_without, client_for, forget_clients, vendor_errors
from blocks_aws.credentials import AwsCredentials, bearer_key
from blocks_aws.service_reasons import why_no_registry
from blocks_core.capabilities import ContainerRegistry, RegistryLogin
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import CredentialsRefused
from blocks_core.masking import SECRETS_IN_USE, without_secrets
from blocks_core.unlogged import unlogged

MAX_KEPT = 32
"""Registries whose login is kept; the one not used for longest is let go."""
RENEW_BEFORE = timedelta(minutes=15)
"""So long before its end no login is given any more: an engine may wait before it pulls."""

_T = TypeVar("_T")
_ACCOUNT = re.compile(r"^\d{12}(?=\.)")


class EcrRegistry(ContainerRegistry, slug="ecr-registry", title="ECR Registry"):
    """Images in a private registry of Amazon Elastic Container Registry.

    A block that runs containers gives its engine the login. ECR's logins end after 12 hours: a process keeps one and
    gets the next in time. Give the credentials `ecr:GetAuthorizationToken`, and on the repositories
    `ecr:BatchGetImage` and `ecr:GetDownloadUrlForLayer`.

    ```python
    from blocks_aws import EcrRegistry

    EcrRegistry(region="eu-central-1").save("images")
    login = EcrRegistry.load("images").login()
    image = f"{login.server}/etl:1.4"  # 123456789012.dkr.ecr.eu-central-1.amazonaws.com/etl:1.4
    ```
    """

    credentials: AwsCredentials | None = Field(
        default=None, description="Who asks. Default: the environment's own chain."
    )
    registry_id: str | None = Field(
        default=None,
        pattern=r"^\d{12}$",
        description="Account that the registry belongs to, twelve digits. Default: that of the credentials.",
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+$",
        description="Region of the registry, such as eu-central-1. Default: that of the credentials.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    def login(self) -> RegistryLogin:
        """Return a login that holds for a quarter of an hour at least.

        Raises:  CredentialsRefused.
        Source:  https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
        """
        return self._kept().get(self._new_login)[0]

    def check(self) -> CheckReport:
        """Find out whether ECR gives a login, and whether its repositories may be seen; no image is pulled."""
        checker = Checker()
        if checker.step("login", self._try_login):
            checker.step("repositories", self._try_repositories)
        return checker.report()

    def _try_login(self) -> str:
        login, end = self._kept().get(self._new_login)
        return f"{login.server}, until {end:%Y-%m-%d %H:%M} UTC"

    def _try_repositories(self) -> str:
        account = {"registryId": self.registry_id} if self.registry_id else {}
        answer = self._ask("ecr:DescribeRepositories", lambda ecr: ecr.describe_repositories(**account))
        names = [str(found["repositoryName"]) for found in answer["repositories"]]
        return f"{len(names)} may be seen" if names else "There are none yet."

    def _new_login(self) -> tuple[RegistryLogin, datetime]:
        def got(ecr: Any) -> tuple[RegistryLogin, datetime]:
            found = ecr.get_authorization_token()["authorizationData"][0]
            username, _, password = b64decode(found["authorizationToken"]).decode().partition(":")
            server = urlsplit(str(found["proxyEndpoint"])).netloc
            if not password or not server:
                raise ValueError
            SECRETS_IN_USE.add([password, str(found["authorizationToken"])])
            if self.registry_id:  # a login holds for each registry that the bearer may use
                server = _ACCOUNT.sub(self.registry_id, server)
            return RegistryLogin(server, username, SecretStr(password)), found["expiresAt"].astimezone(UTC)

        return self._ask("ecr:GetAuthorizationToken", got)

    def _ask(self, action: str, ask: Callable[[Any], _T]) -> _T:
        region = {"region_name": self.region} if self.region else {}
        try:
            client = client_for(self.credentials, "ecr", self.timeout_seconds, **region)
            with unlogged(*VENDORS):
                return ask(client)
        except (*vendor_errors(), ValueError) as error:
            forget_clients()
            hide = partial(without_secrets, self)
            raise CredentialsRefused(hide(why_no_registry(error, action))) from cause_without(error, hide)

    def _kept(self) -> _Kept:
        return _kept(bearer_key(self.credentials), self.registry_id, self.region)


class _Kept:
    """The login that a process has for a registry, got by one thread at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: tuple[RegistryLogin, datetime] | None = None

    def get(self, new: Callable[[], tuple[RegistryLogin, datetime]]) -> tuple[RegistryLogin, datetime]:
        with self._lock:
            if self._found is None or self._found[1] - datetime.now(UTC) < RENEW_BEFORE:
                self._found = new()
            return self._found


@lru_cache(maxsize=MAX_KEPT)
def _kept(_bearer: tuple[Any, ...], _registry_id: str | None, _region: str | None) -> _Kept:
    return _Kept()
