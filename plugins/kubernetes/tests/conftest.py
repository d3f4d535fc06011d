"""A block that runs jobs on a real cluster, and a way to it that can be cut."""

import os

import pytest

from blocks_kubernetes import KubernetesClusterConfig, KubernetesJob

ON_THE_HOST = {"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True}
"""The cluster has no network for pods."""


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No test depends on the kubeconfig of the machine it runs on, or on its proxy."""
    for name in os.environ:
        if name.startswith("KUBE") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))


@pytest.fixture
def cluster_config(kubernetes_cluster):
    return KubernetesClusterConfig(kubeconfig=kubernetes_cluster.kubeconfig)


@pytest.fixture
def block(shared_block):
    return shared_block.model_copy()


@pytest.fixture(scope="session")
def shared_block(kubernetes_cluster, kubernetes_namespace):
    """A block that no test may change."""
    return KubernetesJob(
        image=kubernetes_cluster.image,
        image_pull_policy="Never",
        namespace=kubernetes_namespace,
        cluster=KubernetesClusterConfig(kubeconfig=kubernetes_cluster.kubeconfig),
        grace_seconds=2,
        customizations=[ON_THE_HOST],
    )
