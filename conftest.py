"""Settings that all tests share."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

pytest_plugins = [
    "postgres_server",
    "registry_places",
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
]

settings.register_profile("steady", derandomize=True, deadline=None, max_examples=150)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_configure() -> None:
    """Let tests interrupt programs: where a shell runs pytest in the background, it and its children ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
