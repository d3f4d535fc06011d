"""The seam to Docker's SDK: clients that a process keeps, and what their calls raise. Imported at first use."""

# The SDK comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from traceback import format_exception
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException
from requests.exceptions import JSONDecodeError, RequestException
from urllib3.exceptions import HTTPError, ReadTimeoutError

from blocks_core.errors import InfrastructureFailed, PackageMissing
from blocks_core.masking import without
from blocks_docker.environment import find_settings
from blocks_docker.errors import EngineRefused, EngineUnreachable
from blocks_docker.reasons import remedy_for, why_unreachable
from blocks_docker.settings import EngineSettings
from blocks_docker.transports import ClosingSockets, TrustingThese

MAX_KEPT = 32
"""Clients kept; the one not used for longest is let go, and closes its connections."""

_OLDEST_VERSION = "1.24"
_NO_ANSWER = (RequestException, HTTPError, OSError)
_FAILURES = (DockerException, *_NO_ANSWER, LookupError, TypeError, ValueError, AttributeError)
"""What a call of the SDK raises: its own errors, those below it, and Python's where an answer is none."""

T = TypeVar("T")


def ask(settings: EngineSettings, call: Callable[[Any], T], *, secrets: tuple[str, ...] = ()) -> T:
    """Return what a call of the SDK's client for the API gives; the client may be used by several threads.

    Args:    secrets: texts that no error may repeat.
    Raises:  EngineUnreachable, EngineRefused; InfrastructureFailed: the settings lead nowhere; PackageMissing.
    """
    found = find_settings(settings)
    try:
        return call(_open(os.getpid(), found))
    except failures() as error:
        hidden = (*found.secrets, *secrets)
        leaks = without("".join(format_exception(error)), hidden) != "".join(format_exception(error))
        raise _translated(error, found, hidden) from (None if leaks else error)


def timed_out(error: BaseException | None) -> bool:
    """Tell whether an error means that nothing came for a while on a connection that stands."""
    while error is not None:
        if isinstance(error, ReadTimeoutError) or any(
            isinstance(part, ReadTimeoutError) for part in error.args
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def failures() -> tuple[type[Exception], ...]:
    """Return what a call of the SDK raises."""
    return (*_FAILURES, *_ssh_errors())


def _ssh_errors() -> tuple[type[Exception], ...]:
    """Return what an engine that is reached by SSH can raise besides; nothing where that was not tried."""
    paramiko = sys.modules.get("paramiko")
    return (paramiko.SSHException,) if paramiko else ()


def _translated(error: Exception, settings: EngineSettings, secrets: tuple[str, ...]) -> InfrastructureFailed:
    address = settings.address or ""
    if isinstance(error, APIError) and error.response is not None:
        said = without(" ".join(str(error.explanation or error.response.reason).split()), secrets)[:600]
        status = int(error.response.status_code)
        return EngineRefused(
            f"The engine at {address} did not do it (HTTP {status}: {said}). {remedy_for(said)}",
            status=status,
            said=said,
        )
    said = without(" ".join(str(error).split()), secrets)[:300]
    if isinstance(error, DockerException):
        return InfrastructureFailed(
            f"The engine at {address} cannot be used ({type(error).__name__}: {said}). Check the address, and the "
            f"files in ~/.docker."
        )
    if isinstance(error, JSONDecodeError) or not isinstance(error, (*_NO_ANSWER, *_ssh_errors())):
        return EngineUnreachable(
            f"What answered at {address} is no engine of Docker ({type(error).__name__}). Check the address and the "
            f"proxy."
        )
    return EngineUnreachable(
        f"No answer came from the engine at {address} ({type(error).__name__}: {said}): "
        f"{why_unreachable(said, address)}"
    )


@lru_cache(maxsize=MAX_KEPT)
def _open(
    _process: int,  # a forked child opens its own, as connections cannot be shared
    settings: EngineSettings,
) -> APIClient:
    """Return a client for the newest version of the API that the engine has."""
    with _client(settings, _OLDEST_VERSION) as first:
        version = str(first.version(api_version=False)["ApiVersion"])
    return _client(settings, version)


def _client(settings: EngineSettings, version: str) -> APIClient:
    address = settings.address or ""
    if address.startswith("ssh:") and find_spec("paramiko") is None:
        raise PackageMissing(
            f"The engine at {address} is reached by SSH, which needs a package that is not installed: "
            f"pip install 'blocks-docker[ssh]'."
        )
    options: dict[str, Any] = {"timeout": settings.timeout_seconds}  # typed as whole, and handed to sockets
    client = APIClient(address, version=version, tls=settings.uses_tls, max_pool_size=32, **options)
    if settings.uses_tls:
        client.mount("https://", TrustingThese(settings))
    if address.startswith("unix:"):
        client.mount("http+docker://", ClosingSockets(address, settings.timeout_seconds))
    return client
