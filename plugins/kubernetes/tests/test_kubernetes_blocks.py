"""Each block of the plugin does what every block must do."""

import subprocess
import sys

import pytest

from blocks_core.testing import BlockSuite
from blocks_kubernetes import KubernetesClusterConfig, KubernetesJob


def cluster():
    return KubernetesClusterConfig(
        kubeconfig={
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "t", "cluster": {"server": "https://cluster.example.com:6443"}}],
            "users": [{"name": "a", "user": {"token": "canary-4711-canary"}}],
            "contexts": [{"name": "c", "context": {"cluster": "t", "user": "a", "namespace": "etl"}}],
            "current-context": "c",
        }
    )


class TestKubernetesClusterConfig(BlockSuite):
    @pytest.fixture
    def block(self):
        return cluster()


class TestKubernetesJob(BlockSuite):
    @pytest.fixture
    def block(self):
        return KubernetesJob(
            image="registry.example.com/etl:1.4",
            cluster=cluster(),
            secret_environment={"TOKEN": "canary-4712-canary"},
            labels={"team": "data"},
            customizations=[{"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True}],
            job_template={"spec": {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}},
        )


def test_importing_the_blocks_imports_nothing_that_only_asking_needs():
    source = (
        "import sys; from blocks_kubernetes import KubernetesJob; KubernetesJob(image='a:1');"
        "print(sorted({'jsonpatch', 'kubernetes', 'urllib3', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
