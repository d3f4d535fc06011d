"""Settings that lead to no cache, no login and no proxy of the machine, and a repository with known files."""

import os
import socket

import pytest

from blocks_core.testing.readable_storage_suite import ReadableStorageSuite


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, home):
    for name in os.environ:
        if name.startswith(("GIT_", "SSH_", "GITHUB_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BLOCKS_HOME", str(home))
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture(scope="session")
def stock(running_git):
    """A repository with the files of `ReadableStorageSuite`, at the top and below `in/here`: itself, and its address."""
    files = ReadableStorageSuite.STOCK
    repository, url = running_git.make_repository()
    repository.commit(
        {f"in/here/{path}": data for path, data in files.items()} | {"in/other": b"x"}, "nested"
    )
    repository.commit(files)
    return repository, url


@pytest.fixture
def repository(git_server):
    """A repository with two files: itself, and its address."""
    made, url = git_server.make_repository()
    made.commit({"a.txt": b"first", "folder/b.txt": b"1"})
    return made, url


@pytest.fixture
def nobody_listens():
    """An address where no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
