"""Settings that lead to no other engine than that of the tests."""

import os
import socket

import pytest


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path_factory):
    """No test depends on the Docker settings of the machine it runs on, or on its proxy."""
    for name in os.environ:
        if name.startswith("DOCKER_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def nobody_listens():
    """A host and port where no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"
