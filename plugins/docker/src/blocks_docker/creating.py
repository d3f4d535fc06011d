"""Making a container for a job: its name, its settings, its start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from blocks_core.errors import InfrastructureFailed, JobRefused
from blocks_docker.errors import EngineRefused
from blocks_docker.host import DockerHost
from blocks_docker.images import ImageName, parse_image
from blocks_docker.reasons import remedy_for

_MAX_NAME = 60
_NO_INIT = re.compile(r'"[^"]*docker-init": (?:executable file not found|stat)|docker-init: no such file')


@dataclass(frozen=True)
class ContainerPlan:
    """All that a container is made of; `secrets` are the texts in it that nothing may show."""

    image: str
    command: tuple[str, ...]
    name: str
    environment: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    mounts: tuple[dict[str, object], ...]
    working_directory: str | None
    user: str | None
    network: str | None
    memory_bytes: int | None
    cpus: float | None
    grace_seconds: int
    secrets: tuple[str, ...] = field(default=(), repr=False)


def name_for(job_name: str) -> str:
    """Return a name that no other container has, from a job's.

    >>> name_for("Étl / nightly")[:-12]
    'tl-nightly-'
    """
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", job_name).strip("-_.")[:_MAX_NAME]
    return f"{readable or 'job'}-{uuid4().hex[:12]}"


def create(host: DockerHost, plan: ContainerPlan, *, started: bool = True) -> str:
    """Create a container and start it, and return its id; one that cannot be started is removed.

    Its program runs below the small init process that engines bring, so that signals reach it; without that on an
    engine that has none.

    Raises:  JobRefused: the engine cannot give what the plan asks for; InfrastructureFailed.
    """
    make = _start if started else _create
    try:
        try:
            return make(host, plan, with_init=True)
        except EngineRefused as error:
            if not _NO_INIT.search(error.said):
                raise
        return make(host, plan, with_init=False)
    except EngineRefused as error:
        raise _not_started(plan, host, error) from error


def _create(host: DockerHost, plan: ContainerPlan, *, with_init: bool) -> str:
    def call(client: Any) -> str:
        limits: dict[str, Any] = {}
        if plan.memory_bytes:
            limits |= {"mem_limit": plan.memory_bytes, "memswap_limit": plan.memory_bytes}
        if plan.cpus:
            limits["nano_cpus"] = round(plan.cpus * 1e9)
        settings = client.create_host_config(
            init=with_init, network_mode=plan.network, mounts=[dict(mount) for mount in plan.mounts], **limits
        )
        return str(
            client.create_container(
                plan.image,
                entrypoint=[plan.command[0]],
                command=list(plan.command[1:]),
                name=plan.name,
                environment=dict(plan.environment),
                labels=dict(plan.labels),
                working_dir=plan.working_directory,
                user=plan.user,
                stop_timeout=plan.grace_seconds,
                host_config=settings,
            )["Id"]
        )

    return host.ask(call, secrets=plan.secrets)


def _start(host: DockerHost, plan: ContainerPlan, *, with_init: bool) -> str:
    container_id = _create(host, plan, with_init=with_init)
    try:
        host.ask(lambda client: client.start(container_id), secrets=plan.secrets)
    except InfrastructureFailed:
        with suppress(InfrastructureFailed):  # the first error says more
            host.ask(lambda client: client.remove_container(container_id, v=True, force=True))
        raise
    return container_id


def image_name(text: str) -> ImageName:
    """Return an image's name in its parts.

    Raises:  JobRefused: it is none.
    """
    try:
        return parse_image(text)
    except ValueError as error:
        raise JobRefused(f"The image {text[:100]!r} cannot be used: {error}") from error


def _not_started(plan: ContainerPlan, host: DockerHost, error: EngineRefused) -> InfrastructureFailed:
    text = (
        f"The engine at {host.address()} did not start the container '{plan.name}' of the image '{plan.image}' "
        f"({error.said}). {remedy_for(error.said)}"
    )
    return JobRefused(text) if error.status in (400, 404) else InfrastructureFailed(text)
