"""Settings that all tests share."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
from hypothesis import settings

from blocks_core.mask import MIN_CHARACTERS, SECRETS_IN_USE, Mask

pytest_plugins = [
    "postgres_server",
    "registry_places",
    "token_clock",
    "secret_service",
    "s3_server",
    "expiring_aws",
    "cutting_proxy",
    "gcs_server",
    "azurite_server",
    "samba_server",
    "docker_server",
    "kubernetes_server",
    "git_server",
    "fake_github",
    "docs_places",
    "plugin_environment",
    "smtp_server",
    "notify_services",
    "docs_containers",
    "docs_storages",
    "browser",
]

settings.register_profile("steady", derandomize=True, deadline=None, max_examples=150)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


_CONTAINERS = re.compile(
    r"^plugins/kubernetes/tests/test_(cluster|cut_connections|infrastructure_contract|kubernetes_job)\.py"
    r"|^plugins/docker/tests/test_(container\w*|engine_restarts|images|docker_host|docker_registry)\.py"
    r"|^tests/test_flow_anywhere\.py"
    r"|^tests/test_docs_blocks\.py.*\[(docker|kubernetes)(-[a-z-]+)?\]$"
)
"""Tests of the engine and the cluster, which has ports of its own: one process runs them all."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the tests of each file to the next free process, and those of containers to one.

    The groups of xdist do nothing with pytest 9.2, whose ids cannot be set any more (2026-11-27, pytest-xdist 3.8.0);
    this may go when they do.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "containers" if _CONTAINERS.search(nodeid) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(scope="module", autouse=True)
def own_secrets() -> None:
    """What tests of other files kept as a secret, such as a short word, is none here."""
    vars(SECRETS_IN_USE).update(vars(Mask(min_characters=MIN_CHARACTERS)))


def pytest_configure() -> None:
    """Let tests interrupt programs: where a shell runs pytest in the background, it and its children ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
