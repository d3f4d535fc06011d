"""What this plugin raises where a cluster does not do what was asked.

InfrastructureFailed
├── ClusterUnreachable   no answer came, or the cluster says that it is busy: it may be asked again
├── ClusterRefused       the cluster answered, and did not do it
└── LoginRefused         also a CredentialsRefused: the cluster does not know the bearer, or there is no way to ask
"""

from __future__ import annotations

from blocks_core.errors import CredentialsRefused, InfrastructureFailed


class ClusterUnreachable(InfrastructureFailed):
    """No answer came, or the cluster says that it is busy: it may be asked again."""


class ClusterRefused(InfrastructureFailed):
    """The cluster answered, and did not do what was asked."""

    def __init__(self, message: str, status: int, reason: str = "", said: str = "") -> None:
        self.status = status
        """Of HTTP."""
        self.reason = reason
        """Kubernetes' word for it, such as `AlreadyExists`."""
        self.said = said
        """What the cluster says, without secrets."""
        super().__init__(message)


class LoginRefused(InfrastructureFailed, CredentialsRefused):
    """The cluster does not know the bearer, or what the kubeconfig says leads to no way of asking."""
