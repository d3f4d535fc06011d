"""`AwsCredentials`: access keys, a profile or a role of Amazon Web Services."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import Field, SecretStr, model_validator

from blocks_aws.reasons import why_refused
from blocks_core.capabilities import Credentials
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import CredentialsRefused
from blocks_core.masking import SECRETS_IN_USE, MaskingFilter, secret_texts, without_secrets
from blocks_core.secret import is_secret
from blocks_core.unlogged import unlogged

if TYPE_CHECKING:
    import boto3

_ANY_REGION = "us-east-1"
"""Asked who one is where no region is set: the answer is the same in all of them."""


class AwsCredentials(Credentials, slug="aws-credentials", title="AWS Credentials"):
    """Who one is to Amazon Web Services, or to a store that speaks its protocols.

    Give an access key and its secret, or the name of a profile; or neither, and AWS's own chain is
    followed: environment variables, shared files, the role of the machine. A role is assumed with what is
    found, and renewed before it expires. `endpoint_url` leads to a store such as MinIO or Ceph.

    ```python
    from blocks_aws import AwsCredentials

    etl = AwsCredentials(access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="hunter2")
    etl.save("etl")
    queues = AwsCredentials.load("etl").client("sqs").list_queues()
    ```
    """

    access_key_id: str | None = Field(
        default=None, min_length=1, description="Id of the access key. Default: found by AWS's own chain."
    )
    secret_access_key: SecretStr | None = Field(
        default=None, min_length=1, description="The secret that goes with the access key."
    )
    session_token: SecretStr | None = Field(
        default=None, min_length=1, description="Needed with a temporary access key only."
    )
    profile: str | None = Field(
        default=None, min_length=1, description="Profile of the shared AWS files, instead of an access key."
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        description="Region to work in, such as eu-central-1. Default: found by AWS's own chain.",
    )
    role_arn: str | None = Field(
        default=None,
        pattern=r"^arn:\S+$",
        description="Role to assume with these credentials, such as arn:aws:iam::123456789012:role/etl.",
    )
    external_id: str | None = Field(
        default=None, min_length=2, description="The external id that the role's owner asks for."
    )
    endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^@\s]+$",
        description="Address of a store that speaks AWS's protocols. Default: Amazon's own.",
    )

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError(
                "An access key has two halves: give both access_key_id and secret_access_key, or neither."
            )
        if self.session_token and not self.access_key_id:
            raise ValueError(
                "A session token belongs to an access key: give access_key_id and its secret too."
            )
        if self.profile and self.access_key_id:
            raise ValueError("A profile and an access key are two answers to one question: give one of them.")
        if self.external_id and not self.role_arn:
            raise ValueError("An external id is for assuming a role: give role_arn too.")
        return self

    def session(self) -> boto3.Session:
        """Return a session of boto3 with these credentials; a role is assumed at the first request.

        Its clients renew keys before they end, and once where a service says that they have expired.

        Raises:  CredentialsRefused: there is no such profile.
        """
        if self.role_arn is None:
            return self._own_session()
        import boto3  # late, like the next: a vendor's packages
        import botocore.session

        from blocks_aws.renewal import renew_on_refusal, role_key

        guard_logs(self)
        key = role_key(self)
        core = botocore.session.Session(profile=self.profile)
        core._credentials = key  # pyright: ignore[reportPrivateUsage]  botocore has no public way to set them
        renew_on_refusal(core, key.give_up)
        return boto3.Session(botocore_session=core, region_name=self.region)

    def client(self, service: str, **options: Any) -> Any:
        """Return boto3's client for a service, such as `s3` or `sts`.

        Args:    options: of `boto3.Session.client`, such as `region_name`.
        Raises:  CredentialsRefused: there is no such profile.
        """
        return _client(self.session(), service, **{"endpoint_url": self.endpoint_url, **options})

    def identity(self) -> str:
        """Return the ARN of the user or role that AWS takes the bearer for.

        Raises:  CredentialsRefused.
        Source:  https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        """
        with self._refusing():
            return str(self._sts(self.session()).get_caller_identity()["Arn"])

    def check(self) -> CheckReport:
        """Ask AWS who the bearer is."""
        checker = Checker()
        checker.step("identity", self.identity)
        return checker.report()

    def assume_role(self) -> dict[str, str]:
        """Return a temporary key of the role, named as botocore's credentials that renew themselves ask for it.

        Raises:  CredentialsRefused.
        Source:  https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        """
        external = {"ExternalId": self.external_id} if self.external_id else {}
        with self._refusing():
            sts = self._sts(self._own_session())
            with unlogged(*_VENDORS):
                found = sts.assume_role(RoleArn=self.role_arn, RoleSessionName="blocks", **external)[
                    "Credentials"
                ]
            SECRETS_IN_USE.add([found["SecretAccessKey"], found["SessionToken"]])
            return {
                "access_key": found["AccessKeyId"],
                "secret_key": found["SecretAccessKey"],
                "token": found["SessionToken"],
                "expiry_time": found["Expiration"].isoformat(),
            }

    def _own_session(self) -> boto3.Session:
        import boto3  # late, like the next: a vendor's packages
        import botocore.session
        from botocore.exceptions import BotoCoreError

        from blocks_aws.renewal import renew_on_refusal

        guard_logs(self)
        core = botocore.session.Session()
        if self.access_key_id is None:  # else there is nothing to renew them from
            renew_on_refusal(core)
        try:
            return boto3.Session(
                botocore_session=core,
                aws_access_key_id=self.access_key_id,
                aws_secret_access_key=revealed(self.secret_access_key),
                aws_session_token=revealed(self.session_token),
                profile_name=self.profile,
                region_name=self.region,
            )
        except BotoCoreError as error:
            raise CredentialsRefused(why_refused(error, self.endpoint_url)) from error

    @contextmanager
    def _refusing(self) -> Generator[None]:
        """Turn what botocore raises for an answer, or for none, into our error, without the block's secrets."""
        from botocore.exceptions import BotoCoreError, ClientError  # late, like the next: a vendor's package
        from botocore.parsers import ResponseParserError  # an answer that is no XML; it repeats it

        try:
            yield
        except (BotoCoreError, ClientError, ResponseParserError, LookupError) as error:
            shown = "".join(format_exception(error))
            leaks = without_secrets(self, shown) != shown  # a store may repeat what it was sent
            reason = without_secrets(self, why_refused(error, self.endpoint_url))
            raise CredentialsRefused(reason) from (None if leaks else error)

    def _sts(self, session: boto3.Session) -> Any:
        region = cast("str | None", cast("Any", session).region_name) or _ANY_REGION
        return _client(session, "sts", region_name=region, endpoint_url=self.endpoint_url)


def bearer_key(credentials: AwsCredentials | None) -> tuple[Any, ...]:
    """Return what tells bearers apart, to keep something for each: the process, AWS's settings, and the fields.

    A forked child has its own, as connections and locks cannot be shared.
    """
    fields = tuple(
        (name, value.get_secret_value() if is_secret(value) else value)
        for name, value in vars(credentials or AwsCredentials()).items()
    )
    settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    return os.getpid(), settings, fields


def revealed(secret: SecretStr | None) -> str | None:
    """Return the value of a secret, or None where there is none."""
    return None if secret is None else secret.get_secret_value()


def guard_logs(credentials: AwsCredentials) -> None:
    """Keep keys out of the log: after the vendor's packages are imported, before they are used.

    botocore's debug lines hold session tokens, and a role's whole key where its own chain assumes one: they stay
    out unless someone has set a level for its logger. The credentials' own secrets are taken out of all lines.
    """
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    SECRETS_IN_USE.add(secret_texts(credentials))
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _VENDORS:  # a filter serves its own logger, not those below
            logging.getLogger(name).addFilter(_masking)  # once: a logger knows which it has


_VENDORS = frozenset({"aiobotocore", "boto3", "botocore", "s3fs"})
_masking = MaskingFilter()


def _client(session: boto3.Session, service: str, **options: Any) -> Any:
    """Make a client; boto3 has no types for it."""
    return cast("Any", session).client(service, **options)
