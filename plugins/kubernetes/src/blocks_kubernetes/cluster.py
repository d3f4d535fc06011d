"""`KubernetesClusterConfig`: a cluster of Kubernetes, and who asks it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from blocks_core.capabilities import Credentials
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import CredentialsRefused, InfrastructureFailed
from blocks_core.masking import without_secrets
from blocks_core.secret import is_reference
from blocks_kubernetes.access import Access
from blocks_kubernetes.errors import LoginRefused
from blocks_kubernetes.kubeconfig import (
    KubeconfigInvalid,
    access_of,
    only,
    read_kubeconfig,
    write_kubeconfig,
)
from blocks_kubernetes.machine import access_of_machine, kubeconfig_of_user
from blocks_kubernetes.permissions import ask_identity, check_cluster

if TYPE_CHECKING:
    from blocks_kubernetes.connection import Connection


def _as_text(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return write_kubeconfig(cast("Mapping[str, Any]", value))


class KubernetesClusterConfig(Credentials, slug="kubernetes-cluster-config"):
    """A cluster of Kubernetes, and who asks it.

    The whole kubeconfig is a secret, as tokens and keys stand in it. Without one, it is the access of the
    pod that the process runs in, or else the kubeconfig of the machine's user, as `kubectl` finds it.
    `from_file` keeps one context of a file, with what the file names.

    ```python
    from blocks_kubernetes import KubernetesClusterConfig

    cluster = KubernetesClusterConfig.from_file("~/.kube/config", context="production")
    cluster.save("production")
    ```
    """

    kubeconfig: Annotated[SecretStr, BeforeValidator(_as_text)] | None = Field(
        default=None,
        description="The kubeconfig, as YAML or JSON, or in Python as a dict, with all data in it. Default: the "
        "pod's service account, else the kubeconfig of the machine's user.",
    )
    context: str | None = Field(
        default=None, min_length=1, description="Name of the context to use. Default: the current one."
    )
    allow_login_command: bool = Field(
        default=False,
        description="Let the kubeconfig run a program of this machine to log in (exec), such as aws eks get-token.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=300, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("kubeconfig")
    @classmethod
    def _is_a_kubeconfig(cls, kubeconfig: SecretStr | None) -> SecretStr | None:
        if kubeconfig is not None and not is_reference(kubeconfig):
            read_kubeconfig(kubeconfig.get_secret_value())
        return kubeconfig

    @model_validator(mode="after")
    def _has_the_context(self) -> Self:
        if self.kubeconfig is not None and not is_reference(self.kubeconfig):
            self._access_of_block(self.kubeconfig)
        return self

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str] | None = None, context: str | None = None, **fields: Any
    ) -> Self:
        """Return a cluster with one context of a kubeconfig, and what is in the files that it names.

        Args:    path: None reads what `kubectl` would: the files of KUBECONFIG, else ~/.kube/config.
                 context: None is the current one. fields: the other ones of the block.
        Raises:  CredentialsRefused: it cannot be read, or has no such context. ValidationError.
        """
        try:
            kept = only(kubeconfig_of_user(None if path is None else Path(path)), context)
        except KubeconfigInvalid as error:
            raise CredentialsRefused(f"The kubeconfig cannot be used. {error}") from error
        return cls(kubeconfig=SecretStr(write_kubeconfig(kept)), context=kept["current-context"], **fields)

    def access(self) -> Access:
        """Return where the cluster is and who asks.

        Raises:  CredentialsRefused: there is no kubeconfig, or none that can be used.
        """
        if self.kubeconfig is None:
            return access_of_machine(self.context)
        try:
            return self._access_of_block(self.kubeconfig)
        except ValueError as error:
            raise LoginRefused(f"The kubeconfig of the block cannot be used. {error}") from None

    def connection(self) -> Connection:
        """Return this process's connection to the cluster.

        Raises:  CredentialsRefused.
        """
        from blocks_kubernetes.connection import connect  # late: it imports urllib3

        return connect(self.access(), self.timeout_seconds)

    def namespace(self) -> str:
        """Return the namespace of the context, else `default`.

        Raises:  CredentialsRefused.
        """
        return self.access().namespace

    def identity(self) -> str:
        """Return who the cluster takes the bearer for; before version 1.28, what the kubeconfig calls the bearer.

        Raises:  CredentialsRefused.
        """
        try:
            return ask_identity(self.connection(), self.access().user or "the bearer")
        except InfrastructureFailed as error:
            reason = without_secrets(self, str(error))
            raise CredentialsRefused(reason) from (error if reason == str(error) else None)

    def check(self) -> CheckReport:
        """Find out whether the cluster answers, who it takes the bearer for, and what that one may do for jobs."""
        checker = Checker()
        if checker.step("kubeconfig", self._describe):
            check_cluster(checker, self.connection, self.identity, self.namespace())
        return checker.report()

    def _describe(self) -> str:
        access = self.access()
        trust = "" if access.verify else " Its certificate is not checked: anybody between may be it."
        return f"The cluster is at {access.server}, the namespace '{access.namespace}'.{trust}"

    def _access_of_block(self, kubeconfig: SecretStr) -> Access:
        """Raise ValueError where it cannot be used."""
        found = access_of(read_kubeconfig(kubeconfig.get_secret_value()), self.context)
        if found.login and not found.token and not self.allow_login_command:
            raise ValueError(
                "The user of the kubeconfig logs in by a command (exec), which would run a program on each machine "
                "that uses the block. Set allow_login_command if that is meant, or use a token."
            )
        return found
