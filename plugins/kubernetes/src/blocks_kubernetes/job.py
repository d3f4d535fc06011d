"""`KubernetesJob`: commands as Jobs of Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue, SecretStr, field_validator

from blocks_core.capabilities import ContainerRegistry, Infrastructure
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import InfrastructureFailed, JobNotFound, JobRefused
from blocks_core.jobs import Job, Resources, check_variables
from blocks_core.masking import SECRETS_IN_USE
from blocks_kubernetes.api_paths import path_of
from blocks_kubernetes.cluster import KubernetesClusterConfig
from blocks_kubernetes.customizing import customized, problem_of_patch
from blocks_kubernetes.handle import KubernetesJobHandle, Limits
from blocks_kubernetes.job_watch import JobWatch
from blocks_kubernetes.manifest import Manifest, PodSettings, job_manifest, pull_name
from blocks_kubernetes.object_names import is_dns_label, is_dns_name, new_name, problem_of_label
from blocks_kubernetes.permissions import check_cluster
from blocks_kubernetes.submitting import create

if TYPE_CHECKING:
    from blocks_kubernetes.connection import Connection

_ID = re.compile(r"([^/\s]+)/([^/\s]+)(?:/([0-9A-Fa-f-]{1,64}))?")
_ANY_IMAGE = "busybox"
"""In the manifest that is tried where the block has no image."""


class KubernetesJob(Infrastructure, slug="kubernetes-job"):
    """Commands as Jobs of Kubernetes: one pod for each, which runs once.

    Secret variables are delivered through a Secret that the Job owns, so that no value stands in the Job;
    so is the login to a registry. What has no field here is set by `customizations`, a JSON Patch of the
    Job, or by a whole `job_template`; `manifest(job)` shows what would be made. An image that cannot be
    pulled, and a pod that no node takes, have crashed, with the cluster's own words as the reason.

    ```python
    from blocks_core.jobs import Job
    from blocks_kubernetes import KubernetesClusterConfig, KubernetesJob

    runner = KubernetesJob(
        image="python:3.12-slim",
        namespace="etl",
        cluster=KubernetesClusterConfig.from_file("~/.kube/config"),
        memory_bytes=512 * 1024 * 1024,
    )
    runner.save("nightly")
    handle = KubernetesJob.load("nightly").submit(Job(("python", "-c", "print('done')"), name="hello"))
    for line in handle.logs():
        print(line)
    handle.wait().ok
    ```
    """

    image: str | None = Field(
        default=None, min_length=1, description="Image to run. Default: each job brings its own."
    )
    namespace: str | None = Field(
        default=None, description="Namespace to run in. Default: that of the cluster's context, else default."
    )
    cluster: KubernetesClusterConfig | None = Field(
        default=None,
        description="The cluster. Default: the one that the process runs in, else that of the machine's kubeconfig.",
    )
    environment: dict[str, str] = Field(
        default_factory=dict[str, str], description="Variables for each job; the job's own go before them."
    )
    secret_environment: dict[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr],
        description="Secret variables for each job, delivered through a Secret that the Job owns.",
    )
    working_directory: str | None = Field(
        default=None, min_length=1, description="Folder to run in. Default: the image's."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None,
        description="When a node pulls the image. Default: the cluster decides by the image's tag.",
    )
    image_pull_secrets: list[str] = Field(
        default_factory=list[str], description="Names of Secrets of the namespace to pull the image with."
    )
    registry: ContainerRegistry | None = Field(
        default=None, description="Registry to pull from: its login is put into a Secret that the Job owns."
    )
    service_account_name: str | None = Field(
        default=None, description="Service account that the pod has. Default: the namespace's own."
    )
    cpus: float | None = Field(
        default=None, gt=0, description="Processors that a job needs and may have. Default: no limit."
    )
    memory_bytes: int | None = Field(
        default=None, gt=0, description="Memory that a job needs and may have. Default: no limit."
    )
    labels: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="Labels of each Job and its pod, as Kubernetes takes them.",
    )
    keep_seconds: int | None = Field(
        default=86400,
        ge=1,
        description="How long a Job is kept with its log when it has ended. Empty: until it is removed.",
    )
    grace_seconds: int = Field(
        default=30, ge=0, le=3600, description="How long a job may take to end when it is asked to."
    )
    deadline_seconds: int | None = Field(
        default=None, ge=1, description="After which a job that runs is ended. Default: never."
    )
    pod_start_timeout_seconds: float = Field(
        default=300.0,
        gt=0,
        description="How long a job may wait for a node and its image before it has crashed.",
    )
    reconnect_seconds: float = Field(
        default=300.0,
        ge=0,
        description="How long to go on waiting for a job while the cluster does not answer.",
    )
    customizations: list[dict[str, JsonValue]] = Field(
        default_factory=list[dict[str, JsonValue]],
        description="Operations of JSON Patch (RFC 6902) that change the Job before it is made.",
    )
    job_template: dict[str, JsonValue] | None = Field(
        default=None,
        description="A Job as Kubernetes writes it, into which the fields above are written. Default: an empty one.",
    )

    @field_validator("namespace")
    @classmethod
    def _is_a_namespace(cls, namespace: str | None) -> str | None:
        if namespace is not None and not is_dns_label(namespace):
            raise ValueError(
                "A namespace has lower-case letters, digits and '-', 63 at most, and no '-' at the ends."
            )
        return namespace

    @field_validator("service_account_name", "image_pull_secrets")
    @classmethod
    def _are_names(cls, value: str | list[str] | None) -> str | list[str] | None:
        names = [value] if isinstance(value, str) else value or []
        if not all(is_dns_name(name) for name in names):
            raise ValueError("Names in Kubernetes have lower-case letters, digits, '-' and '.', 253 at most.")
        return value

    _are_variables = field_validator("environment", "secret_environment")(check_variables)

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for key, value in labels.items():
            if problem := problem_of_label(key, value):
                raise ValueError(problem)
        return labels

    @field_validator("customizations")
    @classmethod
    def _are_operations(cls, customizations: list[dict[str, JsonValue]]) -> list[dict[str, JsonValue]]:
        if problem := problem_of_patch(customizations):
            raise ValueError(problem)
        return customizations

    @field_validator("job_template")
    @classmethod
    def _is_a_job(cls, template: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if template is not None and (template.get("kind", "Job"), template.get("apiVersion", "batch/v1")) != (
            "Job",
            "batch/v1",
        ):
            raise ValueError("The template must be a Job: kind Job, apiVersion batch/v1.")
        return template

    def submit(self, job: Job) -> KubernetesJobHandle:
        """Make the Job, and return at once.

        Raises:  JobRefused: there is no image, or a customization does not fit; InfrastructureFailed;
                 CredentialsRefused, also by the registry.
        """
        job = self._completed(job)
        SECRETS_IN_USE.add(job.secrets())
        login = self.registry.login() if self.registry else None
        manifest = self._manifest(job)
        made = create(self._connect(), manifest, job, login)
        meta = made["metadata"]
        return self._handle(meta["namespace"], meta["name"], meta["uid"])

    def attach(self, job_id: str) -> KubernetesJobHandle:
        """Return the handle of a Job by `NAMESPACE/NAME/UID`, or without the last.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        found = _ID.fullmatch(job_id)
        if not found or not is_dns_label(found[1]) or not is_dns_label(found[2]):
            raise JobNotFound(
                f"There is no job {job_id[:100]!r}: an id is NAMESPACE/NAME/UID, as the handle has it."
            )
        watch = JobWatch(self._connect(), found[1], found[2], found[3])
        uid = watch.job().body["metadata"]["uid"]
        return self._handle(found[1], found[2], uid)

    def manifest(self, job: Job) -> dict[str, Any]:
        """Return the Job that would be made, under another name each time; no secret's value is in it.

        Raises:  JobRefused; CredentialsRefused: the namespace is that of a kubeconfig that cannot be used.
        """
        return self._manifest(self._completed(job))

    def check(self) -> CheckReport:
        """Find out what the bearer may do in the namespace, and let the cluster try the Job without making it."""
        checker = Checker()
        if checker.step("namespace", self._describe):
            cluster = self.cluster or KubernetesClusterConfig()
            may = check_cluster(checker, cluster.connection, cluster.identity, self._namespace())
            checker.step("image", self._try_image)
            if may:
                checker.step("job", self._try_job)
        return checker.report()

    def _describe(self) -> str:
        return f"Jobs run in the namespace '{self._namespace()}'."

    def _try_image(self) -> str:
        pulls = bool(self.registry or self.image_pull_secrets)
        if self.image_pull_policy == "Never" and pulls:
            raise InfrastructureFailed(
                "The image is never pulled (image_pull_policy), and there is a login to pull it with. Take one away."
            )
        if self.image_pull_policy == "Never":
            return f"{self.image or 'Each image'} must lie on every node: it is never pulled."
        if self.image is None:
            return "Each job brings its own image."
        tag = self.image.rpartition("/")[2].partition(":")[2]
        if self.image_pull_policy == "IfNotPresent" and tag in ("", "latest") and "@" not in self.image:
            raise InfrastructureFailed(
                f"Nodes that have some '{self.image}' go on running it, whatever is pushed later. Name a version of "
                f"the image, or set image_pull_policy to Always."
            )
        return f"{self.image} is pulled by the nodes{' with a login' if pulls else ''}."

    def _try_job(self) -> str:
        job = self._completed(Job(("true",), name="check", image=self.image or _ANY_IMAGE))
        manifest = self._manifest(job)
        namespace = manifest["metadata"]["namespace"]
        self._connect().ask("POST", path_of("jobs", namespace), [("dryRun", "All")], manifest)
        return "The cluster would take the Job; none was made."

    def _manifest(self, job: Job) -> Manifest:
        pull_secrets: Sequence[str] = self.image_pull_secrets
        name = new_name(job.name)
        if self.registry:
            pull_secrets = [*pull_secrets, pull_name(name)]
        settings = PodSettings(
            grace_seconds=self.grace_seconds,
            keep_seconds=self.keep_seconds,
            image_pull_policy=self.image_pull_policy,
            service_account_name=self.service_account_name,
            image_pull_secrets=pull_secrets,
            deadline_seconds=self.deadline_seconds,
            labels=self.labels,
        )
        made = job_manifest(job, name, self._namespace(), settings, self.job_template)
        return customized(made, self.customizations)

    def _completed(self, job: Job) -> Job:
        """Return a job with what the block has for all of them.

        Raises:  JobRefused.
        """
        if not (job.image or self.image):
            raise JobRefused(
                f"The job '{job.name[:80]}' has no image, and the block has none either. Give one of them an image."
            )
        own = {*job.environment, *job.secret_environment}
        plain = {name: value for name, value in self.environment.items() if name not in own}
        secret = {name: value for name, value in self.secret_environment.items() if name not in own}
        asked = job.resources
        full = replace(
            job,
            image=job.image or self.image,
            environment=plain | dict(job.environment),
            secret_environment=secret | dict(job.secret_environment),
            working_directory=job.working_directory or self.working_directory,
            resources=Resources(
                self.cpus if asked.cpus is None else asked.cpus,
                self.memory_bytes if asked.memory_bytes is None else asked.memory_bytes,
            ),
        )
        full.variables()  # refuses a secret that no process can be given
        return full

    def _namespace(self) -> str:
        return self.namespace or (self.cluster or KubernetesClusterConfig()).namespace()

    def _connect(self) -> Connection:
        return (self.cluster or KubernetesClusterConfig()).connection()

    def _handle(self, namespace: str, name: str, uid: str) -> KubernetesJobHandle:
        limits = Limits(self.pod_start_timeout_seconds, self.reconnect_seconds)
        connect: Callable[[], Connection] = self._connect
        return KubernetesJobHandle(connect, namespace, name, uid, limits)
