"""A Job does what every infrastructure's job must do."""

import pytest

from blocks_core.testing.infrastructure_suite import InfrastructureSuite


class TestKubernetesJob(InfrastructureSuite):
    @pytest.fixture
    def infrastructure(self, block):
        return block

    @pytest.fixture
    def kept(self, kubernetes_cluster, kubernetes_namespace):
        return lambda: {
            name
            for resource in ("jobs", "pods", "secrets")
            for name in kubernetes_cluster.names(resource, kubernetes_namespace)
        }
