"""Blocks for Docker: engines, registries, and commands in containers."""

from blocks_docker.container import DockerContainer
from blocks_docker.host import DockerHost
from blocks_docker.registry import DockerRegistry

__all__ = ["DockerContainer", "DockerHost", "DockerRegistry"]
