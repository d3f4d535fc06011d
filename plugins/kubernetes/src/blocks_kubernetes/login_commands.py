"""Login commands: programs that print a token, which is kept until shortly before it expires.

Source:  https://kubernetes.io/docs/reference/access-authn-authz/authentication/#input-and-output-formats
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, cast

from blocks_core.masking import SECRETS_IN_USE, without
from blocks_kubernetes.access import LoginCommand
from blocks_kubernetes.errors import LoginRefused

TIMEOUT_SECONDS = 60
_EARLY = timedelta(minutes=1)
"""How long before its end a token is renewed."""


class Login:
    """The token of a login command, for any number of threads."""

    def __init__(self, command: LoginCommand) -> None:
        self._command = command
        self._lock = Lock()
        self._token = ""
        self._expires: datetime | None = None

    def token(self) -> str:
        """Return a token that has not expired.

        Raises:  LoginRefused.
        """
        with self._lock:
            if not self._token or (self._expires and datetime.now(UTC) >= self._expires - _EARLY):
                self._token, self._expires = _run(self._command)
                SECRETS_IN_USE.add([self._token])
            return self._token

    def forget(self) -> None:
        """Run the command anew at the next request: the cluster does not accept the token any more."""
        with self._lock:
            self._token = ""


def _run(login: LoginCommand) -> tuple[str, datetime | None]:
    name = login.command[0]
    spec: dict[str, Any] = {"interactive": False}
    if login.cluster:
        spec["cluster"] = json.loads(login.cluster)
    told = {"apiVersion": login.api_version, "kind": "ExecCredential", "spec": spec}
    try:
        done = subprocess.run(
            login.command,
            env=os.environ | dict(login.environment) | {"KUBERNETES_EXEC_INFO": json.dumps(told)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, ValueError) as error:
        hint = f" {login.install_hint[:300]}" if login.install_hint else ""
        raise LoginRefused(
            f"The login command '{name}' of the kubeconfig cannot be run ({type(error).__name__}). Install it on "
            f"this machine.{hint}"
        ) from None
    except subprocess.TimeoutExpired:
        raise LoginRefused(
            f"The login command '{name}' of the kubeconfig did not end in {TIMEOUT_SECONDS} seconds. Run it by hand: "
            f"it may wait for an answer."
        ) from None
    if done.returncode:
        said = without(
            done.stderr.decode(errors="replace").strip(), [value for _, value in login.environment]
        )
        raise LoginRefused(
            f"The login command '{name}' of the kubeconfig failed with code {done.returncode}. Run it by hand. "
            f"{' '.join(said.split())[-300:]}".strip()
        )
    return _read(done.stdout, name)


def _read(output: bytes, name: str) -> tuple[str, datetime | None]:
    try:
        status = cast("dict[str, Any]", json.loads(output)["status"])
        token, expires = status["token"], status.get("expirationTimestamp")
        moment = datetime.fromisoformat(expires) if expires else None
        if not isinstance(token, str) or not token:
            raise ValueError
    except (ValueError, LookupError, TypeError, AttributeError):
        raise LoginRefused(
            f"The login command '{name}' of the kubeconfig printed no token. Run it by hand: it must print an "
            f"ExecCredential with status.token; certificates are not taken from it."
        ) from None
    return token, moment
