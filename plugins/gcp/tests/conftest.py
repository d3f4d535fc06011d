"""A small Google Cloud on loopback, and settings that lead to nothing else."""

import logging
import os
import socket

import pytest
from fake_google import FakeGoogle

from blocks_core.testing.renewing_suite import Renewing


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No test depends on the Google settings of the machine it runs on, or on its proxy."""
    for name in os.environ:
        if name.startswith(
            ("GOOGLE_", "GCLOUD_", "CLOUDSDK_", "GCE_", "STORAGE_EMULATOR")
        ) or name.lower().endswith("_proxy"):
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


class Ending:
    """Watches the tokens that Google gives, and ends them."""

    def __init__(self, google, monkeypatch):
        self.google = google
        self.given = []
        self.refused = 0
        self.refuses_all = False
        self._answer = google.answer
        monkeypatch.setattr(google, "answer", self.answer)

    def answer(self, method, path, headers, body):
        if path != "/token" and self.refuses_all:
            self.google.tokens.clear()
        status, content = self._answer(method, path, headers, body)
        self.given += [content["access_token"]] if path == "/token" and status == 200 else []
        self.refused += status == 401
        return status, content

    def is_good(self, token):
        """Tell a service other than this Google whether it is to accept a token."""
        found = token in self.google.tokens and not self.refuses_all
        self.refused += not found
        return found

    def expire(self):
        self.refuses_all = False
        self.google.tokens.clear()

    def renewing(self, use, refusal):
        def expire_always():
            self.refuses_all = True

        return Renewing(
            use=use,
            issued=lambda: len(self.given),
            refused=lambda: self.refused,
            secrets=lambda: self.given,
            give_for=lambda seconds: setattr(self.google, "token_seconds", seconds),
            expire=self.expire,
            expire_always=expire_always,
            refusal=refusal,
        )


@pytest.fixture
def ending(google, monkeypatch):
    return Ending(google, monkeypatch)


@pytest.fixture
def nobody_listens():
    """An address where no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
