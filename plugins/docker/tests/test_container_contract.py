"""`docker-container` does what every infrastructure must, on a real engine."""

import pytest
from docker_server import api

from blocks_core.testing.infrastructure_suite import InfrastructureSuite
from blocks_docker import DockerContainer, DockerHost


class TestDockerContainer(InfrastructureSuite):
    @pytest.fixture
    def infrastructure(self, docker_engine, python_image):
        return DockerContainer(
            image=python_image, host=DockerHost(host=docker_engine), network="none", grace_seconds=2
        )

    @pytest.fixture
    def kept(self, docker_engine):
        def list_all():
            with api(docker_engine) as client:
                volumes = client.volumes()["Volumes"] or []
                return {each["Id"] for each in client.containers(all=True)}, {
                    each["Name"] for each in volumes
                }

        return list_all
