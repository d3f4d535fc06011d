"""How a Job is made, with the Secrets that it owns, so that nothing is left where one step fails."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from blocks_core.capabilities import RegistryLogin
from blocks_core.errors import InfrastructureFailed
from blocks_core.jobs import Job
from blocks_kubernetes.api_paths import path_of
from blocks_kubernetes.errors import ClusterRefused, ClusterUnreachable
from blocks_kubernetes.manifest import (
    HELD,
    START_SECONDS,
    Manifest,
    held_back,
    owned,
    release,
    secret_manifests,
)

if TYPE_CHECKING:
    from blocks_kubernetes.connection import Connection

_ATTEMPTS = 3


def create(
    connection: Connection, manifest: Manifest, job: Job, login: RegistryLogin | None
) -> Mapping[str, Any]:
    """Make a Job and its Secrets, and return the Job as the cluster has it.

    A Secret can be owned only by a Job that is there, and a pod must find its Secrets: so the Job is made first, and
    starts when they are there. If this process is killed in between, the next submission removes them all.

    Raises:  InfrastructureFailed: and nothing is left.
    """
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    secrets = secret_manifests(name, job, login)
    if not secrets:
        return _create(connection, "jobs", namespace, manifest)
    _remove_abandoned(connection, namespace)
    names = [secret["metadata"]["name"] for secret in secrets]
    made = _create(connection, "jobs", namespace, held_back(manifest, names))
    hidden = (*job.secrets(), *([login.password.get_secret_value()] if login else []))
    try:
        for secret in secrets:
            data = tuple(secret["data"].values())
            _create(connection, "secrets", namespace, owned(secret, made), (*hidden, *data))
        return connection.ask("PATCH", path_of("jobs", namespace, name), body=release(manifest)).body
    except BaseException:
        with suppress(InfrastructureFailed):  # else the next submission does
            _remove(connection, namespace, name)
        raise


def _remove_abandoned(connection: Connection, namespace: str) -> None:
    """Remove Jobs whose submitter was killed before they could start; who may not list Jobs leaves them."""
    with suppress(InfrastructureFailed):
        answer = connection.ask("GET", path_of("jobs", namespace), [("labelSelector", HELD)])
        for job in answer.body["items"]:
            made = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
            is_old = (answer.date - made).total_seconds() > START_SECONDS
            if is_old and not job["spec"].get("parallelism"):
                _remove(connection, namespace, job["metadata"]["name"])


def _remove(connection: Connection, namespace: str, name: str) -> None:
    connection.ask("DELETE", path_of("jobs", namespace, name), body={"propagationPolicy": "Background"})


def _create(
    connection: Connection, resource: str, namespace: str, body: Manifest, hidden: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """Make an object; where no answer comes, it is looked whether it is there before it is sent again."""
    attempt = 1
    while True:
        try:
            return connection.ask("POST", path_of(resource, namespace), body=body, hidden=hidden).body
        except ClusterRefused as error:
            if error.reason != "AlreadyExists" or attempt == 1:
                raise
            return connection.ask("GET", path_of(resource, namespace, body["metadata"]["name"])).body
        except ClusterUnreachable:
            if attempt == _ATTEMPTS:
                raise
        attempt += 1
