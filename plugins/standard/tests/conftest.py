"""Places and servers that more than one test file needs."""

import os
import shutil
import subprocess

import pytest

PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "http_proxy", "https_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    yield from _mounted(tmp_path / "small", "size=256k")


@pytest.fixture
def read_only_disk(tmp_path):
    """A file system that takes no writes."""
    yield from _mounted(tmp_path / "read-only", "ro")


def _mounted(folder, options):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a tmpfs needs root on Linux")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
