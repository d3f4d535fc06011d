"""What an engine's words mean and what to do about them; known by their texts, as it gives no codes.

Source:  https://docs.docker.com/reference/api/engine/ (statuses); the texts were seen on engines 20.10 to 28.
"""

from __future__ import annotations

from collections.abc import Mapping

_PULLS: Mapping[str, str] = {
    "toomanyrequests": "the registry's limit is reached. Log in with a block docker-registry, or try again later.",
    "unauthorized": "the registry did not accept the login. Give the field registry a block with a login for it.",
    "no basic auth": "the registry asks for a login. Give the field registry a block with one for it.",
    "authentication required": "the registry asks for a login. Give the field registry a block with one for it.",
    "denied": "there is no such image, or the login may not pull it. Check its name, and the field registry.",
    "manifest unknown": "the registry has no such tag. Check the part of the name after the colon.",
    "not found": "the registry has no such image. Check its name and its tag.",
    "no matching manifest": "the image is not made for the engine's platform. Build it for that one, too.",
    "x509": "the engine does not trust the registry's certificate. Put its CA into the engine's certs.d.",
    "HTTP response to HTTPS": "the registry speaks plain HTTP. Name it in insecure-registries of the engine's "
    "daemon.json, or give it a certificate.",
    "no space left": "the disk of the engine is full. Make room there, such as with 'docker system prune'.",
    "no such host": "the engine does not find the registry. Check the image's name, and the engine's DNS and proxy.",
    "connection refused": "the registry does not run, or the image's name has another port. Check both.",
    "invalid reference": "the name is none of an image. Check it.",
}

_REFUSALS: Mapping[str, str] = {
    "CPUs available": "Ask for fewer, or set cpus of the block.",
    "Minimum memory limit": "Ask for more memory.",
    "bind source path does not exist": "Make the folder on the engine's machine, or mend volumes.",
    "unable to find user": "Check the field user: the image knows no such user.",
    "working directory": "Write working_directory from the root, such as /srv.",
    "is not a directory": "Check working_directory and volumes: a file is where a folder should be.",
    "network": "Check the field network; 'docker network ls' shows what there is.",
    "no space left": "Make room on the engine's disk, such as with 'docker system prune'.",
    "executable file not found": "Check the command and PATH: the image has no such program.",
    "no such file or directory": "Check the command: the image has no such program.",
    "permission denied": "Check the command: the program may not be executed.",
    "logging driver": "Set log-driver in the engine's daemon.json to one that can be read, such as json-file.",
    "client version": "Update the engine: it is too old for this SDK of Docker.",
}

_CHECK_IT = "Compare the block's fields with what the engine says."


def why_not_pulled(said: str) -> str:
    """Return why an image was not pulled, and what to do, by the engine's words."""
    return _found(_PULLS, said) or "check the image's name, the registry, and the network of the engine."


def remedy_for(said: str) -> str:
    """Return what to do where an engine refused something, by its words."""
    return _found(_REFUSALS, said) or _CHECK_IT


def why_unreachable(said: str, address: str) -> str:
    """Return what to do where no answer came from an engine."""
    lowered = said.lower()
    if "permission denied" in lowered:
        return (
            "this user may not use the socket. Join the group that owns it (mostly 'docker'), or change host."
        )
    if "certificate" in lowered or "ssl" in lowered:
        return "there is no trust between the two. Check ca_cert, client_cert and client_key, and the engine's own."
    if "timed out" in lowered or "timeout" in lowered:
        return "there was no answer in time. Check that it is up, and raise timeout_seconds if it is slow."
    if address.startswith("unix:"):
        return (
            "no engine listens there. Start it, or give host (DOCKER_HOST) the address of the one that runs."
        )
    return "it cannot be reached. Check the address, the network, and that the engine listens on it."


def _found(reasons: Mapping[str, str], said: str) -> str | None:
    lowered = said.lower()
    return next((why for words, why in reasons.items() if words.lower() in lowered), None)
