"""`GCS`: files in a bucket of Google Cloud Storage."""

from __future__ import annotations

import re
from typing import Any, Self, cast

from pydantic import Field, field_validator, model_validator

from blocks_core.errors import StorageFailed
from blocks_core.storage import FileSystemStorage
from blocks_core.storage_fields import Prefix
from blocks_gcp.credentials import GcpCredentials, problem_of_address, problem_of_public_address
from blocks_gcp.storage_reasons import why_failed

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)


class GCS(FileSystemStorage, slug="gcs"):
    """Files in a Google Cloud Storage bucket.

    A write replaces an object whole: in one request up to 8 MiB, as a resumable upload in pieces above
    that. Checksums (CRC-32C) are compared in both directions. All blocks of a process with the same
    credentials share their connections.

    ```python
    from blocks_gcp import GCS

    GCS(bucket="raw-data", prefix="2026").save("raw-data")
    GCS.load("raw-data").write("january/a.csv", b"1,2")  # gs://raw-data/2026/january/a.csv
    ```
    """

    bucket: str = Field(description="Name of the bucket.")
    prefix: Prefix = Field(default="", description="Put before every path.")
    credentials: GcpCredentials | None = Field(
        default=None, description="Who asks. Default: Google's own chain."
    )
    anonymous: bool = Field(
        default=False, description="Ask without credentials: for public buckets, and for emulators."
    )
    billing_project: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,62}$",
        description="Id of the project that pays for requests, for buckets that ask for one (requester pays).",
    )
    endpoint_url: str | None = Field(
        default=None,
        description="Address of the service, without a path; http only on this machine itself, or with "
        "anonymous. Default: STORAGE_EMULATOR_HOST, else Google's own.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("bucket")
    @classmethod
    def _is_a_bucket(cls, bucket: str) -> str:
        if not _BUCKET.fullmatch(bucket):
            raise ValueError(
                "Give the bucket's name alone, such as 'raw-data', in lower-case letters, digits, '-', '_' and "
                "'.'; a folder in it goes into prefix."
            )
        return bucket

    @model_validator(mode="after")
    def _who_asks_is_clear(self) -> Self:
        if self.anonymous and self.credentials is not None:
            raise ValueError("With anonymous, credentials are not sent. Leave out one of the two.")
        problem_of = problem_of_public_address if self.anonymous else problem_of_address
        if self.endpoint_url is not None and (problem := problem_of(self.endpoint_url)):
            raise ValueError(f"endpoint_url is refused. {problem}")
        return self

    def _filesystem(self) -> Any:
        from blocks_gcp.bucket_files import open_filesystem  # late: it imports gcsfs and aiohttp

        return open_filesystem(
            None if self.anonymous else self.credentials or GcpCredentials(),
            self.endpoint_url,
            self.billing_project,
            self.timeout_seconds,
        )

    def _root(self) -> str:
        return f"{self.bucket}/{self.prefix}" if self.prefix else self.bucket

    def _location_prefix(self) -> str:
        return f"gs://{self._root()}"

    def _has_file(self, full: str) -> bool:
        return bool(cast("Any", self._open()).has_object(full))  # one request; info() looks for folders, too

    def _expect_file(self, full: str) -> None:
        """Ask nothing: what opens and downloads objects asks for each first."""

    def _translate(self, error: Exception, location: str) -> StorageFailed:
        reason = why_failed(error, self.bucket, location)
        return StorageFailed(reason) if reason else super()._translate(error, location)


GcsBucket = GCS
"""The same class, by the name that other libraries gave it."""
