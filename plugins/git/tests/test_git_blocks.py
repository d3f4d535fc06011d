"""Each block of the plugin does what every block must do."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr

from blocks_core import Block
from blocks_core.testing import BlockSuite
from blocks_git import Git, GitHub


class TestGit(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return Git(
            url="https://git.example.com/flows.git", folder="etl", password=SecretStr("canary-4711-canary")
        )


class TestGitOverSsh(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return Git(
            url="git@git.example.com:flows.git",
            reference="main",
            ssh_private_key=SecretStr("canary-4712-canary"),
            known_hosts="git.example.com ssh-ed25519 AAAA",
        )


class TestGitHub(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return GitHub(repository="example/flows", token=SecretStr("canary-4713-canary"))


def test_importing_the_package_imports_no_others_package() -> None:
    code = (
        "import sys, blocks_git; blocks_git.Git(url='https://h/x'); blocks_git.GitHub(repository='a/b');"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"httpx2", "httpcore2", "fsspec", "ssl"} & set(done.stdout.split())
