"""`GcpSecret`: secrets that Google Secret Manager keeps."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any, cast

from pydantic import Field, SecretBytes, field_validator

from blocks_core.capabilities import SecretSource
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import SecretUnresolved
from blocks_core.source_keys import SourceKey
from blocks_gcp.crc32c import crc32c
from blocks_gcp.credentials import GcpCredentials, problem_of_address
from blocks_gcp.reasons import Answer, secret_error

ENDPOINT_SETTING = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
"""The variable by which gcloud, too, is led to another endpoint."""

_PROBE = "blocks-check-of-what-may-be-read"
"""Name of a secret that is not there: Google says so only to who may read a secret of the project."""

_NAME = re.compile(
    r"(?:projects/(?P<project>[\w.:-]+)/(?:locations/(?P<location>[\w-]+)/)?secrets/)?"
    r"(?P<secret>[\w-]{1,255})(?:/versions/(?P<version>[\w-]+))?",
    re.ASCII,
)


class GcpSecret(SecretSource, slug="gcp-secret", title="GCP Secret"):
    """Secrets that Google Secret Manager keeps, read when they are needed.

    A key is a secret's name, `NAME/versions/7` for one version, or Google's whole name `projects/…/secrets/…`; after
    it, `#MEMBER` asks for one member of a secret that is a JSON object. Give the account the role
    roles/secretmanager.secretAccessor.

    ```python
    from pathlib import Path

    from blocks_gcp import GcpCredentials, GcpSecret

    credentials = GcpCredentials(service_account=Path("etl-key.json").read_text())
    GcpSecret(credentials=credentials, prefix="prod-").save("prod")
    source = GcpSecret.load("prod")
    password = source.read_secret("database#password").get_secret_value()  # bytes: b"…"
    first = source.read_secret("database/versions/1#password").get_secret_value()
    ```
    """

    credentials: GcpCredentials | None = Field(
        default=None, description="Who asks, and in which project. Default: Google's own chain."
    )
    prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]{0,200}$",
        description="Put before every name, such as prod- ; a whole name is taken as it is.",
    )
    version: str = Field(
        default="latest",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="Version to read where the key names none: a number, an alias, or latest.",
    )
    location: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,60}$",
        description="Location of regional secrets, such as europe-west3. Default: secrets are global.",
    )
    endpoint_url: str | None = Field(
        default=None,
        description="Address of the service; https, or http on this machine itself. Default: Google's own.",
    )
    cache_seconds: int = Field(
        default=300,
        ge=0,
        le=86400,
        description="How long a process keeps a value that a secret reference asked for; 0 asks each time.",
    )
    check_key: str | None = Field(
        default=None,
        min_length=1,
        description="Key that the check reads. Default: the check asks for a name that is not there.",
    )

    @field_validator("endpoint_url")
    @classmethod
    def _address_is_safe(cls, address: str | None) -> str | None:
        if address is not None and (problem := problem_of_address(address)):
            raise ValueError(problem)
        return address

    def read_secret(self, key: str) -> SecretBytes:
        """Return a secret's value as it is now, or a member of it.

        Raises:  SecretUnresolved: not there, or not readable now. CredentialsRefused.
        Source:  https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
        """
        wanted = SourceKey.parse(key)
        place = f"Secret '{wanted.name[:600]}' of Google Secret Manager"
        answer, secrets = self._ask(wanted.name, place)
        if not answer.ok:
            raise secret_error(answer, place, secrets)
        value = _payload_of(answer)
        if value is None:
            raise SecretUnresolved(
                f"{place} was damaged on the way, or what answered is no Secret Manager. Check endpoint_url and the "
                f"proxy, and try again."
            )
        return wanted.pick(value, place)

    def check(self) -> CheckReport:
        """Find out who asks and whether secrets may be read; what was read is not shown."""
        checker = Checker()
        if checker.step("identity", (self.credentials or GcpCredentials()).identity):
            checker.step("read", self._try_reading)
        return checker.report()

    def _try_reading(self) -> str:
        if self.check_key:
            self.read_secret(self.check_key)
            return f"The secret '{self.check_key}' may be read."
        answer, secrets = self._ask(_PROBE, place := "A secret of Google Secret Manager")
        if answer.word != "NOT_FOUND":
            raise secret_error(answer, place, secrets)
        return "Secrets of the project may be read."

    def _ask(self, name: str, place: str) -> tuple[Answer, tuple[str, ...]]:
        """Return the answer, and what it must not repeat into a message."""
        from blocks_gcp.connection import Unreachable, open_connection  # late: it imports google-auth

        connection = open_connection(self.credentials)
        try:
            answer = connection.ask("GET", self._url(name, place))
        except Unreachable as error:
            raise SecretUnresolved(f"{place} was not read. {error}") from error
        return answer, tuple(connection.secrets())

    def _url(self, name: str, place: str) -> str:
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise SecretUnresolved(
                f"{place} cannot be: names are of letters, digits, - and _. Write NAME, NAME/versions/7 or "
                f"projects/PROJECT/secrets/NAME, and #MEMBER after it for a member."
            )
        is_whole = parts["project"] is not None
        location = parts["location"] if is_whole else self.location
        project = parts["project"] or (self.credentials or GcpCredentials()).project_id()
        host = f"secretmanager.{location}.rep.googleapis.com" if location else "secretmanager.googleapis.com"
        secret = parts["secret"] if is_whole else f"{self.prefix}{parts['secret']}"
        where = f"projects/{project}/locations/{location}" if location else f"projects/{project}"
        endpoint = (self.endpoint_url or _setting() or f"https://{host}").rstrip("/")
        return f"{endpoint}/v1/{where}/secrets/{secret}/versions/{parts['version'] or self.version}:access"


def _setting() -> str | None:
    """Return the endpoint that the environment names.

    Raises:  SecretUnresolved: tokens must not be sent there.
    """
    found = os.environ.get(ENDPOINT_SETTING)
    if found and (problem := problem_of_address(found)):
        raise SecretUnresolved(f"{ENDPOINT_SETTING} leads nowhere. {problem}")
    return found


def _payload_of(answer: Answer) -> bytes | None:
    """Return the value that an answer has, if it fits its checksum."""
    payload = answer.content.get("payload")
    found = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    try:
        value = b64decode(str(found.get("data", "")), validate=True)
        return value if int(found["dataCrc32c"]) == crc32c(value) else None
    except (KeyError, ValueError, TypeError, Base64Error):
        return None
