"""Where the environment says that an engine is, as Docker's own command reads it.

Source:  https://docs.docker.com/reference/cli/docker/#environment-variables,
         https://docs.docker.com/engine/manage-resources/contexts/ (its folder is named by a hash).
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from blocks_core.errors import InfrastructureFailed
from blocks_docker.settings import EngineSettings, problem_of_address

STANDARD_SOCKET = "unix:///var/run/docker.sock"


def find_settings(settings: EngineSettings) -> EngineSettings:
    """Return settings with an address: if need be that of the environment.

    DOCKER_HOST with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH is first, then the context that is chosen, then the
    standard socket.

    Raises:  InfrastructureFailed: the environment's settings lead nowhere.
    """
    if settings.address:
        return settings
    try:
        found = replace(settings, **(_of_variables() or _of_context()))
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InfrastructureFailed(
            f"What the environment says of the engine cannot be read ({type(error).__name__}). Check "
            f"DOCKER_CERT_PATH, DOCKER_CONTEXT and ~/.docker, or give the block a docker-host with an address."
        ) from error
    if problem_of_address(found.address or ""):
        raise InfrastructureFailed(
            "DOCKER_HOST, or the context that is chosen, is no address of an engine. Write it such as "
            "unix:///var/run/docker.sock or tcp://docker.example.com:2376, or give the block a docker-host."
        )
    return found


def _of_variables() -> dict[str, Any]:
    address = os.environ.get("DOCKER_HOST", "").strip()
    verify, folder = os.environ.get("DOCKER_TLS_VERIFY"), os.environ.get("DOCKER_CERT_PATH")
    if not address or not (verify or folder):
        return {"address": address} if address else {}
    return {
        "address": address,
        "verify": bool(verify),
        **_certificates(Path(folder) if folder else _folder()),
    }


def _of_context() -> dict[str, Any]:
    folder = _folder()
    name = os.environ.get("DOCKER_CONTEXT") or _chosen(folder / "config.json")
    if name == "default":
        return {"address": STANDARD_SOCKET}
    key = sha256(name.encode()).hexdigest()
    endpoint = json.loads((folder / "contexts/meta" / key / "meta.json").read_text("utf-8"))["Endpoints"][
        "docker"
    ]
    certificates = folder / "contexts/tls" / key / "docker"
    return {
        "address": str(endpoint["Host"]),
        "verify": not endpoint.get("SkipTLSVerify"),
        **(_certificates(certificates) if certificates.is_dir() else {}),
    }


def _chosen(config: Path) -> str:
    if not config.exists():
        return "default"
    return str(json.loads(config.read_text("utf-8")).get("currentContext") or "default")


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()


def _certificates(folder: Path) -> dict[str, str]:
    names = {"ca_cert": "ca.pem", "client_cert": "cert.pem", "client_key": "key.pem"}
    found = {field: folder / name for field, name in names.items()}
    if not any(file.exists() for file in found.values()):
        raise LookupError("there are no certificates")
    return {field: file.read_text("utf-8") for field, file in found.items() if file.exists()}
