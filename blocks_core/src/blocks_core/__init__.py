"""Typed blocks of configuration and credentials, with secrets encrypted at rest.

class S3(Storage, slug="s3"):
    bucket: str

S3(bucket="raw").save("raw-data")
S3.load("raw-data")
"""

from blocks_core.block import Block, Saved, TypeInfo
from blocks_core.capabilities import (
    Credentials,
    Infrastructure,
    Job,
    JobHandle,
    Message,
    Notifier,
    SecretSource,
    Storage,
    StoredFile,
)
from blocks_core.checks import CheckReport, CheckResult
from blocks_core.current import current_library, use_library
from blocks_core.errors import BlocksError
from blocks_core.secret import SecretBytesRef, SecretRef
from blocks_core.upgrading import upgrades

__all__ = [
    "Block",
    "BlocksError",
    "CheckReport",
    "CheckResult",
    "Credentials",
    "Infrastructure",
    "Job",
    "JobHandle",
    "Message",
    "Notifier",
    "Saved",
    "SecretBytesRef",
    "SecretRef",
    "SecretSource",
    "Storage",
    "StoredFile",
    "TypeInfo",
    "current_library",
    "upgrades",
    "use_library",
]
