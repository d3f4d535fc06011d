"""`Access`: where a cluster is and who asks it, as one context of a kubeconfig or a pod's service account says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoginCommand:
    """A program that prints a token, such as `aws eks get-token`.

    Source:  https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """

    command: tuple[str, ...] = field(repr=False)
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = "client.authentication.k8s.io/v1"
    install_hint: str = ""
    cluster: str | None = field(default=None, repr=False)
    """What the program is told of the cluster, as JSON, where it asks for that."""


@dataclass(frozen=True)
class Access:
    """What a connection to a cluster needs."""

    server: str
    namespace: str = "default"
    user: str = ""
    """As the kubeconfig calls the bearer."""
    verify: bool = True
    server_name: str | None = None
    """Name that the server's certificate must have, where that is not the host's."""
    authority: str | None = field(default=None, repr=False)
    """Certificates to trust, as PEM; None trusts what the machine does."""
    proxy_url: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    """Read before each request: Kubernetes renews what is in it."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    login: LoginCommand | None = None

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that nothing may show."""
        found = (
            self.token,
            self.password,
            self.key,
            self.proxy_url if "@" in (self.proxy_url or "") else None,
        )
        given: Mapping[str, str] = dict(self.login.environment) if self.login else {}
        return tuple(text for text in (*found, *given.values()) if text)
