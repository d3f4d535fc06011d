"""Each block of the plugin does what every block must do."""

import subprocess
import sys

import pytest

from blocks_core.testing import BlockSuite
from blocks_docker import DockerContainer, DockerHost, DockerRegistry

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def host():
    return DockerHost(
        host="tcp://docker.example.com:2376",
        ca_cert=CERTIFICATE,
        client_cert=CERTIFICATE,
        client_key="canary-4711-canary",
    )


def registry():
    return DockerRegistry(server="registry.example.com", username="etl", password="canary-4712-canary")


class TestDockerHost(BlockSuite):
    @pytest.fixture
    def block(self):
        return host()


class TestDockerRegistry(BlockSuite):
    @pytest.fixture
    def block(self):
        return registry()


class TestDockerContainer(BlockSuite):
    @pytest.fixture
    def block(self):
        return DockerContainer(
            image="registry.example.com/team/etl:1.4",
            registry=registry(),
            host=host(),
            environment={"STAGE": "prod"},
            secret_environment={"TOKEN": "canary-4713-canary"},
            volumes=["/srv/data:/data:ro"],
        )


def test_making_blocks_imports_no_package_of_a_vendor():
    program = """
import sys
from blocks_docker import DockerContainer, DockerHost, DockerRegistry
DockerContainer(image="x", host=DockerHost(), registry=DockerRegistry(username="a", password="b"))
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"docker", "requests", "urllib3", "paramiko"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
