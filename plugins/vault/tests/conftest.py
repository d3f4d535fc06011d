"""A small Vault on loopback, hvac's client for its administrator, and settings that lead to nothing else."""

import os
import socket

import hvac
import pytest
from fake_vault import ROOT, FakeVault


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No test depends on the Vault settings of the machine it runs on, or on its proxy."""
    for name in os.environ:
        if name.startswith(("VAULT_", "BAO_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="session")
def running_vault():
    vault = FakeVault()
    yield vault
    vault.close()


@pytest.fixture
def vault(running_vault):
    """The server, without what a test before has left."""
    running_vault.start_anew()
    return running_vault


@pytest.fixture
def admin(vault):
    """hvac's client with the root token."""
    client = hvac.Client(url=vault.url, token=ROOT)
    yield client
    client.adapter.close()


@pytest.fixture
def nobody_listens():
    """An address where no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
