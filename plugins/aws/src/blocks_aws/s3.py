"""`S3`: files in a bucket of Amazon S3, or of a store that speaks its protocol."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from blocks_aws.credentials import AwsCredentials
from blocks_aws.reasons import why_failed
from blocks_core.errors import StorageFailed
from blocks_core.storage import FileSystemStorage
from blocks_core.storage_fields import Prefix


class S3(FileSystemStorage, slug="s3"):
    """Files in an Amazon S3 bucket, or in any store that speaks its protocol.

    Region and endpoint are those of the credentials; without credentials AWS's own chain is followed. A
    write replaces an object whole, in one request up to 100 MB and in parts above that. All blocks of a
    process with the same credentials share their connections.

    ```python
    from blocks_aws import S3

    S3(bucket="raw-data", prefix="2026").save("raw-data")
    S3.load("raw-data").write("january/a.csv", b"1,2")  # s3://raw-data/2026/january/a.csv
    ```
    """

    bucket: str = Field(min_length=1, description="Name of the bucket, or the ARN of an access point.")
    prefix: Prefix = Field(default="", description="Put before every path.")
    credentials: AwsCredentials | None = Field(
        default=None, description="Who asks, and where. Default: the environment's own chain."
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("bucket")
    @classmethod
    def _is_a_bucket(cls, bucket: str) -> str:
        if "://" in bucket or ("/" in bucket and not bucket.startswith("arn:")) or bucket.split() != [bucket]:
            raise ValueError(
                "Give the bucket's name alone, such as 'raw-data'; a folder in it goes into prefix."
            )
        return bucket

    def _filesystem(self) -> Any:
        from blocks_aws.connection import open_filesystem  # late: it imports s3fs and aiobotocore

        return open_filesystem(self.credentials, self.timeout_seconds)

    def _expect_file(self, full: str) -> None:
        """Ask nothing: S3 says itself that a file is not there."""

    def _root(self) -> str:
        return f"{self.bucket}/{self.prefix}" if self.prefix else self.bucket

    def _location_prefix(self) -> str:
        return f"s3://{self._root()}"

    def _translate(self, error: Exception, location: str) -> StorageFailed:
        reason = why_failed(error, self.bucket, location)
        return StorageFailed(reason) if reason else super()._translate(error, location)
