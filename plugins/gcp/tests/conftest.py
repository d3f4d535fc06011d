"""A small Google Cloud on loopback, and settings that lead to nothing else."""

import logging
import os
import socket

import pytest
from fake_google import FakeGoogle


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No test depends on the Google settings of the machine it runs on, or on its proxy."""
    for name in os.environ:
        if name.startswith(("GOOGLE_", "GCLOUD_", "CLOUDSDK_", "GCE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    # google-auth keeps its lines from others unless their level was set before its first use; these must be searched.
    monkeypatch.setattr(logging.getLogger("google"), "propagate", True)


@pytest.fixture(scope="session")
def running_google():
    google = FakeGoogle()
    yield google
    google.close()


@pytest.fixture
def google(running_google):
    """The server, without what a test before has left."""
    for kept in (
        running_google.accounts,
        running_google.tokens,
        running_google.crypto_keys,
        running_google.secrets,
    ):
        kept.clear()
    running_google.token_seconds = 3600
    running_google.requests.clear()
    running_google.faults.clear()
    running_google.disabled_services.clear()
    return running_google


@pytest.fixture
def key_file(google):
    """The text of the key file of a service account."""
    return google.make_account()


@pytest.fixture
def nobody_listens():
    """An address where no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
