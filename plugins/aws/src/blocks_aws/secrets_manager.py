"""`AwsSecret`: secrets that AWS Secrets Manager keeps."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import Field, SecretBytes

from blocks_aws.clients import VENDORS, cause_without, client_for, forget_clients, vendor_errors
from blocks_aws.credentials import AwsCredentials
from blocks_aws.service_reasons import why_unread
from blocks_core.capabilities import SecretSource
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import CredentialsRefused, SecretUnresolved
from blocks_core.masking import without_secrets
from blocks_core.source_keys import SourceKey
from blocks_core.unlogged import unlogged

_PROBE = "blocks-check-of-what-may-be-read"
"""Name of a secret that is not there: AWS says so only to who may read a secret of that name."""


class AwsSecret(SecretSource, slug="aws-secret", title="AWS Secret"):
    """Secrets that AWS Secrets Manager keeps, read when they are needed.

    A key is a secret's name or ARN, or `NAME#MEMBER` for one member of a secret that is a JSON object. Give the
    credentials `secretsmanager:GetSecretValue`, and `kms:Decrypt` where a key of one's own encrypts the secret.

    ```python
    from blocks_aws import AwsSecret

    AwsSecret(prefix="prod/").save("prod")
    source = AwsSecret.load("prod")
    password = source.read_secret("database#password").get_secret_value()  # bytes: b"…"
    ```
    """

    credentials: AwsCredentials | None = Field(
        default=None, description="Who asks, and where. Default: the environment's own chain."
    )
    prefix: str = Field(
        default="",
        max_length=500,
        description="Put before every name, such as prod/ ; an ARN is taken as it is.",
    )
    version_stage: str = Field(
        default="AWSCURRENT",
        min_length=1,
        max_length=256,
        description="Label of the version to read, such as AWSCURRENT or AWSPREVIOUS.",
    )
    cache_seconds: int = Field(
        default=300,
        ge=0,
        le=86400,
        description="How long a process keeps a value that a secret reference asked for; 0 asks each time.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )
    check_key: str | None = Field(
        default=None,
        min_length=1,
        description="Key that the check reads. Default: the check asks for a name that is not there.",
    )

    def read_secret(self, key: str) -> SecretBytes:
        """Return a secret's value as it is now, or a member of it.

        Raises:  SecretUnresolved: not there, or not readable now. CredentialsRefused.
        Source:  https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
        """
        wanted = SourceKey.parse(key)
        name = wanted.name if wanted.name.startswith("arn:") else f"{self.prefix}{wanted.name}"
        place = f"Secret '{name[:600]}' of AWS Secrets Manager"
        answer = self._ask(name, place)
        value = answer.get("SecretString", answer.get("SecretBinary"))
        if value is None:
            raise SecretUnresolved(
                f"{place} has no value, or what answered is no Secrets Manager. Store one."
            )
        return wanted.pick(value.encode() if isinstance(value, str) else bytes(value), place)

    def check(self) -> CheckReport:
        """Find out whether secrets may be read; what was read is not shown."""
        checker = Checker()
        checker.step("read", self._try_reading)
        return checker.report()

    def _try_reading(self) -> str:
        if self.check_key:
            self.read_secret(self.check_key)
            return f"The secret '{self.check_key}' may be read."
        try:
            self.read_secret(_PROBE)
        except SecretUnresolved as error:
            if "ResourceNotFoundException" not in str(error):
                raise
        begin = f"that begin with '{self.prefix}' " if self.prefix else ""
        return f"Secrets {begin}may be read."

    def _ask(self, name: str, place: str) -> dict[str, Any]:
        try:
            client = client_for(self.credentials, "secretsmanager", self.timeout_seconds)
            with unlogged(*VENDORS):
                answer: dict[str, Any] = client.get_secret_value(
                    SecretId=name, VersionStage=self.version_stage
                )
        except vendor_errors() as error:
            failure = why_unread(error, place)
            if isinstance(failure, CredentialsRefused):
                forget_clients()
            hide = partial(without_secrets, self)
            raise type(failure)(hide(str(failure))) from cause_without(error, hide)
        return answer
