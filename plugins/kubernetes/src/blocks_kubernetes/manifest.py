"""The objects that a job becomes: a Job and, beside it, the Secrets that it owns. Pure, without a cluster.

Source:  https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
"""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from blocks_core.capabilities import RegistryLogin
from blocks_core.errors import JobRefused
from blocks_core.jobs import Job, Resources
from blocks_kubernetes.object_names import fitting_labels

Manifest = dict[str, Any]

CONTAINER = "job"
"""Name of the container that runs the command; of a template without it, the first one does."""
LABEL = "blocks/job"
"""Has each object that belongs to a job; its value is the Job's name."""
NAME = "blocks/name"
LABELS = "blocks/labels"
CANCELLED = "blocks/cancelled"
CRASHED = "blocks/crashed"
"""Annotations of a Job: its name and labels as they were given; when it was cancelled; why it was stopped."""
SECRETS = "blocks/secrets"
"""Annotation of a Job: names of the Secrets that it owns, with a space between."""

_DOCKER_HUB = frozenset({"", "docker.io", "index.docker.io", "registry-1.docker.io"})
_KEY_OF_DOCKER_HUB = "https://index.docker.io/v1/"
HELD = "blocks/held"
"""Label of a Job that waits for its Secrets."""
START_SECONDS = 60
"""After which a Job ends whose Secrets never came, as whoever submitted it was killed."""


@dataclass(frozen=True)
class PodSettings:
    """What the block says of the pod."""

    grace_seconds: int
    keep_seconds: int | None
    image_pull_policy: str | None = None
    service_account_name: str | None = None
    image_pull_secrets: Sequence[str] = ()
    deadline_seconds: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


def job_manifest(
    job: Job, name: str, namespace: str, settings: PodSettings, template: Mapping[str, Any] | None
) -> Manifest:
    """Return the Job that runs a job, without its secrets.

    Args:    job: with an image. template: a Job into which the rest is written.
    """
    made: Manifest = copy.deepcopy(dict(template or {}))
    made |= {"apiVersion": "batch/v1", "kind": "Job"}
    labels = {**settings.labels, **fitting_labels(job.labels), LABEL: name}
    meta = _part(made, "metadata")
    meta.pop("generateName", None)
    meta |= {"name": name, "namespace": namespace}
    annotations = {NAME: job.name.encode(errors="replace").decode()} | (
        {LABELS: json.dumps(dict(job.labels))} if job.labels else {}
    )
    meta["annotations"] = meta.get("annotations", {}) | annotations
    meta["labels"] = meta.get("labels", {}) | labels
    spec = _part(made, "spec")
    # No pod is started in place of one that failed, and from version 1.28 of one that was deleted, either.
    spec |= {"backoffLimit": 0, "parallelism": 1, "completions": 1, "podReplacementPolicy": "Failed"}
    if settings.keep_seconds is not None:
        spec["ttlSecondsAfterFinished"] = settings.keep_seconds
    pod = _part(spec, "template")
    pod_meta = _part(pod, "metadata")
    pod_meta["labels"] = pod_meta.get("labels", {}) | labels
    _write_pod(_part(pod, "spec"), job, settings, name)
    return made


def secret_manifests(name: str, job: Job, login: RegistryLogin | None) -> list[Manifest]:
    """Return the Secrets that a job needs; values are in base64, as Kubernetes keeps them."""
    found: list[Manifest] = []
    if job.secret_environment:
        data = {key: value.get_secret_value().encode() for key, value in job.secret_environment.items()}
        found.append(_secret(variables_name(name), "Opaque", data))
    if login:
        password = login.password.get_secret_value()
        pair = b64encode(f"{login.username}:{password}".encode()).decode()
        server = _KEY_OF_DOCKER_HUB if login.server in _DOCKER_HUB else login.server
        auths = {server: {"username": login.username, "password": password, "auth": pair}}
        content = json.dumps({"auths": auths}).encode()
        found.append(
            _secret(pull_name(name), "kubernetes.io/dockerconfigjson", {".dockerconfigjson": content})
        )
    return found


def variables_name(name: str) -> str:
    """Return the name of the Secret that has a Job's secret variables."""
    return f"{name}-variables"


def pull_name(name: str) -> str:
    """Return the name of the Secret with which a Job's image is pulled."""
    return f"{name}-pull"


def held_back(manifest: Manifest, secrets: Sequence[str]) -> Manifest:
    """Return a Job that starts nothing yet, and ends soon if it is not released, with its Secrets noted."""
    held = copy.deepcopy(manifest)
    held["metadata"]["annotations"][SECRETS] = " ".join(secrets)
    held["metadata"]["labels"][HELD] = "true"
    held["spec"] |= {"parallelism": 0, "activeDeadlineSeconds": START_SECONDS}
    return held


def release(manifest: Manifest) -> Manifest:
    """Return what to merge into a Job that was held back, so that it starts."""
    spec = {"parallelism": 1, "activeDeadlineSeconds": manifest["spec"].get("activeDeadlineSeconds")}
    return {"metadata": {"labels": {HELD: None}}, "spec": spec}


def owned(secret: Manifest, job: Mapping[str, Any]) -> Manifest:
    """Return a Secret that goes when a Job goes."""
    meta = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
    named = secret["metadata"] | {"ownerReferences": [owner], "labels": {LABEL: meta["name"]}}
    return secret | {"metadata": named}


def container_of(manifest: Mapping[str, Any]) -> Manifest:
    """Return the container of a Job, or of a pod, that runs the command."""
    spec = manifest["spec"]
    containers = cast(
        "list[Manifest]", (spec["template"]["spec"] if "template" in spec else spec)["containers"]
    )
    return next((found for found in containers if found.get("name") == CONTAINER), containers[0])


def _write_pod(pod: Manifest, job: Job, settings: PodSettings, name: str) -> None:
    pod |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": settings.grace_seconds}
    if settings.deadline_seconds is not None:
        # Of the pod, not of the Job, which would delete it with its log.
        pod["activeDeadlineSeconds"] = settings.deadline_seconds
    if settings.service_account_name:
        pod["serviceAccountName"] = settings.service_account_name
    if settings.image_pull_secrets:
        pod["imagePullSecrets"] = [
            *pod.get("imagePullSecrets", []),
            *({"name": secret} for secret in settings.image_pull_secrets),
        ]
    containers = cast("list[Manifest]", pod.setdefault("containers", []))
    if not containers:
        containers.append({"name": CONTAINER})
    container = next((found for found in containers if found.get("name") == CONTAINER), containers[0])
    container.setdefault("name", CONTAINER)
    container.pop("args", None)
    container |= {"image": job.image, "command": [_unexpanded(part) for part in job.command]}
    if settings.image_pull_policy:
        container["imagePullPolicy"] = settings.image_pull_policy
    if job.working_directory:
        container["workingDir"] = job.working_directory
    variables = _variables(job, name)
    names = {variable["name"] for variable in variables}
    kept = [variable for variable in container.get("env", []) if variable.get("name") not in names]
    if kept or variables:
        container["env"] = [*kept, *variables]
    if quantities := _quantities(job.resources):
        had: Manifest = container.get("resources", {})
        container["resources"] = had | {
            kind: had.get(kind, {}) | quantities for kind in ("requests", "limits")
        }


def _variables(job: Job, name: str) -> list[Manifest]:
    plain = [{"name": key, "value": _unexpanded(value)} for key, value in job.environment.items()]
    secret = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": variables_name(name), "key": key}}}
        for key in job.secret_environment
    ]
    return [*plain, *secret]


def _unexpanded(text: str) -> str:
    """Return a text that Kubernetes makes into the given one: it reads `$(NAME)` as a variable, `$$` as `$`.

    Source:  https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    return text.replace("$", "$$")


def _quantities(resources: Resources) -> dict[str, str]:
    found: dict[str, str] = {}
    if resources.cpus is not None:
        found["cpu"] = f"{max(1, round(resources.cpus * 1000))}m"
    if resources.memory_bytes is not None:
        found["memory"] = str(resources.memory_bytes)
    return found


def _secret(name: str, kind: str, data: Mapping[str, bytes]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": kind,
        "data": {key: b64encode(value).decode() for key, value in data.items()},
    }


def _part(whole: Manifest, name: str) -> Manifest:
    """Return a part of a manifest that is an object, made where it is not there.

    Raises:  JobRefused: it is something else.
    """
    found: object = whole.setdefault(name, {})
    if not isinstance(found, dict):
        raise JobRefused(f"'{name}' in job_template is no object. Give a Job as Kubernetes writes it.")
    return cast("Manifest", found)
