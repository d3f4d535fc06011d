"""Getting images onto an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from blocks_core.capabilities import RegistryLogin
from blocks_core.errors import InfrastructureFailed
from blocks_core.masking import without
from blocks_docker.errors import EngineRefused
from blocks_docker.host import DockerHost
from blocks_docker.images import parse_image
from blocks_docker.reasons import why_not_pulled

PullPolicy = Literal["if-not-present", "always", "never"]


def have_image(
    host: DockerHost, image: str, policy: PullPolicy, log_in: Callable[[], RegistryLogin | None]
) -> None:
    """See to it that an image is on the engine.

    Args:    log_in: asked where the image is pulled only.
    Raises:  InfrastructureFailed: it is not, and may not or cannot be pulled; CredentialsRefused.
    """
    if policy != "always" and is_there(host, image):
        return
    if policy == "never":
        raise _not_there(host, image)
    name, login = parse_image(image), log_in()
    secrets = (login.password.get_secret_value(),) if login else ()

    def pull(client: Any) -> str:
        told = client.pull(
            name.repository, tag=name.tag, auth_config=_login_for(login), stream=True, decode=True
        )
        return next((str(line["error"]) for line in told if "error" in line), "")

    try:
        problem = host.ask(pull, secrets=secrets)
    except EngineRefused as error:
        raise _not_pulled(host, image, error.said) from error
    if problem:
        raise _not_pulled(host, image, without(" ".join(problem.split()), secrets)[:600])


def can_be_pulled(host: DockerHost, image: str, login: RegistryLogin | None) -> None:
    """Find out whether the engine could pull an image, without doing it.

    Raises:  InfrastructureFailed: it could not.
    """
    name = parse_image(image)
    secrets = (login.password.get_secret_value(),) if login else ()
    sign = "@" if ":" in name.tag else ":"
    full = f"{name.repository}{sign}{name.tag}"
    try:
        host.ask(lambda client: client.inspect_distribution(full, _login_for(login)), secrets=secrets)
    except EngineRefused as error:
        raise _not_pulled(host, image, error.said) from error


def is_there(host: DockerHost, image: str) -> bool:
    """Tell whether the engine has an image.

    Raises:  InfrastructureFailed.
    """
    try:
        host.ask(lambda client: client.inspect_image(image))
    except EngineRefused as error:
        if error.status == 404:
            return False
        raise
    return True


def _login_for(login: RegistryLogin | None) -> dict[str, str] | None:
    """Return a login as the SDK takes it; None lets it look into Docker's own configuration."""
    if login is None:
        return None
    return {
        "username": login.username,
        "password": login.password.get_secret_value(),
        "serveraddress": login.server,
    }


def _not_there(host: DockerHost, image: str) -> InfrastructureFailed:
    return InfrastructureFailed(
        f"The image '{image}' is not on the engine at {host.address()}, and image_pull_policy is 'never'. Build or "
        f"load it there, or let it be pulled ('if-not-present')."
    )


def _not_pulled(host: DockerHost, image: str, said: str) -> InfrastructureFailed:
    return InfrastructureFailed(
        f"The image '{image}' could not be pulled by the engine at {host.address()} ({said}): {why_not_pulled(said)}"
    )
