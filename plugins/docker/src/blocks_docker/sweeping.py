"""Removing containers of jobs that ended longer ago than they are to be kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from blocks_core.errors import InfrastructureFailed
from blocks_docker.errors import EngineRefused
from blocks_docker.handle import JOB_LABEL
from blocks_docker.host import DockerHost

KEEP_LABEL = "blocks.keep-seconds"
"""On each container of ours that is removed some time: how long it is kept after its end."""

_SWEPT_AT_ONCE = 50
_SECONDS_TO_START = 3600
"""A container that is not started yet is another process's, which is about to; after so long it is not any more."""
_log = logging.getLogger(__name__)


def sweep(host: DockerHost) -> None:
    """Remove containers of ours that ended longer ago than each is to be kept, of whatever job they were.

    A failure is logged only: the job that is being started needs none of it.
    """
    try:
        for container_id in list(_outdated(host)):
            with suppress(EngineRefused):  # another process removes it
                host.ask(lambda client, gone=container_id: client.remove_container(gone, v=True))
    except InfrastructureFailed as error:
        _log.warning("Containers that ended long ago could not be removed: %s", error)


def _outdated(host: DockerHost) -> Iterator[str]:
    filters = {"label": [JOB_LABEL, KEEP_LABEL], "status": ["exited", "dead", "created"]}
    ended: list[dict[str, Any]] = host.ask(lambda client: client.containers(all=True, filters=filters))
    if not ended:
        return
    now = _moment(host.ask(lambda client: client.info()["SystemTime"]))  # by the engine's clock, as all below
    old = [each for each in ended if now.timestamp() - int(each["Created"]) > _kept_seconds(each["Labels"])]
    for each in sorted(old, key=lambda each: int(each["Created"]))[:_SWEPT_AT_ONCE]:
        inspected: dict[str, Any] = host.ask(lambda client, found=each["Id"]: client.inspect_container(found))
        state = inspected["State"]
        was_run = state["Status"] != "created"
        since = _moment(str(state["FinishedAt"] if was_run else inspected["Created"]))
        kept = max(_kept_seconds(each["Labels"]), 0 if was_run else _SECONDS_TO_START)
        if not state["Running"] and (now - since).total_seconds() > kept:
            yield str(each["Id"])


def _kept_seconds(labels: Mapping[str, str]) -> float:
    try:
        return float(labels[KEEP_LABEL])
    except ValueError:  # not written by us
        return float("inf")


def _moment(text: str) -> datetime:
    """Return a moment that an engine wrote, to the second."""
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
