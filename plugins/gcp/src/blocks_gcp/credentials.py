"""`GcpCredentials`: a service account of Google Cloud, or what Google's own chain finds."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from blocks_core.capabilities import Credentials
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import CredentialsRefused
from blocks_core.secret import SecretRef

if TYPE_CHECKING:
    from blocks_gcp.connection import Connection

_MEMBERS = ("client_email", "private_key", "token_uri")


class GcpCredentials(Credentials, slug="gcp-credentials", title="GCP Credentials"):
    """Who one is to Google Cloud.

    Give the JSON key of a service account; or nothing, and Google's own chain is followed: the file that
    GOOGLE_APPLICATION_CREDENTIALS names, what `gcloud auth application-default login` left, the service account of
    the machine. A token is got when it is needed, and renewed before it expires.

    ```python
    from pathlib import Path

    from blocks_gcp import GcpCredentials

    GcpCredentials(service_account=Path("etl-key.json").read_text()).save("etl")
    credentials = GcpCredentials.load("etl").google_credentials()  # what google.cloud's clients take
    ```
    """

    service_account: SecretStr | None = Field(
        default=None,
        description="The JSON key file of a service account, whole. Default: Google's own chain.",
    )
    project: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,62}$",
        description="Id of the project to work in. Default: that of the service account, or of Google's own chain.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("service_account")
    @classmethod
    def _is_a_key_file(cls, service_account: SecretStr | None) -> SecretStr | None:
        if service_account is None or isinstance(service_account, SecretRef):
            return service_account  # what a reference leads to is read when it is needed
        if problem := problem_of_key_file(service_account.get_secret_value()):
            raise ValueError(problem)
        return service_account

    def google_credentials(self) -> Any:
        """Return the credentials as google-auth has them: what Google's client libraries take.

        Raises:  CredentialsRefused: none were found.
        """
        return self._connection().credentials

    def project_id(self) -> str:
        """Return the project to work in.

        Raises:  CredentialsRefused: none is known.
        """
        found = self.project or self._connection().project
        if not found:
            raise CredentialsRefused(
                "The credentials do not say which project to work in. Give project, or set GOOGLE_CLOUD_PROJECT."
            )
        return found

    def identity(self) -> str:
        """Return the account that Google takes the bearer for, by getting a new token.

        Raises:  CredentialsRefused.
        Source:  RFC 7523 section 2.1 (a signed assertion for a token).
        """
        return self._connection().identity()

    def check(self) -> CheckReport:
        """Get a token from Google."""
        checker = Checker()
        checker.step("identity", self.identity)
        return checker.report()

    def _connection(self) -> Connection:
        from blocks_gcp.connection import open_connection  # late: it imports google-auth and requests

        return open_connection(self)


def loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def problem_of_address(address: str) -> str | None:
    """Return why tokens must not be sent to an address, or None."""
    host, problem = _host_of(address)
    if not problem and (address.startswith("https://") or loopback(host)):
        return None
    return "The address must start with https:// (http:// only for this machine itself), without user or password."


def problem_of_public_address(address: str) -> str | None:
    """Return why an address is none to ask without a token, or None."""
    _, problem = _host_of(address)
    return "The address must start with https:// or http://, without user or password." if problem else None


def _host_of(address: str) -> tuple[str, bool]:
    """Return an address's host, and whether the address is none of the web."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return "", True
    safe = parts.scheme in ("http", "https") and "@" not in address and address.isprintable()
    return host, not (safe and host and " " not in address)


def problem_of_key_file(text: str) -> str | None:
    """Return why a text is no key file of a service account, without repeating it, or None."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return "This is no JSON. Give the service account's key file whole, as Google made it."
    content = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if content.get("type") != "service_account":
        return (
            "This is no key file of a service account: its type is another one. Files of other types are read by "
            "Google's own chain: leave this field empty and set GOOGLE_APPLICATION_CREDENTIALS to the file."
        )
    missing = [name for name in _MEMBERS if not isinstance(content.get(name), str) or not content[name]]
    if missing:
        return f"The key file lacks {', '.join(missing)}. Give it whole, as Google made it."
    if problem_of_address(content["token_uri"]):
        return "The key file's token_uri is none of Google's. Give the file whole, as Google made it."
    return None
