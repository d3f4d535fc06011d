"""Names of images: which registry they lead to, and what of it to pull.

Source:  https://pkg.go.dev/github.com/distribution/reference (grammar, and the defaults of Docker Hub).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"

MAX_CHARACTERS = 500

_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(
    rf"(?P<name>{_PATH}(?:/{_PATH})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,128}))?"
)
_SERVER = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class ImageName:
    """A name of an image in its parts."""

    server: str
    """Of the registry, as it stands in the name, or `docker.io`."""
    name: str
    tag: str
    """A tag or a digest."""

    @property
    def repository(self) -> str:
        """Return the name without its tag."""
        return self.name if self.server == DOCKER_HUB else f"{self.server}/{self.name}"


def parse_image(text: str) -> ImageName:
    """Return a name of an image in its parts; without a tag, `latest` is meant.

    Raises:  ValueError: it is none; the message says which form it has to have.

    >>> parse_image("registry.example.com:5000/team/etl:1.4")
    ImageName(server='registry.example.com:5000', name='team/etl', tag='1.4')
    >>> parse_image("python").repository
    'python'
    """
    first, slash, rest = text.partition("/")
    has_server = bool(slash) and (
        first == "localhost" or any(sign in first for sign in ".:") or first != first.lower()
    )
    server, name = (first, rest) if has_server else (DOCKER_HUB, text)
    found = _NAME.fullmatch(name) if len(text) <= MAX_CHARACTERS else None
    if found is None or problem_of_server(server):
        raise ValueError(
            "this is no name of an image. Write it such as python:3.12-slim or registry.example.com/team/etl:1.4."
        )
    return ImageName(server_name(server), found["name"], found["digest"] or found["tag"] or "latest")


def server_name(server: str) -> str:
    """Return the server of a registry by the one name that it has here.

    >>> server_name("index.docker.io"), server_name("registry.example.com")
    ('docker.io', 'registry.example.com')
    """
    return DOCKER_HUB if server.lower() in _HUB_NAMES else server


def problem_of_server(server: str) -> str | None:
    """Return why a text is no server of a registry, without repeating it, or None."""
    if _SERVER.fullmatch(server) and len(server) <= 255:
        return None
    return (
        "write the server as it stands in the names of its images, such as registry.example.com or "
        "registry.example.com:5000; without https:// and without a path."
    )
