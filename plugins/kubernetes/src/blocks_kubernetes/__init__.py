"""Blocks for Kubernetes: clusters, and commands as jobs. What asks a cluster is imported when one is asked."""

from blocks_kubernetes.cluster import KubernetesClusterConfig
from blocks_kubernetes.job import KubernetesJob

__all__ = ["KubernetesClusterConfig", "KubernetesJob"]
