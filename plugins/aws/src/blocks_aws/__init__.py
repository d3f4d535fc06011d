"""Blocks for Amazon Web Services. Vendor packages are imported when a block is used."""

from blocks_aws.credentials import AwsCredentials
from blocks_aws.s3 import S3

__all__ = ["AwsCredentials", "S3"]
