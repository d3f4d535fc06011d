"""Blocks for Amazon Web Services. Vendor packages are imported when a block is used."""

from blocks_aws.credentials import AwsCredentials
from blocks_aws.ecr import EcrRegistry
from blocks_aws.s3 import S3
from blocks_aws.secrets_manager import AwsSecret

__all__ = ["AwsCredentials", "AwsSecret", "EcrRegistry", "S3"]
